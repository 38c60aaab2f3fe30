from __future__ import annotations

import time

from identity_center_simulator import Clock


def test_follows_the_machine_where_nothing_else_is_said() -> None:
    before = time.time()

    assert before <= Clock().now() <= time.time()


def test_starts_where_it_is_told_and_follows_its_source() -> None:
    ticks = [5.0]
    clock = Clock(lambda: ticks[0], start=1_800_000_000)

    ticks[0] = 8.0

    assert clock.now() == 1_800_000_003


def test_is_moved_by_as_much_as_was_asked_for_and_back_by_a_reset() -> None:
    clock = Clock(lambda: 0.0, start=100)

    clock.advance(60)
    clock.advance(-10)
    moved = clock.now()
    clock.reset()

    assert (moved, clock.now()) == (150, 100)


def test_the_machines_own_time_stays_what_it_is() -> None:
    clock = Clock(lambda: 0.0, start=100)
    before = time.time()

    clock.advance(60)

    assert before <= clock.wall() <= time.time()
