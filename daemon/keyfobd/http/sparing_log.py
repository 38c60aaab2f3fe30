"""A log that a flood cannot fill."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging


class SparingLog:
    """At most ``lines`` warnings in a ``period`` of seconds; how many were left out stands in the next."""

    def __init__(self, log: logging.Logger, *, lines: int, period: float) -> None:
        self._log = log
        self._lines = lines
        self._period = period
        self._said = 0
        self._unsaid = 0

    def warning(self, message: str) -> None:
        """To be called in a running loop."""
        if self._said == 0:
            asyncio.get_running_loop().call_later(self._period, self._begin_anew)
        if self._said == self._lines:
            self._unsaid += 1
            return
        self._said += 1
        self._log.warning("%s (%d like this left out)", message, self._unsaid)
        self._unsaid = 0

    def _begin_anew(self) -> None:
        self._said = 0
