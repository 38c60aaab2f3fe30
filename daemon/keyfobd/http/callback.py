"""The loopback redirect of a PKCE sign-in: one address, one use.

The browser brings the authorization code here. Any page in that browser and any process on this machine can send
requests here too, so the state, which only our own authorize URL carries, decides. What does not fit is answered 400
and changes nothing: otherwise every local page could end a sign-in.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never
from urllib.parse import parse_qs

from keyfobd.core.errors import ConfigProblem, SignInFailed
from keyfobd.http.quiet import QuietResponse, QuietServer

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

LOOPBACK = "127.0.0.1"
PATH = "/oauth/callback"  # Identity Center registers and accepts this path alone

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # this page's address holds the code
    "X-Content-Type-Options": "nosniff",
}
PAGE = b"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>keyfob</title>
<h1>Thank you</h1>
<p>keyfob has its answer. You may close this tab and go back to your terminal.</p>
</html>
"""
WRONG = b"This is not the answer to a sign-in that keyfob waits for.\n"


@dataclass(frozen=True, slots=True)
class Code:
    """The person signed in; the code is worth a token once."""

    code: str

    def __repr__(self) -> str:
        return "Code()"


@dataclass(frozen=True, slots=True)
class Refused:
    """Identity Center ended the sign-in: the ``error`` of RFC 6749 §4.1.2.1."""

    error: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """Not the redirect that is waited for."""


def judge(method: str, target: str, hosts: tuple[str, ...], own_host: str, state: str | None) -> Code | Refused | Wrong:
    """What a request means. ``hosts`` are the values of all its Host headers, ``state`` the one that is waited for."""
    path, _, query = target.partition("?")
    if state is None or method != "GET" or path != PATH or hosts != (own_host,):
        return Wrong()
    values = parse_qs(query, max_num_fields=16, keep_blank_values=True)
    if any(len(values.get(name, ())) > 1 for name in ("state", "code", "error")):
        return Wrong()  # two of one name: two readers would disagree
    given = values.get("state", [""])[0]
    if not hmac.compare_digest(given.encode(), state.encode()):
        return Wrong()
    code, error = values.get("code", [""])[0], values.get("error", [""])[0]
    if error:
        return Refused(error)
    return Code(code) if code else Wrong()


class Callback:
    """A listener for one sign-in: ``open`` before the URL is shown, ``wait``, ``close``."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._state: str | None = None
        self._answer: asyncio.Future[Code | Refused] | None = None
        self._host = ""

    @property
    def redirect_uri(self) -> str:
        """Where the browser is to come, port included."""
        return f"http://{self._host}{PATH}"

    async def open(self, port: int | None) -> None:
        """Listens on ``port`` or any free one. Raises ConfigProblem where that port is taken."""
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        try:
            bound = _bound(port)
        except OSError as error:
            raise ConfigProblem(
                f"Port {port} for the sign-in's answer (callback_port) cannot be opened: {error.strerror}.",
                "Choose another callback_port in keyfob's config.toml, then run: keyfob restart",
            ) from None
        self._host = f"{LOOPBACK}:{bound.getsockname()[1]}"
        self._server = await loop.create_server(QuietServer(self._handle, lingering_time=0), sock=bound)

    async def wait(self, state: str) -> str:
        """The authorization code that comes with this state. Raises SignInFailed where the person or Identity Center
        says no."""
        if self._answer is None:
            raise RuntimeError("wait before open")
        self._state = state
        answer = await self._answer
        match answer:
            case Code(code):
                return code
            case Refused(error):
                raise SignInFailed(_reason(error), "To try again, run: keyfob login")
            case _:
                assert_never(answer)

    async def close(self) -> None:
        """Stops listening. An answer on its way to the browser is still sent."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._answer is not None and not self._answer.done():
            self._answer.cancel()

    async def _handle(self, request: BaseRequest) -> QuietResponse:
        hosts = tuple(value.decode("latin-1") for name, value in request.raw_headers if name.lower() == b"host")
        answer = judge(request.method, request.raw_path, hosts, self._host, self._state)
        if isinstance(answer, Wrong) or self._answer is None or self._answer.done():
            return QuietResponse(400, WRONG, "text/plain", PAGE_HEADERS)
        self._answer.set_result(answer)
        return QuietResponse(200, PAGE, "text/html; charset=utf-8", PAGE_HEADERS)


def _bound(port: int | None) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM | getattr(socket, "SOCK_CLOEXEC", 0))
    try:
        if port is not None:
            # A fixed port is used again within the minute in which the last sign-in's connections are in TIME_WAIT.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((LOOPBACK, port or 0))
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def _reason(error: str) -> str:
    if error == "access_denied":
        return "The sign-in was denied in the browser."
    # The word comes from outside and goes to a terminal.
    word = "".join(c for c in error if c.isascii() and (c.isalnum() or c in "_-. "))[:60]
    return f"IAM Identity Center refused the sign-in ({word})."
