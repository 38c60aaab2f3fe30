"""The control API: what a script is told when it asks for what cannot be, and what it can wait for."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from support.aws_clients import SignedIn, client, register, sign_in
from support.simulator import ALICE, BOB, PRODUCTION, START_URL, SimulatorProcess, open_url

if TYPE_CHECKING:
    from collections.abc import Callable


def refused(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        call()
    with caught.value as response:
        return response.code, json.load(response)["error"]


@pytest.mark.parametrize(
    ("path", "members", "says"),
    [
        ("settings", {"speed": 1}, "there is no setting 'speed'"),
        ("settings", {"refresh_tokens": "sometimes"}, "refresh_tokens is one of rotate,"),
        ("settings", {"page_size": "many"}, "page_size must be int"),
        ("settings", {"session_duration": "long"}, "session_duration must be seconds or like 20s"),
        ("settings", {"warm_user": "mallory"}, "there is no user 'mallory'"),
        ("faults", {"operation": "*", "kind": "fire"}, "kind is one of delay,"),
        ("faults", {"kind": "reset"}, "a fault needs an operation"),
        ("faults", {"operation": "*", "kind": "reset", "colour": "red"}, "a fault has no 'colour'"),
        ("users/disable", {"user": "mallory"}, "there is no user 'mallory'"),
        ("users/disable", {}, "cannot be meant"),
        ("assign", {"user": ALICE, "account_id": "1", "role_name": "ReadOnly"}, "no account '1'"),
        ("sign-in", {"user_code": "XXXX-XXXX", "user": ALICE}, "no sign-in waits for this code"),
        ("sign-in", {"user_code": "XXXX-XXXX", "user": ALICE, "decision": "Maybe"}, "decision is Allow or Deny"),
        ("sign-in", {"url": "http://127.0.0.1/authorize?client_id=x", "user": ALICE}, "The client is not known"),
        ("scenario", {"users": {"x": {"hat": "red"}}}, "users.x: 'hat' is not one of assignments, disabled"),
    ],
)
def test_says_what_cannot_be(simulator: SimulatorProcess, path: str, members: dict[str, Any], says: str) -> None:
    status, message = refused(lambda: simulator.post(path, **members))

    assert status == 400
    assert says in message


def test_lists_itself(simulator: SimulatorProcess) -> None:
    assert simulator.get("")["POST /simulator/sign-in"].startswith("{url or user_code")


def test_a_form_of_another_site_cannot_reach_it(simulator: SimulatorProcess) -> None:
    request = urllib.request.Request(f"{simulator.url}/simulator/sessions/end", b"{}", {"Content-Type": "text/plain"})

    assert refused(lambda: open_url(request))[0] == 400


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff"])
def test_a_body_is_a_json_object(simulator: SimulatorProcess, body: bytes) -> None:
    kind = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{simulator.url}/simulator/sessions/end", body, kind)

    assert refused(lambda: open_url(request))[0] == 400


def test_the_clock_stands_still_unless_the_simulator_was_started_otherwise() -> None:
    with SimulatorProcess() as simulator:
        assert "--movable-clock" in refused(lambda: simulator.post("clock", advance=1))[1]


def test_begins_anew_with_another_scenario(simulator: SimulatorProcess, alice: SignedIn) -> None:
    simulator.post("scenario", accounts={PRODUCTION: {}}, permission_sets={"Only": 20}, users={"eve": {}})

    assert list(simulator.get("scenario")["users"]) == ["eve"]
    assert simulator.get("sessions") == []
    with pytest.raises(client("sso", simulator.url).exceptions.UnauthorizedException):
        client("sso", simulator.url).list_accounts(accessToken=alice.access_token)


def test_what_it_says_of_the_scenario_can_be_loaded_again(simulator: SimulatorProcess) -> None:
    simulator.post("unassign", user=BOB, account_id=PRODUCTION)
    simulator.post("settings", page_size=7)
    found = simulator.get("scenario")

    assert simulator.post("scenario", **found) == found
    assert (found["users"][BOB]["assignments"], found["settings"]["page_size"]) == ({}, 7)


def test_the_clock_can_be_set_back(simulator: SimulatorProcess) -> None:
    before = simulator.get("clock")["now"]

    assert simulator.post("clock", advance="-2h")["now"] < before - 7000


def test_plays_the_person_for_a_device_code(simulator: SimulatorProcess) -> None:
    oidc, registration = client("sso-oidc", simulator.url), register(simulator.url)
    device = oidc.start_device_authorization(**registration, startUrl=START_URL)

    assert simulator.get("pending")[0]["user_code"] == device["userCode"]
    assert simulator.post("sign-in", url=device["verificationUriComplete"], user=BOB) == {"redirect": None}
    assert simulator.get("pending") == []
    assert simulator.get("sessions")[0]["user"] == BOB


def test_a_disabled_user_may_come_back(simulator: SimulatorProcess) -> None:
    simulator.post("users/disable", user=ALICE)
    simulator.post("users/enable", user=ALICE)

    assert sign_in(simulator).access_token


def test_one_session_can_be_ended_by_its_id(simulator: SimulatorProcess, alice: SignedIn) -> None:
    sign_in(simulator, BOB)
    first, second = simulator.get("sessions")

    ended = simulator.post("sessions/end", session=first["id"])["ended"]

    assert ended == [first["id"]]
    assert [each["alive"] for each in simulator.get("sessions")] == [False, True]
    assert (first["user"], second["user"]) == (ALICE, BOB)
    with pytest.raises(client("sso", simulator.url).exceptions.UnauthorizedException):
        client("sso", simulator.url).list_accounts(accessToken=alice.access_token)


def test_a_script_can_wait_for_calls_that_have_not_come_yet(simulator: SimulatorProcess) -> None:
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.extend(simulator.journal("RegisterClient", at_least=2)))
    waiting.start()

    register(simulator.url)
    register(simulator.url)
    waiting.join(timeout=30)

    assert [call["operation"] for call in found] == ["RegisterClient", "RegisterClient"]


def test_a_wait_is_given_up_in_time(simulator: SimulatorProcess) -> None:
    assert refused(lambda: simulator.journal("RegisterClient", at_least=1, timeout=0)) == (408, "timed out")


def test_the_journal_can_be_read_from_a_number_on_and_cleared(simulator: SimulatorProcess) -> None:
    register(simulator.url)
    (first,) = simulator.journal("RegisterClient")
    register(simulator.url)

    later = simulator.journal("RegisterClient", after=first["number"])
    simulator.post("journal/clear")

    assert len(later) == 1
    assert simulator.journal() == []


def test_answers_carry_the_simulated_time(simulator: SimulatorProcess) -> None:
    simulator.post("clock", advance="30d")

    with open_url(f"{simulator.url}/simulator/clock") as response:
        now = json.load(response)["now"]
        assert response.headers["Date"] == formatted(now)
        assert response.headers["Server"] == "identity-center-simulator"


def formatted(now: float) -> str:
    return formatdate(now, usegmt=True)


def test_head_is_answered_as_get_without_a_body(simulator: SimulatorProcess) -> None:
    request = urllib.request.Request(f"{simulator.url}/device", method="HEAD")

    with open_url(request) as response:
        assert (response.status, response.read()) == (200, b"")
        assert int(response.headers["Content-Length"]) > 0
