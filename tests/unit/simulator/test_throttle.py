from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from identity_center_simulator.throttle import Bucket


def passed(times: list[float], rate: float) -> list[bool]:
    bucket, outcomes = Bucket(), []
    for now in times:
        passes, bucket = bucket.take(rate, now)
        outcomes.append(passes)
    return outcomes


def test_begins_full_and_holds_a_seconds_worth() -> None:
    assert passed([0.0] * 4, rate=3) == [True, True, True, False]


def test_gains_its_rate_each_second() -> None:
    assert passed([0.0] * 3 + [0.5] * 2 + [1.0], rate=2) == [True, True, False, True, False, True]


def test_a_rate_below_one_a_second_lets_calls_through_at_that_rate() -> None:
    assert passed([0.0, 0.0, 1.0, 2.0, 3.0, 4.0], rate=0.5) == [True, False, False, True, False, True]


def test_a_clock_set_back_neither_fills_nor_blocks_it() -> None:
    assert passed([100.0, 100.0, 0.0, 1.0], rate=1) == [True, False, False, True]


@given(st.lists(st.floats(0, 10), max_size=200), st.integers(1, 30))
def test_never_lets_more_pass_than_it_held_and_gained(gaps: list[float], rate: int) -> None:
    times = [sum(gaps[: index + 1]) for index in range(len(gaps))]

    count = sum(passed(times, rate))

    assert count <= rate + rate * (times[-1] - times[0] if times else 0) + 1e-6
