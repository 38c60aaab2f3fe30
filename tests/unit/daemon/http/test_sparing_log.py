"""A log that a flood cannot fill."""

from __future__ import annotations

import asyncio
import logging

import pytest

from keyfobd.http.sparing_log import SparingLog


@pytest.mark.looptime
async def test_a_flood_is_a_few_lines_a_period_and_says_how_much_was_left_out(caplog: pytest.LogCaptureFixture) -> None:
    sparing = SparingLog(logging.getLogger("flood"), lines=2, period=60)
    next_period = asyncio.Event()
    for _ in range(10):
        sparing.warning("again")
    asyncio.get_running_loop().call_later(61, next_period.set)
    await next_period.wait()
    sparing.warning("again")
    sparing.warning("again")
    assert caplog.messages == [
        "again (0 like this left out)",
        "again (0 like this left out)",
        "again (8 like this left out)",
        "again (0 like this left out)",
    ]
