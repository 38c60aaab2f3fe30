"""STS and the console's federation endpoint: credentials work when, and only when, the simulator issued them."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from support.aws_clients import SignedIn, role_credentials, sign_in, sts
from support.simulator import BOB, DEVELOPMENT, PRODUCTION, open_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.simulator import SimulatorProcess

DEPLOYER = "arn:aws:iam::222222222222:role/Deployer"


@pytest.fixture
def admin(simulator: SimulatorProcess, alice: SignedIn) -> dict[str, Any]:
    return role_credentials(simulator.url, alice.access_token, DEVELOPMENT, "AdministratorAccess")


def refused(call: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"])


class TestGetCallerIdentity:
    def test_names_the_role_and_the_person(self, simulator: SimulatorProcess, admin: dict[str, Any]) -> None:
        found = sts(simulator.url, admin).get_caller_identity()

        assert found["Account"] == DEVELOPMENT
        role, _, person = found["Arn"].removeprefix(f"arn:aws:sts::{DEVELOPMENT}:assumed-role/").partition("/")
        assert role.startswith("AWSReservedSSO_AdministratorAccess_")
        assert len(role.rpartition("_")[2]) == 16
        assert person == "alice"
        assert found["UserId"].startswith("AROA")
        assert found["UserId"].endswith(":alice")

    def test_two_users_of_one_role_differ_in_the_last_word_alone(
        self, simulator: SimulatorProcess, admin: dict[str, Any]
    ) -> None:
        simulator.post("assign", user=BOB, account_id=DEVELOPMENT, role_name="AdministratorAccess")
        bobs = role_credentials(simulator.url, sign_in(simulator, BOB).access_token, DEVELOPMENT, "AdministratorAccess")

        arns = [sts(simulator.url, each).get_caller_identity()["Arn"] for each in (admin, bobs)]

        assert arns[0].removesuffix("alice") == arns[1].removesuffix("bob")

    @pytest.mark.parametrize(
        ("word", "code"),
        [
            ("secretAccessKey", "SignatureDoesNotMatch"),
            ("sessionToken", "InvalidClientTokenId"),
            ("accessKeyId", "InvalidClientTokenId"),
        ],
    )
    def test_a_wrong_word_is_refused(
        self, simulator: SimulatorProcess, admin: dict[str, Any], word: str, code: str
    ) -> None:
        assert refused(sts(simulator.url, admin, **{word: "wrong"}).get_caller_identity) == (code, 403)

    def test_another_roles_token_is_refused(
        self, simulator: SimulatorProcess, alice: SignedIn, admin: dict[str, Any]
    ) -> None:
        other = role_credentials(simulator.url, alice.access_token, DEVELOPMENT, "ReadOnly")

        found = refused(sts(simulator.url, admin, sessionToken=other["sessionToken"]).get_caller_identity)

        assert found == ("InvalidClientTokenId", 403)

    def test_expired_credentials_are_refused_and_not_a_second_sooner(
        self, simulator: SimulatorProcess, alice: SignedIn
    ) -> None:
        short = sts(simulator.url, role_credentials(simulator.url, alice.access_token, DEVELOPMENT, "ShortLived"))

        simulator.post("clock", advance=15)
        before = short.get_caller_identity()["Account"]
        simulator.post("clock", advance=5)

        assert before == DEVELOPMENT
        assert refused(short.get_caller_identity) == ("ExpiredToken", 403)

    def test_a_request_that_was_changed_after_it_was_signed_is_refused(
        self, simulator: SimulatorProcess, admin: dict[str, Any]
    ) -> None:
        changed = sts(simulator.url, admin)
        changed.meta.events.register(
            "before-send.sts.*",
            lambda request, **_: setattr(request, "body", request.body.replace("2011-06-15", "2011-06-16")),
        )

        assert refused(changed.get_caller_identity) == ("SignatureDoesNotMatch", 403)

    @pytest.mark.parametrize(
        ("authorization", "code"),
        [
            ({}, "MissingAuthenticationToken"),
            ({"Authorization": "AWS4-HMAC-SHA256 nonsense"}, "IncompleteSignature"),
            ({"Authorization": "Bearer x"}, "IncompleteSignature"),
        ],
    )
    def test_unsigned_and_malformed_requests_are_refused_as_sts_does(
        self, simulator: SimulatorProcess, authorization: dict[str, str], code: str
    ) -> None:
        with pytest.raises(urllib.error.HTTPError) as caught:
            open_url(
                urllib.request.Request(simulator.url, b"Action=GetCallerIdentity&Version=2011-06-15", authorization)
            )

        with caught.value as response:
            document = response.read().decode()
        assert f"<Code>{code}</Code>" in document
        assert document.startswith('<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">')

    def test_an_old_signature_is_refused_unless_that_is_switched_off(
        self, simulator: SimulatorProcess, admin: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        then = datetime(2020, 1, 1, tzinfo=UTC)
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: then)
        caller = sts(simulator.url, admin)

        assert refused(caller.get_caller_identity) == ("SignatureDoesNotMatch", 403)
        simulator.post("settings", signature_lifetime=0)
        assert caller.get_caller_identity()["Account"] == DEVELOPMENT

    def test_whoever_signs_by_the_machines_time_is_let_in_though_the_clock_was_moved(
        self, simulator: SimulatorProcess, alice: SignedIn
    ) -> None:
        simulator.post("clock", advance="-2h")
        reader = sts(simulator.url, role_credentials(simulator.url, alice.access_token, DEVELOPMENT, "ReadOnly"))

        assert reader.get_caller_identity()["Account"] == DEVELOPMENT

    def test_the_connection_lasts_and_the_answer_says_so(
        self, simulator: SimulatorProcess, admin: dict[str, Any]
    ) -> None:
        found = sts(simulator.url, admin).get_caller_identity()["ResponseMetadata"]

        assert found["HTTPHeaders"]["connection"] == "keep-alive"

    def test_other_operations_are_unknown(self, simulator: SimulatorProcess, admin: dict[str, Any]) -> None:
        assert refused(sts(simulator.url, admin).get_session_token) == ("InvalidAction", 400)


class TestAssumeRole:
    def test_gives_working_credentials_of_the_other_role(
        self, simulator: SimulatorProcess, admin: dict[str, Any]
    ) -> None:
        found = sts(simulator.url, admin).assume_role(RoleArn=DEPLOYER, RoleSessionName="ci")["Credentials"]

        words = {
            "accessKeyId": found["AccessKeyId"],
            "secretAccessKey": found["SecretAccessKey"],
            "sessionToken": found["SessionToken"],
        }
        assert sts(simulator.url, words).get_caller_identity()["Arn"] == (
            "arn:aws:sts::222222222222:assumed-role/Deployer/ci"
        )

    def test_is_denied_to_those_whom_the_role_does_not_trust(
        self, simulator: SimulatorProcess, alice: SignedIn
    ) -> None:
        reader = sts(simulator.url, role_credentials(simulator.url, alice.access_token, PRODUCTION, "ReadOnly"))

        found = refused(lambda: reader.assume_role(RoleArn=DEPLOYER, RoleSessionName="ci"))

        assert found == ("AccessDenied", 403)

    @pytest.mark.parametrize("name", ["RoleArn", "RoleSessionName"])
    def test_says_what_is_missing(self, simulator: SimulatorProcess, admin: dict[str, Any], name: str) -> None:
        lacking = sts(simulator.url, admin)
        lacking.meta.events.register(
            "before-call.sts.AssumeRole", lambda params, **_: params["body"].update({name: ""})
        )

        found = refused(lambda: lacking.assume_role(RoleArn=DEPLOYER, RoleSessionName="ci"))

        assert found == ("ValidationError", 400)

    def test_of_a_role_that_there_is_not_is_denied(self, simulator: SimulatorProcess, admin: dict[str, Any]) -> None:
        arn = "arn:aws:iam::222222222222:role/Nobody"

        found = refused(lambda: sts(simulator.url, admin).assume_role(RoleArn=arn, RoleSessionName="ci"))

        assert found == ("AccessDenied", 403)

    def test_keeps_the_limit_of_role_chaining(self, simulator: SimulatorProcess, admin: dict[str, Any]) -> None:
        found = refused(
            lambda: sts(simulator.url, admin).assume_role(RoleArn=DEPLOYER, RoleSessionName="ci", DurationSeconds=3601)
        )

        assert found == ("ValidationError", 400)


class TestConsole:
    def federation(self, simulator: SimulatorProcess, **parameters: str) -> str:
        with open_url(f"{simulator.url}/federation?{urllib.parse.urlencode(parameters)}") as response:
            text: str = response.read().decode()
        return text

    def signin_token(self, simulator: SimulatorProcess, credentials: dict[str, Any], **parameters: str) -> str:
        session = {
            "sessionId": credentials["accessKeyId"],
            "sessionKey": credentials["secretAccessKey"],
            "sessionToken": credentials["sessionToken"],
        }
        found = self.federation(simulator, Action="getSigninToken", Session=json.dumps(session), **parameters)
        token: str = json.loads(found)["SigninToken"]
        return token

    def test_turns_credentials_into_a_link(self, simulator: SimulatorProcess, admin: dict[str, Any]) -> None:
        token = self.signin_token(simulator, admin, SessionDuration="3600")

        page = self.federation(
            simulator, Action="login", SigninToken=token, Destination="https://console.aws.amazon.com/s3"
        )

        assert "AWSReservedSSO_AdministratorAccess" in page
        assert "https://console.aws.amazon.com/s3" in page

    def test_the_link_is_good_for_fifteen_minutes(self, simulator: SimulatorProcess, admin: dict[str, Any]) -> None:
        token = self.signin_token(simulator, admin)
        simulator.post("clock", advance="15m")

        with pytest.raises(urllib.error.HTTPError) as caught:
            self.federation(simulator, Action="login", SigninToken=token, Destination="https://x")
        with caught.value as response:
            assert response.code == 400

    def test_a_link_leads_somewhere(self, simulator: SimulatorProcess, admin: dict[str, Any]) -> None:
        token = self.signin_token(simulator, admin)

        with pytest.raises(urllib.error.HTTPError) as caught:
            self.federation(simulator, Action="login", SigninToken=token)
        with caught.value as response:
            assert response.code == 400

    @pytest.mark.parametrize("change", [{"secretAccessKey": "wrong"}, {"sessionToken": "wrong"}])
    def test_wrong_credentials_are_refused(
        self, simulator: SimulatorProcess, admin: dict[str, Any], change: dict[str, str]
    ) -> None:
        with pytest.raises(urllib.error.HTTPError) as caught:
            self.signin_token(simulator, {**admin, **change})
        with caught.value as response:
            assert response.code == 400

    @pytest.mark.parametrize(
        "parameters",
        [
            {"Action": "getSigninToken", "Session": "not JSON"},
            {"Action": "getSigninToken", "Session": "[]"},
            {"Action": "dance"},
            {},
        ],
    )
    def test_nonsense_is_refused(self, simulator: SimulatorProcess, parameters: dict[str, str]) -> None:
        with pytest.raises(urllib.error.HTTPError) as caught:
            self.federation(simulator, **parameters)
        with caught.value as response:
            assert response.code == 400

    @pytest.mark.parametrize("duration", ["899", "43201", "soon"])
    def test_session_durations_have_limits(
        self, simulator: SimulatorProcess, admin: dict[str, Any], duration: str
    ) -> None:
        with pytest.raises(urllib.error.HTTPError) as caught:
            self.signin_token(simulator, admin, SessionDuration=duration)
        with caught.value as response:
            assert response.code == 400
