"""What is served, what is renewed, and when, over all lifetimes and clocks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from keyfobd.core import freshness
from keyfobd.core.errors import Busy, InternalError, NotPermitted, Unreachable
from keyfobd.core.freshness import (
    Failure,
    RenewFirst,
    RenewThenServe,
    Serve,
    ServeAndRenew,
    decide,
    failed,
    may_try,
    renew_before,
    seconds_until_due,
    spacing,
)
from keyfobd.core.model import Instant, RoleCredentials, SsoRole

MINUTE = 60.0
FETCHED = Instant(wall=1_790_000_000.0, boot=5_000.0)


def credentials(lifetime: float) -> RoleCredentials:
    role = SsoRole("dev", "111122223333", "Admin")
    return RoleCredentials(role, "ASIA", "secret", "token", int(FETCHED.wall + lifetime), FETCHED, lifetime)


def at(seconds: float, *, wall: float = 0.0) -> Instant:
    return Instant(FETCHED.wall + seconds + wall, FETCHED.boot + seconds)


@pytest.mark.parametrize(
    ("lifetime", "left"),
    [(20, 10), (5 * 60, 150), (10 * 60, 5 * 60), (21 * 60, 16 * 60), (25 * 60, 20 * 60), (12 * 3600, 20 * 60)],
)
def test_a_renewal_is_due_with_so_much_life_left(lifetime: float, left: float) -> None:
    assert renew_before(lifetime) == left


@pytest.mark.parametrize(
    ("lifetime", "age", "decision"),
    [
        (60 * MINUTE, 0, Serve),
        (60 * MINUTE, 39 * MINUTE, Serve),
        (60 * MINUTE, 41 * MINUTE, ServeAndRenew),
        (60 * MINUTE, 44 * MINUTE, ServeAndRenew),
        (60 * MINUTE, 45 * MINUTE, RenewThenServe),
        (60 * MINUTE, 59 * MINUTE, RenewThenServe),
        (60 * MINUTE, 60 * MINUTE, RenewFirst),
        (15 * MINUTE, 1 * MINUTE, Serve),  # never more than 15 minutes left: nobody waits for that
        (15 * MINUTE, 14 * MINUTE, ServeAndRenew),
        (20, 9, Serve),
        (20, 11, ServeAndRenew),
        (20, 20, RenewFirst),
    ],
)
def test_decisions_by_age(lifetime: float, age: float, decision: type) -> None:
    assert isinstance(decide(credentials(lifetime), 0.0, None, at(age)), decision)


def test_nothing_held_is_renewed_first() -> None:
    nothing: RoleCredentials | None = None
    assert decide(nothing, 0.0, None, at(0)) == RenewFirst()


def test_a_decision_carries_what_it_decided_about() -> None:
    held = credentials(60 * MINUTE)
    assert decide(held, 0.0, None, at(0)) == Serve(held)


@pytest.mark.parametrize("jump", [-7200.0, -1.0, 1.0, 3600.0, 8 * 3600.0])
def test_the_clock_that_says_less_counts(jump: float) -> None:
    held = credentials(60 * MINUTE)
    assert held.remaining(at(10 * MINUTE, wall=jump)) == 50 * MINUTE - max(jump, 0.0)


def test_during_a_back_off_what_is_valid_is_served_without_waiting() -> None:
    failure = Failure(Unreachable("no route"), at(50 * MINUTE), count=5, pause=30.0)
    held = credentials(60 * MINUTE)
    assert decide(held, 0.0, failure, at(50 * MINUTE + 1)) == Serve(held)
    assert decide(held, 0.0, failure, at(50 * MINUTE + 3)) == ServeAndRenew(held)
    assert decide(held, 0.0, failure, at(50 * MINUTE + 31)) == RenewThenServe(held)


def test_a_throttle_is_not_argued_with() -> None:
    failure = Failure(Busy("429"), at(50 * MINUTE), count=5, pause=30.0)
    held = credentials(60 * MINUTE)
    assert decide(held, 0.0, failure, at(50 * MINUTE + 3)) == Serve(held)


@pytest.mark.parametrize(
    ("error", "since", "asked", "allowed"),
    [
        (Unreachable("x"), 1.0, True, False),
        (Unreachable("x"), 2.0, True, True),
        (Unreachable("x"), 2.0, False, False),
        (Unreachable("x"), 30.0, False, True),
        (InternalError("x"), 2.0, True, True),
        (Busy("x"), 29.0, True, False),
        (NotPermitted("x"), 29.0, True, False),
        (NotPermitted("x"), 30.0, True, True),
    ],
)
def test_when_a_new_try_may_be_made(error: Unreachable, since: float, *, asked: bool, allowed: bool) -> None:
    failure = Failure(error, at(0), count=1, pause=30.0)
    assert may_try(failure, at(since), asked=asked) is allowed


def test_pauses_double_up_to_a_minute() -> None:
    failure, pauses = None, []
    for _ in range(9):
        failure = failed(Unreachable("x"), failure, at(0), chance=1.0)
        pauses.append(failure.pause)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_pauses_have_full_jitter_and_a_refusal_its_whole_minute() -> None:
    assert failed(Unreachable("x"), None, at(0), chance=0.25).pause == 0.25
    assert failed(NotPermitted("x"), None, at(0), chance=0.25).pause == 60.0


lifetimes = st.floats(1.0, 12 * 3600.0)
ages = st.floats(0.0, 13 * 3600.0)
jitters = st.floats(0.0, 0.1)
jumps = st.one_of(st.just(0.0), st.floats(-8 * 3600.0, 8 * 3600.0))
errors = st.sampled_from([Unreachable("x"), Busy("x"), NotPermitted("x"), InternalError("x")])
failures = st.one_of(
    st.none(),
    st.builds(Failure, errors, st.builds(at, ages), st.integers(1, 20), st.floats(0.0, 60.0)),
)


@given(lifetime=lifetimes, age=ages, early=jitters, jump=jumps, failure=failures)
def test_nothing_expired_is_ever_served_whatever_the_clocks_do(
    lifetime: float, age: float, early: float, jump: float, failure: Failure | None
) -> None:
    held = credentials(lifetime)
    decision = decide(held, early, failure, at(age, wall=jump))
    passed = max(age, age + jump)
    assume(abs(passed - lifetime) > 1e-3)  # the wall clock's own resolution in floating point is 0.2 µs
    alive = passed < lifetime
    assert isinstance(decision, RenewFirst) is not alive


@given(lifetime=st.floats(21 * MINUTE, 12 * 3600.0), age=ages, early=jitters)
def test_with_15_minutes_or_less_left_nobody_is_served_before_a_renewal_was_tried(
    lifetime: float, age: float, early: float
) -> None:
    if lifetime - age <= 15 * MINUTE:
        assert isinstance(decide(credentials(lifetime), early, None, at(age)), RenewThenServe | RenewFirst)


@pytest.mark.parametrize(("lifetime", "seconds"), [(0.5, 1), (2, 1), (40, 20), (60, 30), (3600, 30)])
def test_the_spacing_is_half_a_minute_or_half_of_a_shorter_life(lifetime: float, seconds: float) -> None:
    assert spacing(lifetime) == seconds


@example(lifetime=60.0, early=0.1, age=28.0)
@given(lifetime=lifetimes, early=jitters, age=ages)
def test_no_second_renewal_comes_within_the_spacing(lifetime: float, early: float, age: float) -> None:
    decision = decide(credentials(lifetime), early, None, at(age))
    if isinstance(decision, ServeAndRenew | RenewThenServe):
        assert age >= spacing(lifetime) - 1e-6


@given(lifetime=lifetimes, early=jitters, age=ages, failure=failures, ago=st.floats(0.0, 120.0))
def test_after_the_named_wait_a_renewal_is_due(
    lifetime: float, early: float, age: float, failure: Failure | None, ago: float
) -> None:
    held = credentials(lifetime)
    if failure is not None:
        failure = replace(failure, at=at(age - ago))
    wait = seconds_until_due(held, early, failure, at(age))
    later = at(age + wait + 0.001)
    assert freshness.renewal_due(held, early, later)
    assert may_try(failure, later, asked=False)


@given(lifetime=lifetimes, early=jitters, age=ages)
def test_jitter_only_makes_a_renewal_earlier(lifetime: float, early: float, age: float) -> None:
    held = credentials(lifetime)
    if freshness.renewal_due(held, 0.0, at(age)):
        assert freshness.renewal_due(held, early, at(age))
