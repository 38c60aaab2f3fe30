"""What the endpoint says when it does not give credentials: one function from an error to a body."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from keyfobd.http.quiet import QuietResponse

if TYPE_CHECKING:
    from keyfobd.core.admission import Refusal
    from keyfobd.core.errors import KeyfobError

JSON = "application/json"
"""Kotlin compares the whole value: no charset."""


def credentials(body: bytes) -> QuietResponse:
    """A body as the broker rendered it."""
    return QuietResponse(200, body, JSON)


def health() -> QuietResponse:
    """The endpoint answers; nothing else is anybody's business."""
    return QuietResponse(200, b"ok", "text/plain")


def error(error: KeyfobError) -> QuietResponse:
    """Why there are no credentials, and what to do about it."""
    return QuietResponse(error.http_status, _body(error.code, error.message, error.hint), JSON)


def refusal(refusal: Refusal) -> QuietResponse:
    """Why a request does not pass."""
    return QuietResponse(refusal.status, _refusal_body(refusal), JSON)


def unparsed_refusal(refusal: Refusal) -> bytes:
    """The same as the bytes of a whole response, for a peer whose request is not even read."""
    body = _refusal_body(refusal)
    head = (
        "HTTP/1.1 403 Forbidden\r\n"
        f"Content-Type: {JSON}\r\nCache-Control: no-store\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def _refusal_body(refusal: Refusal) -> bytes:
    return _body(refusal.code, refusal.message, refusal.hint)


def _body(code: str, message: str, hint: str) -> bytes:
    """In the capitals of JS and Kotlin, and the lower case of Java and Go, which takes the last of the two. botocore
    shows the whole body to the person, so the sentence is in it once, and the capitals have what to do alone."""
    said = {"Code": code, "Message": hint or message, "code": code, "message": f"{message} {hint}".strip()}
    return json.dumps(said).encode("ascii")
