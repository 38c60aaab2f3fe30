"""The JavaScript SDK's SSO provider against the simulator, over a token cache as ``aws sso login`` leaves it."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.aws_clients import SignedIn, sign_in, sts
from support.simulator import DEVELOPMENT, SimulatorProcess
from support.sso_profile import Home

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent.parent
PROGRAM = Path(__file__).parent / "programs" / "sso_provider.js"
BUILT = TESTS.parent / ".build" / "sdks-node" / "newest" / "node_modules"
GONE = "To refresh this SSO session run 'aws sso login' with the corresponding profile."


@pytest.fixture(scope="module")
def node_modules() -> Path:
    found = Path(os.environ.get("KEYFOB_SDKS_NODE_MODULES", BUILT))
    if not (found / "@aws-sdk" / "credential-provider-sso").is_dir():
        pytest.fail(
            f"{found} has no @aws-sdk/credential-provider-sso: set KEYFOB_SDKS_NODE_MODULES, or `make test-sdks`"
        )
    return found


@pytest.fixture
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as found:
        yield found


@pytest.fixture
def alice(simulator: SimulatorProcess) -> SignedIn:
    return sign_in(simulator)


class Sdk:
    """Runs the provider in a home of its own."""

    def __init__(self, home: Home, simulator: SimulatorProcess, node_modules: Path) -> None:
        path = os.environ.get("PATH", os.defpath)
        self._environment = {"PATH": path, "NODE_PATH": str(node_modules), **home.environment(simulator)}

    def run(self) -> dict[str, Any]:
        """Either ``found``, the credentials, or ``says``, the error's message."""
        ran = subprocess.run(
            ["node", PROGRAM], env=self._environment, capture_output=True, text=True, timeout=60, check=True
        )
        found: dict[str, Any] = json.loads(ran.stdout)
        return found


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def sdk(home: Home, simulator: SimulatorProcess, node_modules: Path) -> Sdk:
    return Sdk(home, simulator, node_modules)


def test_gets_credentials_that_work(simulator: SimulatorProcess, home: Home, sdk: Sdk, alice: SignedIn) -> None:
    home.write_token(alice, left=timedelta(hours=1))

    found = sdk.run()["found"]

    assert sts(simulator.url, found).get_caller_identity()["Account"] == DEVELOPMENT


def test_refreshes_a_token_with_less_than_five_minutes(
    simulator: SimulatorProcess, home: Home, sdk: Sdk, alice: SignedIn
) -> None:
    home.write_token(alice, left=timedelta(minutes=4))

    assert "found" in sdk.run()

    (call,) = simulator.journal("CreateToken", grant="refresh_token")
    assert (call["status"], call["token_uses"]) == (200, 1)
    assert home.token()["accessToken"] != alice.access_token


def test_asks_for_a_sign_in_when_the_session_is_over(
    simulator: SimulatorProcess, home: Home, sdk: Sdk, alice: SignedIn
) -> None:
    home.write_token(alice, left=timedelta(minutes=-5))
    simulator.end_sessions()

    assert GONE in sdk.run()["says"]


def test_hears_no_access_for_a_role_that_was_taken_away(
    simulator: SimulatorProcess, home: Home, sdk: Sdk, alice: SignedIn
) -> None:
    home.write_token(alice, left=timedelta(hours=1))
    simulator.post("unassign", user="alice", account_id=DEVELOPMENT)

    assert "No access" in sdk.run()["says"]
