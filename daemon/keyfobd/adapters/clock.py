"""The one place in the daemon that reads time."""

from __future__ import annotations

import time

from keyfobd.core.model import Instant

# CLOCK_MONOTONIC stands still in suspend on Linux; macOS has no CLOCK_BOOTTIME and its CLOCK_MONOTONIC runs on.
_SINCE_BOOT: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock:
    """Wall and boot time of this machine."""

    def now(self) -> Instant:
        """The present moment on both clocks, in seconds."""
        return Instant(wall=time.time(), boot=time.clock_gettime(_SINCE_BOOT))
