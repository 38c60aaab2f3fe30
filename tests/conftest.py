"""What all tests share."""

from __future__ import annotations

import asyncio

import hypothesis

hypothesis.settings.register_profile("keyfob", deadline=None)  # a busy machine is no defect of what is tested
hypothesis.settings.load_profile("keyfob")


def pytest_configure() -> None:
    """Looptime asks the policy for a loop around synchronous tests too, and the policy would make one that nobody
    closes. Once a loop has been set, even to None, it says that there is none."""
    asyncio.set_event_loop(None)
