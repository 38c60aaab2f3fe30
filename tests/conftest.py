"""What all tests share."""

from __future__ import annotations

import asyncio


def pytest_configure() -> None:
    """Looptime asks the policy for a loop around synchronous tests too, and the policy would make one that nobody
    closes. Once a loop has been set, even to None, it says that there is none."""
    asyncio.set_event_loop(None)
