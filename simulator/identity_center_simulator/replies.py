"""JSON as the services send it: compact, and ``Content-Type: application/json`` with nothing after it."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping


def as_json(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A response with a JSON body."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return web.Response(body=body, status=status, headers={"Content-Type": "application/json", **(headers or {})})


def success(members: Mapping[str, Any], absent: str) -> web.Response:
    """A 200 of a service; members without a value are null, or left out where ``absent`` is ``omitted``."""
    if absent == "omitted":
        members = {name: value for name, value in members.items() if value is not None}
    return as_json(members, headers={**request_id(), "Cache-Control": "no-store"})


def request_id() -> dict[str, str]:
    return {"x-amzn-RequestId": str(uuid.uuid4())}
