"""What the clients of other families run against: a daemon with one role, a relay that counts, and a service that
reads the key off every signature. What came of it is printed as a matrix.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.machine import Machine, machine
from support.relay import Relay, relay
from support.signed_service import SignedService

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = "ReadOnly@222222222222"
matrix: pytest.StashKey[dict[str, dict[str, str]]] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[matrix] = {}


@pytest.fixture
def outcomes(request: pytest.FixtureRequest) -> dict[str, dict[str, str]]:
    """Client, then way of handing over the token, then what came of it."""
    return request.config.stash[matrix]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not (rows := config.stash[matrix]):
        return
    ways = list(next(iter(rows.values())))
    terminalreporter.write_line("")
    terminalreporter.write_line("| client | " + " | ".join(f"--token-in {way}" for way in ways) + " |")
    terminalreporter.write_line("|---|" + "---|" * len(ways))
    for client, found in rows.items():
        terminalreporter.write_line(f"| {client} | " + " | ".join(found.get(way, "not run") for way in ways) + " |")


@pytest.fixture(scope="session")
def service() -> Iterator[SignedService]:
    one = SignedService()
    yield one
    one.close()


@pytest.fixture(scope="session")
def signed_in() -> Iterator[Machine]:
    """A machine whose daemon holds the role."""
    with machine() as stage:
        stage.simulate()
        login = stage.sign_in()
        assert login.status == 0, login.err
        yield stage


@pytest.fixture(scope="session")
def held_key(signed_in: Machine) -> str:
    """The key id of the credentials that the daemon holds."""
    found: str = json.loads(signed_in.run("keyfob", "credential-process", TARGET).out)["AccessKeyId"]
    return found


@pytest.fixture(scope="session")
def endpoint(signed_in: Machine) -> Iterator[Relay]:
    daemon = signed_in.daemon()
    assert daemon is not None
    with relay(daemon["port"]) as one:
        yield one
