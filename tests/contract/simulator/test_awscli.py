"""The AWS CLI from PyPI (version 1, which has no ``sso login``) with an SSO profile over a token cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.simulator import DEVELOPMENT
from support.sso_profile import Home

if TYPE_CHECKING:
    from support.aws_clients import SignedIn
    from support.simulator import SimulatorProcess

AWS = Path(sys.executable).parent / "aws"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def identity(home: Home, simulator: SimulatorProcess) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ.get("PATH", os.defpath), **home.environment(simulator)}
    words = [sys.executable, str(AWS), "sts", "get-caller-identity", "--profile", "dev", "--output", "json"]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_calls_sts_with_credentials_from_the_portal(simulator: SimulatorProcess, home: Home, alice: SignedIn) -> None:
    home.write_token(alice, left=timedelta(hours=1))

    found = identity(home, simulator)

    assert (found.returncode, found.stderr) == (0, "")
    assert json.loads(found.stdout)["Account"] == DEVELOPMENT
    assert simulator.journal("GetRoleCredentials")[0]["user_agent"].startswith("aws-cli/1.")


def test_refreshes_an_expired_token_and_goes_on(simulator: SimulatorProcess, home: Home, alice: SignedIn) -> None:
    home.write_token(alice, left=timedelta(minutes=-5))

    found = identity(home, simulator)

    assert found.returncode == 0
    assert home.token()["accessToken"] != alice.access_token


def test_says_no_access_where_the_role_was_taken_away(simulator: SimulatorProcess, home: Home, alice: SignedIn) -> None:
    home.write_token(alice, left=timedelta(hours=1))
    simulator.post("unassign", user="alice", account_id=DEVELOPMENT)

    found = identity(home, simulator)

    assert found.returncode != 0
    assert "(ForbiddenException) when calling the GetRoleCredentials operation: No access" in found.stderr
