"""The one periodic look: everything that is done because time has passed is done here.

At most 15 seconds lie between two looks, however long the machine slept in between; those who know better ask for an
earlier one. Each part of a look stands alone: one that fails is logged and does not keep the others from being done.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol, TypeVar

from keyfobd.core.model import jumped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from keyfobd.core.model import Instant
    from keyfobd.flush import Flush
    from keyfobd.limiter import Clock

T = TypeVar("T")

log = logging.getLogger(__name__)

LONGEST = 15.0
SHORTEST = 0.2
"""Seconds; whoever is due again sooner than this is late by as much, and nothing can make the look spin."""
JUMP = 5.0
"""Seconds by which wall and boot clock may part between two looks before that is worth a line in the log."""
FLUSH_EVERY = 60.0
"""Seconds between two writes of what may be lost: when tokens and roles were last used."""


class Planner(Protocol):
    """Who knows when it wants to be looked at again."""

    def look(self) -> float: ...


class Upkeep:
    """``planners`` say how long until the next look; ``chores`` are done at each; ``flushes`` write, beside."""

    def __init__(
        self,
        clock: Clock,
        *,
        planners: Iterable[Planner],
        chores: Iterable[Callable[[], None]],
        flushes: Iterable[Flush],
        woken: Callable[[], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._planners = tuple(planners)
        self._chores = tuple(chores)
        self._flushes = tuple(flushes)
        self._woken = woken
        self._seen = clock.now()
        self._flushed = clock.now()

    async def go_on(self) -> None:
        """Looks until cancelled."""
        while True:
            seconds = self.look()
            try:
                async with asyncio.timeout(max(SHORTEST, min(LONGEST, seconds))):
                    await self._woken()
            except TimeoutError:
                continue

    def look(self) -> float:
        """One look; seconds until the next is wanted."""
        now = self._clock.now()
        if abs(apart := jumped(self._seen, now)) > JUMP:
            log.info("the wall clock is %+.0f s apart from the boot clock since the last look", apart)
        self._seen = now
        for chore in self._chores:
            _alone(chore, None)
        seconds = min([LONGEST, *(_alone(planner.look, LONGEST) for planner in self._planners)])
        self._flush_if_due(now)
        return seconds

    async def close(self) -> None:
        """Writes what is not written."""
        await asyncio.gather(*(flush.finish() for flush in self._flushes))

    def _flush_if_due(self, now: Instant) -> None:
        if now.boot - self._flushed.boot >= FLUSH_EVERY:
            self._flushed = now
            for flush in self._flushes:
                flush.begin()


def _alone(part: Callable[[], T], otherwise: T) -> T:
    try:
        return part()
    except Exception:
        log.exception("a part of the look failed")
        return otherwise
