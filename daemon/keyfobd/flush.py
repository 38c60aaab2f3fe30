"""What is written now and then, since losing a minute of it does no harm: when tokens and roles were last used."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from keyfobd.core.errors import KeyfobError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


class Flush:
    """One thing to write, in a task of its own: where it fails or hangs it keeps no other from the disk. What lasts is
    said once."""

    def __init__(self, name: str, write: Callable[[], Awaitable[object]]) -> None:
        self._name = name
        self._write = write
        self._writing: asyncio.Task[None] | None = None
        self._told = ""

    def begin(self) -> None:
        """Write beside all else, unless that is still being done."""
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._alone(), name=f"write {self._name}")

    async def finish(self) -> None:
        """Write what is not written."""
        if self._writing is not None:
            await asyncio.wait({self._writing})
        await self._alone()

    async def _alone(self) -> None:
        try:
            await self._write()
        except KeyfobError as problem:
            if self._is_new(str(problem)):
                log.warning("%s could not be written: %s", self._name, problem)
        except Exception as bug:
            if self._is_new(type(bug).__name__):
                log.exception("%s could not be written", self._name)
        else:
            if self._told:
                log.info("%s: written again", self._name)
            self._told = ""

    def _is_new(self, what: str) -> bool:
        before, self._told = self._told, what
        return what != before
