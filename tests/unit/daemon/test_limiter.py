"""Turns: how many, in which order, and fewer after a throttled answer. Time is the loop's, and virtual."""

from __future__ import annotations

import asyncio

import pytest

from fakes import LoopClock
from keyfobd.limiter import SHORTEST_WAIT, Limiter, Priority, Urgency

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


async def turns(limiter: Limiter, priority: Priority, count: int) -> list[float]:
    """When each of so many calls that come at once had its turn."""
    begun, times = now(), list[float]()

    async def call() -> None:
        await limiter.turn(Urgency(priority))
        times.append(round(now() - begun, 2))

    await asyncio.gather(*(call() for _ in range(count)))
    return times


async def test_a_burst_of_twenty_goes_at_once_and_ten_a_second_after_that() -> None:
    times = await turns(Limiter(LoopClock(), rate=10), Priority.ASKED, 40)
    assert times[:20] == [0.0] * 20
    assert times[20:] == [round(0.1 * (n + 1), 2) for n in range(20)]


async def test_listing_gets_half() -> None:
    times = await turns(Limiter(LoopClock(), rate=10), Priority.LISTING, 20)
    assert times[:10] == [0.0] * 10
    assert times[10:] == [round(0.2 * (n + 1), 2) for n in range(10)]


async def test_what_somebody_waits_for_goes_first_then_tokens_then_the_soonest_expiry_then_listing() -> None:
    limiter = Limiter(LoopClock(), rate=10, burst=2)
    await turns(limiter, Priority.ASKED, 2)
    order: list[str] = []

    async def call(name: str, urgency: Urgency) -> None:
        await limiter.turn(urgency)
        order.append(name)

    await asyncio.gather(
        call("listing", Urgency(Priority.LISTING)),
        call("renewal in 900 s", Urgency(Priority.RENEWAL, 900)),
        call("renewal in 60 s", Urgency(Priority.RENEWAL, 60)),
        call("token", Urgency(Priority.TOKEN)),
        call("asked", Urgency(Priority.ASKED)),
        call("asked later", Urgency(Priority.ASKED)),
    )
    assert order == ["asked", "asked later", "token", "renewal in 60 s", "renewal in 900 s", "listing"]


async def test_a_waiting_call_can_become_urgent() -> None:
    limiter = Limiter(LoopClock(), rate=10, burst=2)
    await turns(limiter, Priority.ASKED, 2)
    order: list[int] = []
    urgencies = [Urgency(Priority.RENEWAL, 60) for _ in range(5)]

    async def call(number: int) -> None:
        await limiter.turn(urgencies[number])
        order.append(number)

    calls = asyncio.gather(*(call(n) for n in range(5)))
    await asyncio.sleep(0)
    urgencies[4].rise(Priority.ASKED)
    await calls
    assert order == [4, 0, 1, 2, 3]


async def test_those_who_are_waited_for_go_in_the_order_they_came_whatever_expires_first() -> None:
    limiter = Limiter(LoopClock(), rate=10, burst=2)
    await turns(limiter, Priority.ASKED, 2)
    order: list[str] = []

    async def call(name: str, urgency: Urgency) -> None:
        await limiter.turn(urgency)
        order.append(name)

    renewal = Urgency(Priority.RENEWAL, 60)
    calls = asyncio.gather(
        call("asked late in life", renewal),
        call("first", Urgency(Priority.ASKED, 500)),
        call("second", Urgency(Priority.ASKED, 0)),
    )
    await asyncio.sleep(0)
    renewal.rise(Priority.ASKED)
    await calls
    assert order == ["first", "second", "asked late in life"]


async def test_a_caller_that_leaves_takes_no_turn() -> None:
    limiter = Limiter(LoopClock(), rate=10, burst=2)
    await turns(limiter, Priority.ASKED, 2)
    gone = asyncio.create_task(limiter.turn(Urgency(Priority.ASKED)))
    await asyncio.sleep(0)
    gone.cancel()
    assert await turns(limiter, Priority.ASKED, 1) == [0.1]


async def test_the_rate_halves_with_each_throttling_and_is_back_after_a_minute() -> None:
    clock = LoopClock()
    limiter = Limiter(clock, rate=10, burst=2)
    limiter.throttled(clock.now())
    assert await turns(limiter, Priority.ASKED, 2) == [0.2, 0.4]
    limiter.throttled(clock.now())
    assert await turns(limiter, Priority.ASKED, 2) == [0.4, 0.8]
    await asyncio.sleep(61)
    assert await turns(limiter, Priority.ASKED, 4) == [0.0, 0.0, 0.1, 0.2]


async def test_twenty_throttled_answers_to_one_burst_count_once() -> None:
    clock = LoopClock()
    limiter = Limiter(clock, rate=10, burst=2)
    started = clock.now()
    await asyncio.sleep(0.1)
    for _ in range(20):
        limiter.throttled(started)
    assert await turns(limiter, Priority.ASKED, 1) == [0.2]


async def test_a_throttled_answer_stops_listing_as_well() -> None:
    clock = LoopClock()
    limiter = Limiter(clock, rate=10, burst=2)
    limiter.throttled(clock.now())
    assert await turns(limiter, Priority.LISTING, 1) == [0.4]


async def test_two_throttled_answers_of_one_instant_count_once() -> None:
    clock = LoopClock()
    limiter = Limiter(clock, rate=10, burst=2)
    limiter.throttled(clock.now())
    limiter.throttled(clock.now())
    assert await turns(limiter, Priority.ASKED, 1) == [0.2]


async def test_the_rate_never_falls_below_one_a_second() -> None:
    clock = LoopClock()
    limiter = Limiter(clock, rate=10, burst=2)
    for _ in range(10):
        await asyncio.sleep(0.001)
        limiter.throttled(clock.now())
    assert await turns(limiter, Priority.ASKED, 3) == [1.0, 2.0, 3.0]


async def test_the_expected_wait_counts_those_who_go_first() -> None:
    limiter = Limiter(LoopClock(), rate=10, burst=2)
    await turns(limiter, Priority.ASKED, 2)
    urgencies = [Urgency(Priority.ASKED) for _ in range(5)]
    waiting = [asyncio.create_task(limiter.turn(urgency)) for urgency in urgencies]
    late = Urgency(Priority.RENEWAL)
    waiting.append(asyncio.create_task(limiter.turn(late)))
    await asyncio.sleep(0)
    late.rise(Priority.ASKED)
    expected = [urgency.expected_wait() for urgency in (*urgencies, late)]
    assert expected == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], abs=1e-5)
    await asyncio.gather(*waiting)
    assert late.expected_wait() == 0.0


async def test_those_who_left_do_not_lengthen_the_expected_wait_for_long() -> None:
    limiter = Limiter(LoopClock(), rate=10, burst=2)
    await turns(limiter, Priority.ASKED, 2)
    gone = [asyncio.create_task(limiter.turn(Urgency(Priority.ASKED))) for _ in range(50)]
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    await asyncio.sleep(0.15)
    urgency = Urgency(Priority.ASKED)
    waiting = asyncio.create_task(limiter.turn(urgency))
    await asyncio.sleep(0)
    assert urgency.expected_wait() < 0.2
    await waiting


async def test_a_clock_set_back_does_not_stop_the_turns() -> None:
    clock = LoopClock()
    limiter = Limiter(clock, rate=10, burst=2)
    await turns(limiter, Priority.ASKED, 2)
    clock.advance(wall=-7200)
    assert await turns(limiter, Priority.ASKED, 1) == [0.1]


async def test_who_is_next_is_looked_at_no_more_often_than_a_loop_can_tell() -> None:
    limiter = Limiter(LoopClock(), rate=100_000, burst=1)
    await limiter.turn(Urgency(Priority.ASKED))
    begun = now()
    await limiter.turn(Urgency(Priority.ASKED))
    assert now() - begun == pytest.approx(SHORTEST_WAIT)
