"""The endpoint: loopback TCP, for SDKs, GET alone.

Raw facts go to ``admission``, an admitted role to the broker, and its bytes back; every connection carries one request.
aiohttp's low-level server is used for its parser; what it lacks stands here: whose process connected, asked before a
byte is parsed; a deadline for the request's head (without one, silent connections stay for ever); a bound on
connections that have not shown a token, where the oldest makes room for the newest; and accepting that survives a want
of file descriptors without filling the log.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import traceback
from collections import Counter
from typing import TYPE_CHECKING, Protocol, assert_never, cast

from keyfobd.core.admission import Admitted, Health, Own, Refusal, RequestFacts, admit, refuse_peer
from keyfobd.core.errors import InternalError, KeyfobError
from keyfobd.http import answers
from keyfobd.http.connection import Connection, Server
from keyfobd.http.sparing_log import SparingLog

if TYPE_CHECKING:
    import socket

    from aiohttp.web_request import BaseRequest

    from keyfobd.core.admission import Reason
    from keyfobd.core.model import EndpointToken, Role
    from keyfobd.http.quiet import QuietResponse

log = logging.getLogger(__name__)

HEADER_DEADLINE = 2.0
"""Seconds in which a request's head must be whole."""
MOST_WITHOUT_TOKEN = 512
"""Connections that have not shown a token, at once."""
_WANT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_GONE = frozenset({errno.ECONNABORTED, errno.EPROTO, errno.EPERM})  # accept(2): the connection, not the listener

Address = tuple[str, int]


class Answer(Protocol):
    """Credentials as they are served."""

    @property
    def body(self) -> bytes: ...


class Broker(Protocol):
    """Where credentials come from, within a deadline of its own."""

    async def credentials(self, role: Role) -> Answer:
        """Raises KeyfobError."""
        ...


class Tokens(Protocol):
    """The endpoint tokens in force."""

    def find(self, digest: bytes) -> EndpointToken | None: ...
    def touch(self, token: EndpointToken) -> None: ...


class Peers(Protocol):
    """Who is at the other end of a connection."""

    def uid_of(self, peer: Address, own: Address) -> int | None: ...


class Endpoint:
    """Serves on a listening socket, which stays its owner's to close. To be made in a running loop."""

    def __init__(
        self,
        listener: socket.socket,
        own: Own,
        *,
        broker: Broker,
        tokens: Tokens,
        peers: Peers,
        header_deadline: float = HEADER_DEADLINE,
        most_without_token: int = MOST_WITHOUT_TOKEN,
    ) -> None:
        self._listener = listener
        self._own = own
        self._broker = broker
        self._tokens = tokens
        self._peers = peers
        self._most_without_token = most_without_token
        self._without_token: dict[Connection, None] = {}  # in the order they came
        self._server = Server(self, header_deadline)
        self._one_closed = asyncio.Event()
        self._accept_log = SparingLog(log, lines=5, period=60.0)
        self.refused: Counter[Reason] = Counter()
        self.internal_errors = 0

    async def serve(self) -> None:
        """Accept until cancelled. Raises OSError when the listener is lost."""
        loop = asyncio.get_running_loop()
        self._listener.setblocking(False)
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except OSError as error:
                await self._not_accepted(error)
                continue
            try:
                await loop.connect_accepted_socket(self._server, connection)
            except OSError:  # gone again, which macOS notices when an option is set
                connection.close()

    async def finish(self, grace: float) -> None:
        """Close what is idle at once, and the rest when it is answered or ``grace`` seconds are over."""
        await self._server.shutdown(grace)

    # --- connections --------------------------------------------------------------------------------------------

    def peer_of(self, transport: asyncio.Transport) -> int | None:
        """The user at the other end; None where it is not known."""
        if not self._own.peer_check:
            return None
        return self._peers.uid_of(transport.get_extra_info("peername"), transport.get_extra_info("sockname"))

    def refusal_of_peer(self, peer_uid: int | None) -> Refusal | None:
        """Whether to turn a connection away for whose it is."""
        refusal = refuse_peer(peer_uid, self._own)
        if refusal is not None:
            self._count(refusal)
        return refusal

    def opened(self, connection: Connection) -> None:
        """A connection of our own user: it has a while to show a token, less where there are very many."""
        if len(self._without_token) >= self._most_without_token:
            self._evict_oldest()
        self._without_token[connection] = None

    def closed(self, connection: Connection) -> None:
        self._without_token.pop(connection, None)
        self._one_closed.set()

    def _evict_oldest(self) -> None:
        for oldest in self._without_token:
            del self._without_token[oldest]
            oldest.abort()
            return

    async def _not_accepted(self, error: OSError) -> None:
        if error.errno in _GONE:
            return
        if error.errno not in _WANT:
            raise error
        self._accept_log.warning(f"No connection can be accepted: {error.strerror}")
        self._one_closed.clear()
        self._evict_oldest()
        try:
            async with asyncio.timeout(1):  # somebody else's descriptors may be what is freed
                await self._one_closed.wait()
        except TimeoutError:
            return

    # --- requests -----------------------------------------------------------------------------------------------

    async def answer(self, request: BaseRequest) -> QuietResponse:
        """The one handler, for whatever comes."""
        connection = cast("Connection", request.protocol)
        connection.head_complete()
        decision = admit(_facts(request, connection), self._tokens, self._own)
        match decision:
            case Admitted(role, token):
                self._without_token.pop(connection, None)
                self._tokens.touch(token)
                return await self._credentials(role)
            case Health():
                return answers.health()
            case Refusal():
                return self.refuse(decision)
            case _:
                assert_never(decision)

    def refuse(self, refusal: Refusal) -> QuietResponse:
        """Say why not, and count it."""
        self._count(refusal)
        return answers.refusal(refusal)

    def bug(self, error: BaseException | None) -> QuietResponse:
        """Answer for an error that nobody foresaw. Where it came from is logged, what it says is not: it may quote
        a token."""
        self.internal_errors += 1
        where = "".join(traceback.format_tb(error.__traceback__)) if error is not None else ""
        log.error("A request met a bug: %s\n%s", type(error).__name__, where)
        return answers.error(InternalError("keyfob met a bug of its own.", "To find its log, run: keyfob status"))

    async def _credentials(self, role: Role) -> QuietResponse:
        try:
            answer = await self._broker.credentials(role)
        except KeyfobError as error:
            return answers.error(error)
        except Exception as error:  # noqa: BLE001 - a bug met by one request is that one's alone
            return self.bug(error)
        return answers.credentials(answer.body)

    def _count(self, refusal: Refusal) -> None:
        self.refused[refusal.reason] += 1
        log.debug("refused a request: %s", refusal.reason)


def _facts(request: BaseRequest, connection: Connection) -> RequestFacts:
    return RequestFacts(
        peer_uid=connection.peer_uid,
        version=(request.version.major, request.version.minor),
        method=connection.method,
        target=request.raw_path.encode("utf-8", "surrogateescape"),  # as aiohttp's parsers decode it
        headers=request.raw_headers,
    )
