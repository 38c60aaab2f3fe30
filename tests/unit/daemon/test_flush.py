"""What is written now and then: alone, and with one word about what lasts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keyfobd.core.errors import StorageProblem
from keyfobd.flush import Flush

if TYPE_CHECKING:
    import pytest

FULL = "state.json cannot be written: No space left on device."


class Disk:
    """Counts what is written; fails or hangs when told."""

    def __init__(self) -> None:
        self.written = 0
        self.trouble: Exception | None = None
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def write(self) -> None:
        await self.go_on.wait()
        if self.trouble is not None:
            raise self.trouble
        self.written += 1


async def test_a_full_disk_is_one_line_for_as_long_as_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    disk = Disk()
    disk.trouble = StorageProblem(FULL, "Make room.")
    flush = Flush("the state file", disk.write)
    for _ in range(3):
        await flush.finish()
    disk.trouble = None
    await flush.finish()
    await flush.finish()
    assert caplog.messages == [
        f"the state file could not be written: {FULL} Make room.",
        "the state file: written again",
    ]
    assert not any(record.exc_info for record in caplog.records)
    disk.trouble = StorageProblem(FULL)
    await flush.finish()
    assert len(caplog.records) == 3  # another time it is full is another problem


async def test_a_bug_has_its_stack_in_the_log_once(caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk()
    disk.trouble = ZeroDivisionError()
    flush = Flush("the state file", disk.write)
    for _ in range(2):
        await flush.finish()
    assert "Traceback" in caplog.text
    assert len(caplog.records) == 1


async def test_a_disk_that_hangs_has_one_writing_and_not_one_a_minute() -> None:
    disk = Disk()
    disk.go_on.clear()
    flush = Flush("the state file", disk.write)
    for _ in range(3):
        flush.begin()
        await asyncio.sleep(0)
    disk.go_on.set()
    await flush.finish()
    assert disk.written == 2  # the one that hung, and the last
