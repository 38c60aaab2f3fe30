"""The machine's two clocks."""

from __future__ import annotations

import time

from keyfobd.adapters.clock import Clock


def test_the_wall_is_what_everybody_else_reads() -> None:
    before = time.time()
    wall = Clock().now().wall
    assert before <= wall <= time.time()


def test_the_boot_clock_counts_suspend_where_the_system_has_such_a_clock() -> None:
    source = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    before = time.clock_gettime(source)
    boot = Clock().now().boot
    assert before <= boot <= time.clock_gettime(source)
