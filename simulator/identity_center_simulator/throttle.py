"""The portal's token bucket."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """``level`` calls may still be made, as of ``at`` (seconds)."""

    level: float = 0.0
    at: float = float("-inf")

    def take(self, rate: float, now: float) -> tuple[bool, Bucket]:
        """Whether a call may pass, and what is left. It holds ``rate`` calls, one at least, and gains
        ``rate`` a second."""
        level = min(max(1.0, rate), self.level + max(0.0, now - self.at) * rate)
        if level < 1:
            return False, Bucket(level, now)
        return True, Bucket(level - 1, now)
