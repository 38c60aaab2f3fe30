"""Moments as JSON has them."""

from __future__ import annotations

import pytest

from keyfobd.core.times import rfc3339


@pytest.mark.parametrize(
    ("wall", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1767323045, "2026-01-02T03:04:05Z"),
        (1767323045.999, "2026-01-02T03:04:05Z"),
        (4102444800.0, "2100-01-01T00:00:00Z"),
        (-0.5, "1969-12-31T23:59:59Z"),
    ],
)
def test_a_moment_is_written_in_utc_without_parts_of_a_second(wall: float, text: str) -> None:
    assert rfc3339(wall) == text
