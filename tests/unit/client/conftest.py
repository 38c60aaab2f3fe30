"""A person's machine, and on it a daemon that says what a test tells it to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.fake_daemon import FakeDaemon, fake_daemon
from support.machine import Machine, machine

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def person() -> Iterator[Machine]:
    with machine() as one:
        yield one


@pytest.fixture
def daemon(person: Machine) -> Iterator[FakeDaemon]:
    with fake_daemon(person.environ) as one:
        yield one
