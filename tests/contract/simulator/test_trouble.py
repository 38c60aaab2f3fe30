"""Every kind of fault, as an HTTP client and as boto3 see it."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from support.aws_clients import DEVICE_CODE, SignedIn, client, role_credentials
from support.simulator import DEVELOPMENT, PRODUCTION

if TYPE_CHECKING:
    from support.simulator import SimulatorProcess

REGISTER = json.dumps({"clientName": "a", "clientType": "public"}).encode()


def post(simulator: SimulatorProcess, *, timeout: float = 30) -> tuple[int, dict[str, str], bytes]:
    """RegisterClient, on a connection of its own; raises what http.client raises."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(simulator.url).netloc, timeout=timeout)
    try:
        connection.request("POST", "/client/register", REGISTER)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def registered(simulator: SimulatorProcess) -> list[int | None]:
    return [call["status"] for call in simulator.journal("RegisterClient")]


class TestInsteadOfTheOperation:
    def test_status(self, simulator: SimulatorProcess) -> None:
        simulator.add_fault("RegisterClient", "status", status=503, body="upstream connect error")

        status, headers, body = post(simulator)

        assert (status, body) == (503, b"upstream connect error")
        assert headers["Content-Type"].startswith("text/plain")

    def test_status_with_a_json_body_is_json(self, simulator: SimulatorProcess) -> None:
        simulator.add_fault("RegisterClient", "status", status=500, body='{"message": null}')

        assert post(simulator)[1]["Content-Type"].startswith("application/json")

    def test_error(self, simulator: SimulatorProcess) -> None:
        simulator.add_fault("RegisterClient", "error", code="InternalServerException")

        with pytest.raises(ClientError, match="InternalServerException"):
            client("sso-oidc", simulator.url).register_client(clientName="a", clientType="public")

    def test_error_of_another_region_has_its_members(self, simulator: SimulatorProcess) -> None:
        there = {"endpoint": "http://127.0.0.1:9", "region": "eu-west-1", "reason": "x"}
        simulator.add_fault("RegisterClient", "error", code="InvalidRequestRegionException", set=there)

        status, headers, body = post(simulator)

        assert (status, headers["x-amzn-ErrorType"].partition(":")[0]) == (400, "InvalidRequestRegionException")
        assert json.loads(body) == {"error": "invalid_request", "error_description": "Invalid request", **there}
        assert simulator.journal("RegisterClient")[0]["error"] == "InvalidRequestRegionException"

    def test_html(self, simulator: SimulatorProcess) -> None:
        simulator.add_fault("RegisterClient", "html")

        status, headers, body = post(simulator)

        assert (status, headers["Content-Type"].partition(";")[0]) == (200, "text/html")
        assert b"Wi-Fi" in body

    def test_redirect(self, simulator: SimulatorProcess) -> None:
        simulator.add_fault("RegisterClient", "redirect", location="http://127.0.0.1:9/other")

        status, headers, _ = post(simulator)

        assert (status, headers["Location"]) == (307, "http://127.0.0.1:9/other")

    def test_reset_happens_before_any_effect(self, simulator: SimulatorProcess) -> None:
        simulator.add_fault("RegisterClient", "reset")

        with pytest.raises(ConnectionResetError):
            post(simulator)

        assert registered(simulator) == [None]

    def test_hang_lasts_as_long_as_the_client_waits(self, simulator: SimulatorProcess) -> None:
        simulator.add_fault("RegisterClient", "hang")

        with pytest.raises(TimeoutError):
            post(simulator, timeout=0.05)

        (call,) = simulator.journal("RegisterClient", at_least=1)
        assert (call["status"], call["fault"]) == (None, "hang")


class TestAfterTheEffect:
    def test_reset_after_loses_the_answer_alone(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("settings", refresh_tokens="single-use")
        simulator.add_fault("CreateToken", "reset-after", times=1)
        oidc = client("sso-oidc", simulator.url)
        words = {**alice.client, "grantType": "refresh_token", "refreshToken": alice.refresh_token}

        with pytest.raises(ConnectionClosedError):
            oidc.create_token(**words)

        with pytest.raises(ClientError, match="InvalidGrantException"):
            oidc.create_token(**words)

    def test_hang_after_loses_it_by_patience(self, simulator: SimulatorProcess) -> None:
        simulator.add_fault("RegisterClient", "hang-after")

        with pytest.raises(TimeoutError):
            post(simulator, timeout=0.05)

        assert registered(simulator) == [None]

    def test_truncated_promises_more_than_it_sends(self, simulator: SimulatorProcess) -> None:
        simulator.add_fault("RegisterClient", "truncated")

        with pytest.raises(http.client.IncompleteRead) as caught:
            post(simulator)

        assert 0 < len(caught.value.partial) < (caught.value.expected or 0) + len(caught.value.partial)

    def test_refusals_are_spoiled_like_any_answer(self, simulator: SimulatorProcess) -> None:
        simulator.add_fault("ListAccounts", "reset-after")

        with pytest.raises(ConnectionClosedError):
            client("sso", simulator.url).list_accounts(accessToken="unknown")

        (call,) = simulator.journal("ListAccounts")
        assert (call["status"], call["error"]) == (None, "UnauthorizedException")

    def test_drip_ends_with_its_client(self, simulator: SimulatorProcess) -> None:
        simulator.add_fault("RegisterClient", "drip", seconds=3600)

        with pytest.raises(TimeoutError):
            post(simulator, timeout=0.05)

        assert simulator.journal("RegisterClient")[0]["fault"] == "drip"

    def test_drip_arrives_whole(self, simulator: SimulatorProcess) -> None:
        simulator.add_fault("RegisterClient", "drip", seconds=0)

        status, headers, body = post(simulator)

        assert (status, int(headers["Content-Length"])) == (200, len(body))
        assert json.loads(body)["clientId"]

    def test_members_are_removed_and_set(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.add_fault(
            "GetRoleCredentials",
            "members",
            remove=["roleCredentials.sessionToken"],
            set={"roleCredentials.expiration": 12, "extra": "x"},
        )

        found = role_credentials(simulator.url, alice.access_token, DEVELOPMENT, "ReadOnly")

        assert "sessionToken" not in found
        assert found["expiration"] == 12

    def test_members_in_a_list_are_set_by_number(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.add_fault("ListAccounts", "members", set={"accountList.0.accountId": "1", "accountList.9.x": 1})

        found = client("sso", simulator.url).list_accounts(accessToken=alice.access_token)["accountList"]

        assert [found[0]["accountId"], len(found)] == ["1", 3]

    def test_delay_only_delays(self, simulator: SimulatorProcess) -> None:
        simulator.add_fault("RegisterClient", "delay", delay=0.01)

        assert post(simulator)[0] == 200


class TestWhom:
    def test_a_fault_is_spent_after_its_times(self, simulator: SimulatorProcess) -> None:
        simulator.add_fault("RegisterClient", "status", status=500, times=2)

        assert [post(simulator)[0] for _ in range(3)] == [500, 500, 200]

    def test_a_fault_ends_with_its_time(self, simulator: SimulatorProcess) -> None:
        simulator.add_fault("*", "status", status=500, **{"for": "5m"})

        before = post(simulator)[0]
        simulator.post("clock", advance="5m")

        assert (before, post(simulator)[0]) == (500, 200)
        assert simulator.get("faults") == []

    def test_a_fault_can_meet_one_role_and_spare_others(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.add_fault("GetRoleCredentials", "status", status=500, match={"account_id": PRODUCTION})

        assert role_credentials(simulator.url, alice.access_token, DEVELOPMENT, "ReadOnly")
        with pytest.raises(ClientError):
            role_credentials(simulator.url, alice.access_token, PRODUCTION, "ReadOnly")

    def test_a_fault_can_meet_one_grant(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.add_fault("CreateToken", "status", status=500, match={"grantType": "refresh_token"})
        oidc = client("sso-oidc", simulator.url)

        with pytest.raises(ClientError) as caught:
            oidc.create_token(**alice.client, grantType="refresh_token", refreshToken=alice.refresh_token)
        with pytest.raises(ClientError, match="InvalidGrantException"):
            oidc.create_token(**alice.client, grantType=DEVICE_CODE, deviceCode="x")

        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500

    def test_cleared_faults_are_gone(self, simulator: SimulatorProcess) -> None:
        simulator.add_fault("*", "reset")
        simulator.clear_faults()

        assert post(simulator)[0] == 200


def test_a_retry_is_seen_as_one_in_the_journal(simulator: SimulatorProcess, alice: SignedIn) -> None:
    portal = client("sso", simulator.url)
    portal.meta.events.register_first("before-send.sso.ListAccounts", as_second_attempt)
    try:
        portal.list_accounts(accessToken=alice.access_token)
    finally:
        portal.meta.events.unregister("before-send.sso.ListAccounts", as_second_attempt)

    (call,) = simulator.journal("ListAccounts")
    assert call["attempt"] == 2
    assert simulator.get("journal/summary")["retries"] == 1


def as_second_attempt(request: Any, **_: Any) -> None:
    """What botocore sends when it tries again, without its wait before that."""
    request.headers["amz-sdk-request"] = "attempt=2; max=3"
