"""The journal knows every call: those that a fault or the throttle kept from its operation, too."""

from __future__ import annotations

import contextlib
import urllib.error
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from support.aws_clients import SignedIn, client, role_credentials
from support.simulator import ALICE, DEVELOPMENT, SimulatorProcess, open_url

if TYPE_CHECKING:
    from collections.abc import Callable


def quietly(call: Callable[[], Any]) -> None:
    with contextlib.suppress(ClientError, BotoCoreError):
        call()


def refresh(simulator: SimulatorProcess, who: SignedIn) -> None:
    oidc = client("sso-oidc", simulator.url)
    quietly(lambda: oidc.create_token(**who.client, grantType="refresh_token", refreshToken=who.refresh_token))


def status_of(simulator: SimulatorProcess, path: str, body: bytes | None = None) -> int:
    try:
        with open_url(simulator.url + path, body) as response:
            return int(response.status)
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code


@pytest.mark.parametrize("kind", ["error", "status", "reset", "html"])
def test_refreshes_that_a_fault_met_are_known_and_counted(
    simulator: SimulatorProcess, alice: SignedIn, kind: str
) -> None:
    simulator.add_fault("CreateToken", kind, times=3)

    for _ in range(3):
        refresh(simulator, alice)

    calls = simulator.journal("CreateToken", grant="refresh_token")
    assert [call["token_uses"] for call in calls] == [1, 2, 3]
    assert {(call["user"], call["client_id"]) for call in calls} == {(ALICE, alice.client_id)}
    summary = simulator.get("journal/summary")
    assert [each["count"] for each in summary["refreshes_per_session_and_hour"]] == [3]
    assert summary["refresh_tokens_reused"] == [calls[0]["token"]]


def test_a_refresh_token_of_a_dead_family_is_counted_on(simulator: SimulatorProcess, alice: SignedIn) -> None:
    simulator.post("settings", refresh_tokens="kill-family")

    for _ in range(4):
        refresh(simulator, alice)

    found = simulator.journal("CreateToken", grant="refresh_token")
    assert [(call["status"], call["token_uses"]) for call in found] == [(200, 1), (400, 2), (400, 3), (400, 4)]


def test_a_throttled_call_is_somebodys(simulator: SimulatorProcess, alice: SignedIn) -> None:
    simulator.post("settings", calls_per_second=0.001)  # the bucket holds one call at the most

    for _ in range(2):
        quietly(lambda: role_credentials(simulator.url, alice.access_token, DEVELOPMENT, "ReadOnly"))

    call = simulator.journal("GetRoleCredentials")[-1]
    assert (call["status"], call["error"]) == (429, "TooManyRequestsException")
    assert (call["user"], call["account_id"], call["role_name"]) == (ALICE, DEVELOPMENT, "ReadOnly")
    assert call["token"]
    assert call["session"] == simulator.get("sessions")[0]["id"]


@pytest.mark.parametrize(
    ("path", "body", "status"), [("/nothing", None, 404), ("/token", None, 405), ("/.well-known/x", b"", 404)]
)
def test_what_no_service_has_is_noted_as_unknown(
    simulator: SimulatorProcess, path: str, body: bytes | None, status: int
) -> None:
    assert status_of(simulator, path, body) == status

    (call,) = simulator.journal("Unknown")
    assert (call["path"], call["status"]) == (path, status)


def test_a_fault_for_everything_meets_unknown_paths_too(simulator: SimulatorProcess) -> None:
    simulator.add_fault("*", "status", status=503)

    assert status_of(simulator, "/nothing") == 503


def test_the_control_api_is_not_noted(simulator: SimulatorProcess) -> None:
    assert status_of(simulator, "/simulator/nothing") == 404
    assert simulator.journal() == []
