"""The control socket's server: who may ask, in which version, which word; the words themselves are in ``words``.

HTTP/1.0 over a Unix socket, one request a connection. Every refusal stands at the top of one function, before any word
is looked at.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from keyfob import wire
from keyfobd.core.errors import InternalError, KeyfobError, ProtocolMismatch, UsageError
from keyfobd.http.quiet import QuietResponse, QuietServer, QuietStream

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from aiohttp import web
    from aiohttp.web_request import BaseRequest

    Body = dict[str, Any]
    Lines = AsyncGenerator[wire.LoginEvent, None]

log = logging.getLogger(__name__)

JSON = "application/json"
JSON_LINES = "application/jsonl"


class Peer(Protocol):
    """The process at the other end, in the kernel's own words."""

    @property
    def uid(self) -> int: ...
    @property
    def pid(self) -> int | None: ...


class Place(Protocol):
    """The name that clients connect to."""

    @property
    def is_there(self) -> bool: ...
    def bind(self) -> socket.socket: ...
    def remove(self) -> None: ...


class NotOurs(KeyfobError):
    """Another user, or nobody knows who."""

    code = "not-ours"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that passed: what it says, and the pid of who asks where it is known."""

    body: Body
    pid: int | None


@dataclass(frozen=True, slots=True)
class Words:
    """What each route does: ``answers`` in one object, ``lines`` in one object a line; ``before`` comes before each."""

    answers: Mapping[str, Callable[[Asked], Awaitable[Mapping[str, Any]]]]
    lines: Mapping[str, Callable[[Asked], Lines]]
    before: Callable[[], None]


class Control:
    """Serves the words to processes of one user. ``peer_of`` tells who is at the other end of a socket."""

    def __init__(self, words: Words, place: Place, own_uid: int, peer_of: Callable[[Any], Peer | None]) -> None:
        self._words = words
        self._place = place
        self._own_uid = own_uid
        self._peer_of = peer_of
        self._listening: asyncio.Server | None = None
        self._running: set[asyncio.Task[Any]] = set()
        self.internal_errors = 0
        # With handler_cancellation a client that leaves is noticed at once, not at the next line it does not read.
        self._server = QuietServer(self._handle, handler_cancellation=True)

    async def listen(self) -> None:
        """Begins to answer, or does so anew under a name that was gone. Raises StartProblem."""
        bound, before = self._place.bind(), self._listening
        self._listening = await asyncio.get_running_loop().create_unix_server(self._server, sock=bound)
        if before is not None:
            before.close()

    def is_gone(self) -> bool:
        """Whether clients no longer find us although we listen."""
        return self._listening is not None and not self._place.is_there

    def stop_listening(self) -> None:
        """Nobody new comes in."""
        if self._listening is not None:
            self._listening.close()
            self._place.remove()
            self._listening = None

    async def finish(self, grace: float) -> None:
        """Lets requests under way end, for ``grace`` seconds at most."""
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        await self._server.shutdown(grace)

    async def _handle(self, request: BaseRequest) -> web.StreamResponse:
        try:
            asked = await self._admitted(request)
            self._words.before()
            if request.raw_path in self._words.lines:
                return await _stream(request, self._words.lines[request.raw_path](asked))
            return _answer(200, await self._to_its_end(self._words.answers[request.raw_path](asked)))
        except KeyfobError as error:
            return _answer(error.http_status, error_answer(error))
        except Exception:
            self.internal_errors += 1
            log.exception("%s met a bug", request.raw_path if request.raw_path in self._words.answers else "a request")
            bug = InternalError("keyfobd met a bug of its own.", "To find its log, run: keyfob status")
            return _answer(bug.http_status, error_answer(bug))

    async def _admitted(self, request: BaseRequest) -> Asked:
        transport = request.transport
        peer = self._peer_of(transport.get_extra_info("socket")) if transport is not None else None
        if peer is None or peer.uid != self._own_uid:
            raise NotOurs("keyfobd answers its own user's processes alone.")
        check_protocol(request.headers.get(wire.PROTOCOL_HEADER, ""))
        if request.method != "POST" or request.raw_path not in {*self._words.answers, *self._words.lines}:
            raise UsageError(f"keyfobd {wire.PROTOCOL} has no such word.", "Run: keyfob restart")
        return Asked(_object(await request.read()), peer.pid)

    async def _to_its_end(self, doing: Awaitable[Mapping[str, Any]]) -> Mapping[str, Any]:
        """What was begun is brought to its end though the client has gone: nothing is left half done."""
        task = asyncio.ensure_future(doing)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # noted: where the client has gone nobody else asks for it


def check_protocol(said: str) -> None:
    """The same number or one older. Raises ProtocolMismatch."""
    if said not in {str(wire.PROTOCOL), str(wire.PROTOCOL - 1)}:
        raise ProtocolMismatch(
            f"This keyfob speaks protocol {said[:8] or '?'!r}, the running keyfobd speaks {wire.PROTOCOL}.",
            "Run: keyfob restart",
        )


def error_answer(error: KeyfobError) -> wire.ErrorAnswer:
    """What a client is told of an error."""
    answer: wire.ErrorAnswer = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "exit": error.exit_status,
    }
    if (session := getattr(error, "session", None)) is not None:
        answer["session"] = session
    if candidates := getattr(error, "candidates", ()):
        answer["candidates"] = list(candidates)
    return answer


def _object(content: bytes) -> Body:
    try:
        found = json.loads(content) if content else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UsageError("The request is not a JSON object.", "Run: keyfob restart")
    return found


def _answer(status: int, content: Mapping[str, Any]) -> QuietResponse:
    return QuietResponse(status, json.dumps(content).encode(), JSON)


async def _stream(request: BaseRequest, lines: Lines) -> web.StreamResponse:
    response = QuietStream(JSON_LINES)
    async with aclosing(lines) as events:
        async for event in events:
            if not response.prepared:  # not before: what fails at once is an error, not a line
                await response.prepare(request)
            await response.write(json.dumps(event).encode() + b"\n")
    return response
