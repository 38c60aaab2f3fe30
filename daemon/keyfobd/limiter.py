"""Who may call Identity Center next: a token bucket with an order, one for each session and region.

Identity Center throttles at about 20 calls a second; this stays below, and halves itself after each throttled answer.
Order: what somebody waits for, the renewal of an access token, renewals by soonest expiry, listing (at most half).
"""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from keyfobd.core.model import Instant, elapsed

BURST = 20.0
PENANCE = 60.0
"""Seconds after a throttled answer until the full rate is used again."""
LOWEST_RATE = 1.0
SHORTEST_WAIT = 0.001
"""Seconds between two looks at who is next."""


class Clock(Protocol):
    def now(self) -> Instant: ...


class Priority(IntEnum):
    """Lower goes first."""

    ASKED = 0
    TOKEN = 1
    RENEWAL = 2
    LISTING = 3


class Urgency:
    """How much a call is wanted. It can rise while the call waits for its turn: somebody asks for what was only going
    to be renewed ahead."""

    def __init__(self, priority: Priority, expires_in: float = 0.0) -> None:
        self.priority = priority
        self.expires_in = expires_in  # seconds that what the call renews has to live
        self.ticket = 0  # those who are waited for go in the order in which they came
        self.queue: Limiter | None = None  # while it waits

    def rise(self, priority: Priority) -> None:
        """Be at least this urgent from now on."""
        if priority < self.priority:
            self.priority = priority
            if self.queue is not None:
                self.queue.reorder(self)

    def expected_wait(self) -> float:
        """Seconds until its turn, as far as can be told now."""
        return self.queue.expected_wait(self) if self.queue is not None else 0.0


@dataclass(slots=True)
class _Waiting:
    urgency: Urgency
    number: int
    turn: asyncio.Future[None]

    def __lt__(self, other: _Waiting) -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[Priority, float, int]:
        urgency = self.urgency
        within = float(urgency.ticket) if urgency.priority is Priority.ASKED else urgency.expires_in
        return (urgency.priority, within, self.number)


class _Bucket:
    """Tokens that drip in at ``rate`` a second, up to ``size``."""

    def __init__(self, size: float) -> None:
        self._size = size
        self._tokens = size

    def drip(self, seconds: float, rate: float) -> None:
        self._tokens = min(self._size, self._tokens + seconds * rate)

    def empty(self) -> None:
        self._tokens = 0.0

    def take(self) -> None:
        self._tokens -= 1

    def missing(self) -> float:
        """What is missing to one token. A trifle does not count: clocks add up in floating point."""
        return max(0.0, 1 - self._tokens - 1e-6)


class Limiter:
    """Turns, in order and in time. ``rate`` is in calls a second."""

    def __init__(self, clock: Clock, rate: float, burst: float = BURST) -> None:
        self._clock = clock
        self._full_rate = rate
        self._rate = rate
        self._all = _Bucket(burst)
        self._listing = _Bucket(burst / 2)
        self._seen = clock.now()
        self._throttled: Instant | None = None
        self._queue: list[_Waiting] = []
        self._count = 0
        self._tickets = 0  # given out
        self._tickets_done = 0  # had their turn, or left
        self._timer: asyncio.TimerHandle | None = None

    async def turn(self, urgency: Urgency) -> None:
        """Wait for leave to make one call."""
        self._count += 1
        waiting = _Waiting(urgency, self._count, asyncio.get_running_loop().create_future())
        urgency.queue = self
        self._give_ticket(urgency)
        heapq.heappush(self._queue, waiting)
        self._serve()
        try:
            await waiting.turn
        finally:  # cancelled, the future is done as well, and its place in the queue is passed over
            urgency.queue = None

    def reorder(self, urgency: Urgency) -> None:
        """What waits here has become more urgent."""
        self._give_ticket(urgency)
        heapq.heapify(self._queue)
        self._serve()

    def _give_ticket(self, urgency: Urgency) -> None:
        if urgency.priority is Priority.ASKED:
            self._tickets += 1
            urgency.ticket = self._tickets

    def expected_wait(self, urgency: Urgency) -> float:
        """Seconds until the turn of a call that somebody waits for: those with lower tickets go first. One number less
        another, since a thousand may ask this at once."""
        self._drip()
        return (self._all.missing() + max(0, urgency.ticket - self._tickets_done - 1)) / self._rate

    def throttled(self, started: Instant) -> None:
        """Identity Center asked for fewer calls. Calls that were under way when that was first heard do not count
        again: twenty answers to one burst are one throttling."""
        if self._throttled is not None and started.boot <= self._throttled.boot:
            return
        self._drip()
        self._throttled = self._clock.now()
        self._rate = max(LOWEST_RATE, self._rate / 2)
        self._all.empty()
        self._listing.empty()

    def _drip(self) -> None:
        now = self._clock.now()
        if self._throttled is not None and elapsed(self._throttled, now) >= PENANCE:
            self._throttled, self._rate = None, self._full_rate
        seconds = max(0.0, now.boot - self._seen.boot)
        self._seen = now
        self._all.drip(seconds, self._rate)
        self._listing.drip(seconds, self._rate / 2)

    def _serve(self) -> None:
        self._drip()
        while self._queue:
            head = self._queue[0]
            wait = 0.0 if head.turn.done() else self._seconds_until(head.urgency.priority)
            if wait > 0:
                self._come_back(wait)
                return
            heapq.heappop(self._queue)
            self._tickets_done += head.urgency.priority is Priority.ASKED
            if head.turn.done():  # its caller has gone
                continue
            self._all.take()
            if head.urgency.priority is Priority.LISTING:
                self._listing.take()
            head.turn.set_result(None)

    def _seconds_until(self, priority: Priority) -> float:
        wait = self._all.missing() / self._rate
        if priority is Priority.LISTING:
            wait = max(wait, self._listing.missing() / (self._rate / 2))
        return wait

    def _come_back(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # A loop whose clock is coarser than the wait would come back at once, for ever.
        self._timer = asyncio.get_running_loop().call_later(max(seconds, SHORTEST_WAIT), self._serve)
