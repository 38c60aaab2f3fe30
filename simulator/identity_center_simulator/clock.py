"""The one place that reads a clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """The simulator's wall clock: a running source of seconds, moved by as much as somebody asked for.

    ``Clock()`` follows the machine. ``Clock(loop.time, start=…)`` follows an event loop, virtual ones included.
    """

    def __init__(self, source: Callable[[], float] = time.time, *, start: float | None = None) -> None:
        """``start`` is what the clock shows now, in seconds since 1970; without it, what the source shows."""
        self._source = source
        self._ahead_at_first = 0.0 if start is None else start - source()
        self._ahead = self._ahead_at_first

    def now(self) -> float:
        """Seconds since 1970."""
        return self._source() + self._ahead

    def wall(self) -> float:
        """Seconds since 1970 by the machine's own clock, which programs on it sign requests by."""
        return time.time()

    def advance(self, seconds: float) -> None:
        """Move the clock, backwards too."""
        self._ahead += seconds

    def reset(self) -> None:
        """Undo every `advance`."""
        self._ahead = self._ahead_at_first
