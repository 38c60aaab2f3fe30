"""One simulator process for all of these tests, begun anew for each; and clients that nobody here wrote."""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING

import pytest

from identity_center_simulator import EXAMPLE
from support.aws_clients import SignedIn, sign_in
from support.simulator import SimulatorProcess

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def no_aws_of_the_person_who_runs_this(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.fixture(scope="session")
def process() -> Iterator[SimulatorProcess]:
    with SimulatorProcess("--movable-clock") as found:
        yield found


@pytest.fixture
def simulator(process: SimulatorProcess) -> SimulatorProcess:
    process.post("scenario", **tomllib.loads(EXAMPLE))
    return process


@pytest.fixture
def alice(simulator: SimulatorProcess) -> SignedIn:
    """Alice, signed in with a device code, by boto3."""
    return sign_in(simulator)
