"""One connection to the endpoint, which carries one request: what aiohttp's protocol lacks.

Whose process connected is asked before a byte is parsed. The head of a request has a deadline: without one a silent
connection stays for ever, and 64 descriptors' worth of them took aiohttp down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from aiohttp import web

from keyfobd.core.admission import UNPARSED, Refusal
from keyfobd.http import answers
from keyfobd.http.quiet import QuietHandler

if TYPE_CHECKING:
    import asyncio

    from aiohttp.web_request import BaseRequest


class Gate(Protocol):
    """Whom a connection reports to (``Endpoint``)."""

    def peer_of(self, transport: asyncio.Transport) -> int | None: ...
    def refusal_of_peer(self, peer_uid: int | None) -> Refusal | None: ...
    def opened(self, connection: Connection) -> None: ...
    def closed(self, connection: Connection) -> None: ...
    async def answer(self, request: BaseRequest) -> web.StreamResponse: ...
    def refuse(self, refusal: Refusal) -> web.StreamResponse: ...
    def bug(self, error: BaseException | None) -> web.StreamResponse: ...


class Server(web.Server):
    """Makes a protocol for each connection."""

    def __init__(self, gate: Gate, header_deadline: float) -> None:
        super().__init__(gate.answer)
        self._gate = gate
        self._header_deadline = header_deadline

    def __call__(self) -> Connection:
        return Connection(self, self._gate, self._loop, self._header_deadline)


class Connection(QuietHandler):
    """One connection, which carries one request."""

    __slots__ = ("_deadline", "_gate", "_header_deadline", "_sock", "_start", "peer_uid")

    def __init__(self, server: Server, gate: Gate, loop: asyncio.AbstractEventLoop, header_deadline: float) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # typed narrower than AppRunner's, which documents None
            keepalive_timeout=0,
            tcp_keepalive=False,
            lingering_time=0,  # a body is refused, not read
        )
        self._gate = gate
        self._header_deadline = header_deadline
        self._sock: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._start = b""
        self.peer_uid: int | None = None

    @property
    def method(self) -> str:
        """The first word as it was sent, four bytes at most: aiohttp's Python parser would turn ``get`` into GET."""
        return self._start.partition(b" ")[0].decode("latin-1")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._sock = cast("asyncio.Transport", transport)
        self.peer_uid = self._gate.peer_of(self._sock)
        refusal = self._gate.refusal_of_peer(self.peer_uid)
        if refusal is not None:
            self.force_close()  # before it is aiohttp's: whatever comes is dropped unparsed
            self._sock.write(answers.unparsed_refusal(refusal))
            self._sock.close()
            return
        super().connection_made(transport)
        self._deadline = self._loop.call_later(self._header_deadline, self.abort)
        self._gate.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.head_complete()
        self._gate.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._start += data[: len(b"GET ") - len(self._start)]
        super().data_received(data)

    def head_complete(self) -> None:
        """From here on the broker's deadline counts."""
        if self._deadline is not None:
            self._deadline.cancel()

    def abort(self) -> None:
        """Give the descriptor back at once, whatever is unsent."""
        if self._sock is not None:
            self._sock.abort()

    def handle_error(
        self,
        request: BaseRequest,  # noqa: ARG002 - of what was sent nothing is repeated
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes the request
    ) -> web.StreamResponse:
        self.head_complete()
        return self._gate.refuse(UNPARSED) if status < 500 else self._gate.bug(exc)

    def log_exception(self, *_args: Any, **named: Any) -> None:
        self._gate.bug(named.get("exc_info"))
