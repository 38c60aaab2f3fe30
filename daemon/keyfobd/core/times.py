"""Moments as people and JSON have them."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(wall: float) -> str:
    """Seconds since 1970 as ``2026-01-02T03:04:05Z``; parts of a second are dropped, so that nothing seems to live
    longer than it does."""
    return datetime.fromtimestamp(int(wall // 1), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
