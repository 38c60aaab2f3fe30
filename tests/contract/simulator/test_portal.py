"""The access portal as boto3's ``sso`` client sees it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from support.aws_clients import SignedIn, client, role_credentials, sign_in, sts
from support.simulator import ALICE, BOB, DEVELOPMENT, NAMELESS, PRODUCTION, open_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.simulator import SimulatorProcess

GONE = ("UnauthorizedException", 401, "Session token not found or invalid")
NO_ACCESS = ("ForbiddenException", 403, "No access")


def refused(call: Callable[[], Any]) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return (
        response["Error"]["Code"],
        response["ResponseMetadata"]["HTTPStatusCode"],
        response["Error"].get("Message", ""),
    )


def accounts(simulator: SimulatorProcess, one: SignedIn, **words: Any) -> Any:
    return client("sso", simulator.url).list_accounts(accessToken=one.access_token, **words)


def roles(simulator: SimulatorProcess, one: SignedIn, account_id: str, **words: Any) -> Any:
    portal = client("sso", simulator.url)
    return portal.list_account_roles(accessToken=one.access_token, accountId=account_id, **words)


class TestListing:
    def test_lists_a_users_own_accounts_and_says_what_it_knows_of_them(
        self, simulator: SimulatorProcess, alice: SignedIn
    ) -> None:
        found = accounts(simulator, alice)

        assert found["accountList"] == [
            {"accountId": DEVELOPMENT, "accountName": "Development", "emailAddress": "dev@example.com"},
            {"accountId": PRODUCTION, "accountName": "Production", "emailAddress": "prod@example.com"},
            {"accountId": NAMELESS},
        ]
        assert "nextToken" not in found

    def test_lists_roles_of_an_account_and_none_where_there_are_none(
        self, simulator: SimulatorProcess, alice: SignedIn
    ) -> None:
        found = roles(simulator, alice, PRODUCTION)["roleList"]

        assert [each["roleName"] for each in found] == ["ReadOnly", "ShortLived"]
        assert {each["accountId"] for each in found} == {PRODUCTION}
        assert roles(simulator, alice, NAMELESS)["roleList"] == []

    def test_another_user_sees_other_accounts(self, simulator: SimulatorProcess) -> None:
        found = accounts(simulator, sign_in(simulator, BOB))["accountList"]

        assert [each["accountId"] for each in found] == [PRODUCTION]

    def test_paginates_by_what_was_asked_for(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        pages = client("sso", simulator.url).get_paginator("list_accounts")

        found = list(pages.paginate(accessToken=alice.access_token, PaginationConfig={"PageSize": 2}))

        assert [len(page["accountList"]) for page in found] == [2, 1]

    def test_paginates_by_its_own_limit_where_that_is_less(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("settings", page_size=1)
        pages = client("sso", simulator.url).get_paginator("list_account_roles")

        found = list(pages.paginate(accessToken=alice.access_token, accountId=DEVELOPMENT))

        assert [page["roleList"][0]["roleName"] for page in found] == ["AdministratorAccess", "ReadOnly", "ShortLived"]

    @pytest.mark.parametrize("size", [101, 1000])
    def test_page_sizes_are_1_to_100(self, simulator: SimulatorProcess, alice: SignedIn, size: int) -> None:
        found = refused(lambda: accounts(simulator, alice, maxResults=size))

        assert found == (
            "InvalidRequestException",
            400,
            "ResultSize parameter must be within the valid limits of: 1-100",
        )

    @pytest.mark.parametrize("token", ["nonsense", "b2Zmc2V0OnR3bw=="])
    def test_made_up_page_tokens_are_refused(self, simulator: SimulatorProcess, alice: SignedIn, token: str) -> None:
        assert refused(lambda: accounts(simulator, alice, nextToken=token))[:2] == ("InvalidRequestException", 400)


class TestRoleCredentials:
    def test_have_the_shape_of_real_ones(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        found = role_credentials(simulator.url, alice.access_token, DEVELOPMENT, "AdministratorAccess")

        assert found["accessKeyId"].startswith("ASIA")
        assert (len(found["accessKeyId"]), len(found["secretAccessKey"])) == (20, 40)
        assert len(found["sessionToken"]) >= 800
        assert found["expiration"] % 1000 == 0

    @pytest.mark.parametrize(("role", "lifetime"), [("ShortLived", 20), ("AdministratorAccess", 3600)])
    def test_live_as_long_as_the_permission_set_says(
        self, simulator: SimulatorProcess, alice: SignedIn, role: str, lifetime: int
    ) -> None:
        found = role_credentials(simulator.url, alice.access_token, DEVELOPMENT, role)

        assert lifetime - 3 <= found["expiration"] / 1000 - time.time() <= lifetime

    def test_are_not_cut_by_the_sessions_end(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("clock", advance="59m")

        found = role_credentials(simulator.url, alice.access_token, DEVELOPMENT, "ReadOnly")

        assert found["expiration"] / 1000 - time.time() > 12 * 3600

    @pytest.mark.parametrize(("account", "role"), [(PRODUCTION, "AdministratorAccess"), ("999999999999", "ReadOnly")])
    def test_are_refused_where_one_is_not_assigned(
        self, simulator: SimulatorProcess, alice: SignedIn, account: str, role: str
    ) -> None:
        assert refused(lambda: role_credentials(simulator.url, alice.access_token, account, role)) == NO_ACCESS

    def test_a_missing_parameter_is_refused(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        request = urllib.request.Request(
            f"{simulator.url}/federation/credentials?role_name=ReadOnly",
            headers={"x-amz-sso_bearer_token": alice.access_token},
        )

        with pytest.raises(urllib.error.HTTPError) as caught:
            open_url(request)
        with caught.value as response:
            assert response.code == 400


class TestAssignments:
    def test_a_role_taken_away_is_refused_at_once(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("unassign", user=ALICE, account_id=DEVELOPMENT, role_name="ReadOnly")

        listed = [each["roleName"] for each in roles(simulator, alice, DEVELOPMENT)["roleList"]]

        assert listed == ["AdministratorAccess", "ShortLived"]
        assert (
            refused(lambda: role_credentials(simulator.url, alice.access_token, DEVELOPMENT, "ReadOnly")) == NO_ACCESS
        )

    def test_an_account_taken_away_is_listed_no_more(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("unassign", user=ALICE, account_id=DEVELOPMENT)

        assert DEVELOPMENT not in {each["accountId"] for each in accounts(simulator, alice)["accountList"]}
        assert refused(lambda: roles(simulator, alice, DEVELOPMENT)) == NO_ACCESS

    def test_a_new_one_shows_at_once(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("assign", user=ALICE, account_id=NAMELESS, role_name="ReadOnly")

        assert role_credentials(simulator.url, alice.access_token, NAMELESS, "ReadOnly")["accessKeyId"]

    def test_snapshots_show_changes_in_new_sessions_only(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("settings", assignments="snapshot")
        simulator.post("assign", user=ALICE, account_id=NAMELESS, role_name="ReadOnly")
        before = refused(lambda: role_credentials(simulator.url, alice.access_token, NAMELESS, "ReadOnly"))

        simulator.end_sessions(ALICE)
        again = sign_in(simulator)

        assert before == NO_ACCESS
        assert role_credentials(simulator.url, again.access_token, NAMELESS, "ReadOnly")["accessKeyId"]


class TestTokensEnd:
    @pytest.mark.parametrize("operation", ["/assignment/accounts", "/assignment/roles", "/federation/credentials"])
    @pytest.mark.parametrize("headers", [{}, {"x-amz-sso_bearer_token": "unknown"}])
    def test_missing_and_unknown_ones_meet_the_real_body(
        self, simulator: SimulatorProcess, operation: str, headers: dict[str, str]
    ) -> None:
        with pytest.raises(urllib.error.HTTPError) as caught:
            open_url(urllib.request.Request(simulator.url + operation, headers=headers))

        with caught.value as response:
            assert response.read() == (
                b'{"message":"Session token not found or invalid",'
                b'"__type":"com.amazonaws.switchboard.portal#UnauthorizedException"}'
            )
            assert response.code == 401
            assert "x-amzn-RequestId" not in response.headers

    def test_an_expired_one_is_refused(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("clock", advance=3601)

        assert refused(lambda: accounts(simulator, alice)) == GONE

    def test_logout_ends_every_token_of_its_session(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        beside = sign_in(simulator)

        client("sso", simulator.url).logout(accessToken=alice.access_token)

        assert refused(lambda: accounts(simulator, alice)) == GONE
        assert refused(lambda: accounts(simulator, beside)) == GONE
        assert refused(lambda: client("sso", simulator.url).logout(accessToken=alice.access_token)) == GONE

    def test_role_credentials_outlive_a_logout(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        found = role_credentials(simulator.url, alice.access_token, DEVELOPMENT, "ReadOnly")
        client("sso", simulator.url).logout(accessToken=alice.access_token)

        assert sts(simulator.url, found).get_caller_identity()["Account"] == DEVELOPMENT

    def test_immediate_revocation_ends_them_at_once(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.end_sessions(ALICE)

        assert refused(lambda: accounts(simulator, alice)) == GONE

    def test_delayed_revocation_lets_them_live_to_their_own_end(
        self, simulator: SimulatorProcess, alice: SignedIn
    ) -> None:
        simulator.post("settings", revocation="delayed")
        simulator.end_sessions(ALICE)

        assert accounts(simulator, alice)["accountList"]
        simulator.post("clock", advance=3601)
        assert refused(lambda: accounts(simulator, alice)) == GONE

    def test_ending_one_users_sessions_leaves_others_alone(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.end_sessions(BOB)

        assert accounts(simulator, alice)["accountList"]


class TestThrottle:
    def test_answers_429_above_the_bucket_and_recovers(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("settings", calls_per_second=1)
        simulator.post("clock", advance=1)
        accounts(simulator, alice)

        found = refused(lambda: accounts(simulator, alice))
        simulator.post("clock", advance=1)

        assert found == ("TooManyRequestsException", 429, "HTTP 429 Unknown Code")
        assert accounts(simulator, alice)["accountList"]

    def test_its_answer_alone_of_all_errors_has_a_request_id(
        self, simulator: SimulatorProcess, alice: SignedIn
    ) -> None:
        simulator.add_fault("ListAccounts", "error", code="TooManyRequestsException", message="HTTP 429 Unknown Code")

        with pytest.raises(ClientError) as caught:
            accounts(simulator, alice)

        assert caught.value.response["ResponseMetadata"]["RequestId"]

    def test_can_be_switched_off(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("settings", calls_per_second=0)

        assert [len(accounts(simulator, alice)["accountList"]) for _ in range(50)] == [3] * 50


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "InvalidRequestException"])
def test_modelled_errors_that_nothing_causes_here_can_be_ordered(
    simulator: SimulatorProcess, alice: SignedIn, code: str
) -> None:
    simulator.add_fault("GetRoleCredentials", "error", code=code, message="ordered")

    found = refused(lambda: role_credentials(simulator.url, alice.access_token, DEVELOPMENT, "ReadOnly"))

    assert (found[0], found[2]) == (code, "ordered")


def test_the_journal_knows_who_asked_for_what(simulator: SimulatorProcess, alice: SignedIn) -> None:
    role_credentials(simulator.url, alice.access_token, DEVELOPMENT, "ReadOnly")

    (call,) = simulator.journal("GetRoleCredentials")

    assert (call["user"], call["account_id"], call["role_name"]) == (ALICE, DEVELOPMENT, "ReadOnly")
    assert (call["status"], call["attempt"], call["concurrent"], call["error"]) == (200, 1, 1, None)
    assert "Boto3" in call["user_agent"]
    assert alice.access_token not in json.dumps(call)
