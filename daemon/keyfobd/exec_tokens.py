"""The life of ``exec`` tokens: as long as the process each was made for, and those it handed its environment to.

``keyfob exec`` becomes the command, so the process that asked is the process to watch. Launchers that fork and leave
(``nohup``, a tmux server) leave children behind that carry the token in their environment: when the last watched
process has ended, whoever of ours carries it is watched next; nobody left means that the token is revoked.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from keyfobd.core.errors import StorageProblem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyfobd.core.model import EndpointToken, Process
    from keyfobd.limiter import Clock

log = logging.getLogger(__name__)


class Table(Protocol):
    """The endpoint tokens."""

    async def revoke(self, token_id: str) -> bool: ...


class Processes(Protocol):
    """Other processes of this machine."""

    async def ended(self, process: Process) -> None:
        """Returns when it is gone. Raises OSError where that cannot be watched."""
        ...

    def is_alive(self, process: Process) -> bool: ...
    async def carriers(self, token: EndpointToken) -> tuple[Process, ...]: ...


class ExecTokens:
    """Watches the processes of every ``exec`` token, from its making or the daemon's start until it is revoked."""

    def __init__(self, table: Table, processes: Processes, clock: Clock) -> None:
        self._table = table
        self._processes = processes
        self._clock = clock
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._looked = asyncio.Event()

    def resume(self, tokens: Iterable[EndpointToken]) -> None:
        """Watches again what an earlier daemon watched; what ended meanwhile is noticed at once."""
        for token in tokens:
            if token.kind == "exec":
                self.watch(token)

    def watch(self, token: EndpointToken) -> None:
        """Begins to watch a token's process; one that has ended already counts as ending now."""
        task = asyncio.create_task(self._to_its_end(token), name=f"watch {token.id}")
        self._watches[token.id] = task
        task.add_done_callback(lambda _: self._watches.pop(token.id, None))

    def look(self) -> None:
        """Lets those go on that wait for no event but time."""
        self._looked.set()
        self._looked = asyncio.Event()

    async def close(self) -> None:
        """Stops watching; the next daemon watches again."""
        watches = list(self._watches.values())
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)

    async def _to_its_end(self, token: EndpointToken) -> None:
        watched: tuple[Process, ...] = (token.process,) if token.process is not None else ()
        while watched:
            for process in watched:
                await self._ended(process)
            watched = await self._processes.carriers(token)
        while self._is_kept(token):
            await self._looked.wait()
        try:
            await self._table.revoke(token.id)
        except StorageProblem as problem:
            log.error("the token %s of an ended process could not be revoked: %s", token.id, problem)  # noqa: TRY400 - expected, and said in one line

    async def _ended(self, process: Process) -> None:
        try:
            await self._processes.ended(process)
        except OSError:  # an old kernel, a sandbox: then it is looked for now and then
            while self._processes.is_alive(process):
                await self._looked.wait()

    def _is_kept(self, token: EndpointToken) -> bool:
        return token.keep_until is not None and self._clock.now().wall < token.keep_until
