"""The periodic look, over parts that count."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from fakes import FakeClock, LoopClock
from keyfobd.core.errors import StorageProblem
from keyfobd.core.model import jumped
from keyfobd.flush import Flush
from keyfobd.upkeep import FLUSH_EVERY, LONGEST, Upkeep

if TYPE_CHECKING:
    from collections.abc import Callable


class Part:
    """A planner, a chore, a flush: counts, and fails when told."""

    def __init__(self, seconds: float = 100.0) -> None:
        self.seconds = seconds
        self.times: list[float] = []
        self.bug: Exception | None = None

    def look(self) -> float:
        self.times.append(asyncio.get_running_loop().time())
        if self.bug is not None:
            raise self.bug
        return self.seconds

    def chore(self) -> None:
        self.look()

    async def flush(self) -> None:
        self.look()


async def never() -> None:
    await asyncio.Event().wait()


def upkeep(
    clock: FakeClock, planner: Part, *, chore: Callable[[], None] | None = None, flush: Part | None = None
) -> Upkeep:
    return Upkeep(
        clock,
        planners=[planner],
        chores=[chore or (lambda: None)],
        flushes=[Flush("all", (flush or Part()).flush)],
        woken=never,
    )


@pytest.mark.looptime
async def test_there_is_a_look_every_fifteen_seconds_whatever_the_planners_say() -> None:
    planner = Part(seconds=1000)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(61):
            await upkeep(LoopClock(), planner).go_on()
    assert [round(time) for time in planner.times] == [0, 15, 30, 45, 60]


@pytest.mark.looptime
async def test_a_planner_that_knows_better_is_looked_at_earlier_but_nothing_spins() -> None:
    planner = Part(seconds=0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.1):
            await upkeep(LoopClock(), planner).go_on()
    assert len(planner.times) == 6


async def test_a_part_that_fails_is_logged_and_the_others_are_done(caplog: pytest.LogCaptureFixture) -> None:
    planner, chore = Part(seconds=3), Part()
    chore.bug = ZeroDivisionError()
    with caplog.at_level(logging.ERROR):
        assert upkeep(FakeClock(), planner, chore=chore.chore).look() == 3
        planner.bug = ZeroDivisionError()
        assert upkeep(FakeClock(), planner).look() == LONGEST
    assert len(caplog.records) == 2


async def test_what_may_be_lost_is_written_once_a_minute_and_at_the_end() -> None:
    clock, flush = FakeClock(), Part()
    kept = upkeep(clock, Part(), flush=flush)
    kept.look()
    clock.advance(FLUSH_EVERY - 1)
    kept.look()
    await asyncio.sleep(0)
    assert not flush.times
    clock.advance(1)
    kept.look()
    await asyncio.sleep(0)
    assert len(flush.times) == 1
    await kept.close()
    assert len(flush.times) == 2


@pytest.mark.parametrize("trouble", [StorageProblem("disk full"), OSError("disk full"), None])
async def test_what_fails_or_hangs_keeps_no_other_from_being_written(trouble: Exception | None) -> None:
    async def fails() -> None:
        if trouble is None:
            await never()
        raise trouble or AssertionError

    clock, other = FakeClock(), Part()
    flushes = [Flush("this", fails), Flush("that", other.flush)]
    kept = Upkeep(clock, planners=[], chores=[], flushes=flushes, woken=never)
    for minute in (1, 2):
        clock.advance(FLUSH_EVERY)
        kept.look()
        await asyncio.sleep(0)
        assert len(other.times) == minute


async def test_a_jump_of_the_wall_clock_is_said(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    kept = upkeep(clock, Part())
    with caplog.at_level(logging.INFO):
        clock.advance(15, wall=2)
        kept.look()
        assert not caplog.records
        clock.advance(15, wall=-3600)
        kept.look()
    assert "-3600 s" in caplog.text


def test_a_sleep_that_both_clocks_saw_is_no_jump() -> None:
    clock = FakeClock()
    before = clock.now()
    clock.advance(8 * 3600)
    assert jumped(before, clock.now()) == 0
