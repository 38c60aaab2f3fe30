"""SSO OIDC as boto3's ``sso-oidc`` client sees it: every operation, and every error that its model has."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from support.aws_clients import DEVICE_CODE, REDIRECT_URI, SCOPES, SignedIn, client, register, sign_in
from support.simulator import ALICE, START_URL, open_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.simulator import SimulatorProcess

PKCE = {
    "grantTypes": ["authorization_code", "refresh_token"],
    "redirectUris": [REDIRECT_URI],
    "issuerUrl": START_URL,
}


def refused(call: Callable[[], Any]) -> tuple[str, int, str]:
    """The exception's name, the status, and the description in the body."""
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return (
        response["Error"]["Code"],
        response["ResponseMetadata"]["HTTPStatusCode"],
        str(response.get("error_description")),
    )


def device_code(simulator: SimulatorProcess, registration: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = client("sso-oidc", simulator.url).start_device_authorization(
        **registration, startUrl=START_URL
    )
    return found


def redeem(simulator: SimulatorProcess, registration: dict[str, str], code: str) -> Any:
    return client("sso-oidc", simulator.url).create_token(**registration, grantType=DEVICE_CODE, deviceCode=code)


def refresh(simulator: SimulatorProcess, one: SignedIn, token: str | None) -> Any:
    return client("sso-oidc", simulator.url).create_token(**one.client, grantType="refresh_token", refreshToken=token)


class TestRegisterClient:
    def test_registers_for_ninety_days_in_whole_seconds(self, simulator: SimulatorProcess) -> None:
        found = client("sso-oidc", simulator.url).register_client(clientName="a", clientType="public")

        assert found["clientSecretExpiresAt"] - found["clientIdIssuedAt"] == 90 * 86400
        assert abs(found["clientIdIssuedAt"] - time.time()) < 60

    def test_client_id_ends_in_the_region_and_the_secret_is_long(self, simulator: SimulatorProcess) -> None:
        found = register(simulator.url)

        padded = found["clientId"] + "=" * (-len(found["clientId"]) % 4)
        assert base64.urlsafe_b64decode(padded).endswith(b"us-east-1")
        assert 800 < len(found["clientSecret"]) < 1800

    @pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", "text/plain"])
    def test_looks_at_neither_the_content_type_nor_unknown_members(
        self, simulator: SimulatorProcess, content_type: str
    ) -> None:
        body = json.dumps({"clientName": "a", "clientType": "public", "colour": "blue", "scopes": None}).encode()
        request = urllib.request.Request(f"{simulator.url}/client/register", body, {"Content-Type": content_type})

        with open_url(request) as response:
            assert response.headers["Content-Type"] == "application/json"
            assert response.headers["x-amzn-RequestId"]
            assert json.load(response)["authorizationEndpoint"] is None

    @pytest.mark.parametrize("body", [b"", b"[]", b"not JSON", b"{"])
    def test_refuses_a_body_that_is_no_json_object(self, simulator: SimulatorProcess, body: bytes) -> None:
        with pytest.raises(urllib.error.HTTPError) as caught:
            open_url(f"{simulator.url}/client/register", body)

        with caught.value as response:
            assert json.load(response)["error"] == "invalid_request"

    def test_leaves_absent_members_out_where_so_set(self, simulator: SimulatorProcess) -> None:
        simulator.post("settings", absent_members="omitted")
        body = json.dumps({"clientName": "a", "clientType": "public"}).encode()

        with open_url(f"{simulator.url}/client/register", body) as response:
            assert "authorizationEndpoint" not in json.load(response)

    def test_names_its_endpoints_where_so_set(self, simulator: SimulatorProcess) -> None:
        simulator.post("settings", advertise_endpoints=True)

        found = client("sso-oidc", simulator.url).register_client(clientName="a", clientType="public")

        assert found["authorizationEndpoint"] == f"{simulator.url}/authorize"
        assert found["tokenEndpoint"] == f"{simulator.url}/token"

    @pytest.mark.parametrize(
        ("members", "code", "description"),
        [
            ({"clientType": "confidential"}, "InvalidClientMetadataException", "Invalid client metadata provided"),
            ({"clientName": ""}, "InvalidRequestException", "Invalid request"),
            ({"grantTypes": ["password"]}, "UnsupportedGrantTypeException", "Unsupported grant type"),
            ({**PKCE, "grantTypes": ["authorization_code", DEVICE_CODE]}, "InvalidScopeException", ""),
            ({**PKCE, "redirectUris": ["https://example.com/"]}, "InvalidRedirectUriException", None),
            ({**PKCE, "redirectUris": ["http://127.0.0.1/other"]}, "InvalidRedirectUriException", None),
            ({**PKCE, "redirectUris": []}, "InvalidRequestException", None),
            ({**PKCE, "issuerUrl": "https://d-0000000000.awsapps.com/start"}, "InvalidRequestException", ""),
            ({"scopes": [f"scope:{i}" for i in range(26)]}, "InvalidScopeException", "Invalid scope provided"),
        ],
    )
    def test_refuses_what_the_real_one_refuses(
        self, simulator: SimulatorProcess, members: dict[str, Any], code: str, description: str | None
    ) -> None:
        found = refused(lambda: register(simulator.url, **members))

        assert found[:2] == (code, 400)
        assert description is None or found[2] == description

    def test_mixed_grants_can_be_an_internal_error_as_they_once_were(self, simulator: SimulatorProcess) -> None:
        simulator.post("settings", mixed_grants="server-error")
        members = {**PKCE, "grantTypes": ["authorization_code", DEVICE_CODE]}

        assert refused(lambda: register(simulator.url, **members))[:2] == ("InternalServerException", 500)

    def test_relaxed_redirects_take_any_path(self, simulator: SimulatorProcess) -> None:
        simulator.post("settings", redirect_uris="relaxed")

        assert register(simulator.url, **{**PKCE, "redirectUris": ["http://127.0.0.1"]})["clientId"]


class TestStartDeviceAuthorization:
    def test_gives_codes_of_the_real_shape(self, simulator: SimulatorProcess) -> None:
        found = device_code(simulator, register(simulator.url))

        assert (found["expiresIn"], found["interval"], len(found["deviceCode"])) == (600, 1, 86)
        assert [len(part) for part in found["userCode"].split("-")] == [4, 4]
        assert found["verificationUri"] == f"{simulator.url}/device"
        assert found["verificationUriComplete"] == f"{simulator.url}/device?user_code={found['userCode']}"

    @pytest.mark.parametrize("ending", ["", "/", "#", "/#/"])
    def test_knows_its_start_url_however_it_was_pasted(self, simulator: SimulatorProcess, ending: str) -> None:
        oidc = client("sso-oidc", simulator.url)

        assert oidc.start_device_authorization(**register(simulator.url), startUrl=START_URL + ending)["userCode"]

    @pytest.mark.parametrize("url", ["https://other.awsapps.com/start", "http://["])
    def test_refuses_an_unknown_start_url_without_a_word(self, simulator: SimulatorProcess, url: str) -> None:
        oidc, registration = client("sso-oidc", simulator.url), register(simulator.url)

        found = refused(lambda: oidc.start_device_authorization(**registration, startUrl=url))

        assert found == ("InvalidRequestException", 400, "")

    def test_refuses_unknown_wrong_and_expired_clients_alike(self, simulator: SimulatorProcess) -> None:
        registration = register(simulator.url)
        unknown = {**registration, "clientId": "nobody"}
        wrong = {**registration, "clientSecret": "guessed"}

        answers = {refused(partial(device_code, simulator, words)) for words in (unknown, wrong)}
        simulator.post("clock", advance="90d")
        answers.add(refused(lambda: device_code(simulator, registration)))

        assert answers == {("InvalidClientException", 401, "Invalid client provided")}

    def test_refuses_a_client_of_the_other_flow(self, simulator: SimulatorProcess) -> None:
        registration = register(simulator.url, **PKCE)

        assert refused(lambda: device_code(simulator, registration))[:2] == ("UnauthorizedClientException", 400)


class TestDeviceCode:
    def test_pending_has_the_body_and_headers_of_the_real_capture(self, simulator: SimulatorProcess) -> None:
        registration = register(simulator.url)
        code = device_code(simulator, registration)["deviceCode"]
        body = json.dumps({**registration, "grantType": DEVICE_CODE, "deviceCode": code}).encode()

        with pytest.raises(urllib.error.HTTPError) as caught:
            open_url(f"{simulator.url}/token", body)

        with caught.value as response:
            answered = response.read()
        assert answered == b'{"error":"authorization_pending","error_description":"Authorization is still pending"}'
        assert response.headers["Content-Length"] == "86"
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["x-amzn-ErrorType"] == (
            "AuthorizationPendingException:http://internal.amazon.com/coral/com.amazonaws.sso.oidc/"
        )

    def test_approved_yields_tokens_once(self, simulator: SimulatorProcess) -> None:
        registration = register(simulator.url)
        device = device_code(simulator, registration)
        simulator.approve(device["verificationUriComplete"])

        tokens = redeem(simulator, registration, device["deviceCode"])
        again = refused(lambda: redeem(simulator, registration, device["deviceCode"]))

        assert tokens["tokenType"] == "Bearer"
        assert again == ("InvalidGrantException", 400, "Invalid grant provided")

    def test_denied(self, simulator: SimulatorProcess) -> None:
        registration = register(simulator.url)
        device = device_code(simulator, registration)
        simulator.deny(device["verificationUriComplete"])

        found = refused(lambda: redeem(simulator, registration, device["deviceCode"]))

        assert found[:2] == ("AccessDeniedException", 400)

    def test_expired_after_ten_minutes_and_not_before(self, simulator: SimulatorProcess) -> None:
        registration = register(simulator.url)
        device = device_code(simulator, registration)

        simulator.post("clock", advance=590)
        before = refused(lambda: redeem(simulator, registration, device["deviceCode"]))
        simulator.post("clock", advance=11)
        after = refused(lambda: redeem(simulator, registration, device["deviceCode"]))

        assert (before[0], after[0]) == ("AuthorizationPendingException", "ExpiredTokenException")

    def test_slow_down_spares_the_aws_clis_double_poll(self, simulator: SimulatorProcess) -> None:
        simulator.post("settings", slow_down=True, poll_interval=3600)
        registration = register(simulator.url)
        device = device_code(simulator, registration)

        answers = [refused(lambda: redeem(simulator, registration, device["deviceCode"]))[0] for _ in range(3)]

        assert answers == ["AuthorizationPendingException", "AuthorizationPendingException", "SlowDownException"]

    def test_belongs_to_the_client_that_asked_for_it(self, simulator: SimulatorProcess) -> None:
        device = device_code(simulator, register(simulator.url))
        simulator.approve(device["verificationUriComplete"])

        other = register(simulator.url)

        assert refused(lambda: redeem(simulator, other, device["deviceCode"]))[0] == "InvalidGrantException"


class TestTokens:
    def test_with_scopes_they_live_an_hour_and_can_be_refreshed(self, alice: SignedIn) -> None:
        assert alice.expires_in == 3600
        assert alice.access_token.startswith("aoaAAAAA")
        assert alice.refresh_token is not None
        assert alice.refresh_token.startswith("aorAAAAA")

    def test_without_scopes_they_live_eight_hours_and_cannot(self, simulator: SimulatorProcess) -> None:
        legacy = sign_in(simulator, scopes=[])

        assert (legacy.expires_in, legacy.refresh_token) == (28800, None)

    def test_without_the_refresh_grant_they_cannot_be_refreshed(self, simulator: SimulatorProcess) -> None:
        assert sign_in(simulator, scopes=list(SCOPES), grantTypes=[DEVICE_CODE]).refresh_token is None

    def test_unknown_grants_and_missing_members_are_refused(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        oidc = client("sso-oidc", simulator.url)

        unsupported = refused(lambda: oidc.create_token(**alice.client, grantType="password"))
        missing = refused(lambda: oidc.create_token(**alice.client, grantType="refresh_token"))

        assert unsupported[:2] == ("UnsupportedGrantTypeException", 400)
        assert missing[:2] == ("InvalidRequestException", 400)

    @pytest.mark.parametrize("code", ["InternalServerException", "SlowDownException", "InvalidScopeException"])
    def test_errors_that_nothing_causes_here_can_be_ordered(
        self, simulator: SimulatorProcess, alice: SignedIn, code: str
    ) -> None:
        simulator.add_fault("CreateToken", "error", code=code, times=1)

        assert refused(lambda: refresh(simulator, alice, alice.refresh_token))[0] == code


class TestRefresh:
    def test_rotates_with_a_grace_for_the_old_one(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        first = refresh(simulator, alice, alice.refresh_token)
        within_grace = refresh(simulator, alice, alice.refresh_token)
        simulator.post("clock", advance=61)
        past_grace = refused(lambda: refresh(simulator, alice, alice.refresh_token))
        newest = refresh(simulator, alice, first["refreshToken"])

        tokens = {alice.refresh_token, *(each["refreshToken"] for each in (first, within_grace, newest))}
        assert len(tokens) == 4
        assert past_grace == ("InvalidGrantException", 400, "Invalid refresh token provided")

    def test_single_use_refuses_the_old_one_at_once(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("settings", refresh_tokens="single-use")

        first = refresh(simulator, alice, alice.refresh_token)

        assert refused(lambda: refresh(simulator, alice, alice.refresh_token))[0] == "InvalidGrantException"
        assert refresh(simulator, alice, first["refreshToken"])["accessToken"]

    def test_none_gives_the_same_one_back(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("settings", refresh_tokens="none")

        assert refresh(simulator, alice, alice.refresh_token)["refreshToken"] == alice.refresh_token

    def test_omitted_gives_none_back_and_the_old_one_stays_good(
        self, simulator: SimulatorProcess, alice: SignedIn
    ) -> None:
        simulator.post("settings", refresh_tokens="omitted")

        answers = [refresh(simulator, alice, alice.refresh_token) for _ in range(2)]

        assert not any("refreshToken" in answer for answer in answers)

    def test_kill_family_ends_every_token_of_the_sign_in(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("settings", refresh_tokens="kill-family")
        first = refresh(simulator, alice, alice.refresh_token)
        assert refused(lambda: refresh(simulator, alice, alice.refresh_token))[0] == "InvalidGrantException"

        assert refused(lambda: refresh(simulator, alice, first["refreshToken"]))[0] == "InvalidGrantException"
        portal = client("sso", simulator.url)
        assert refused(lambda: portal.list_accounts(accessToken=first["accessToken"]))[1] == 401

    def test_does_not_move_the_end_of_the_session(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("clock", advance="7h")
        tokens = refresh(simulator, alice, alice.refresh_token)
        simulator.post("clock", advance="1h")

        found = refused(lambda: refresh(simulator, alice, tokens["refreshToken"]))

        assert found == ("InvalidGrantException", 400, "Invalid refresh token provided")

    @pytest.mark.usefixtures("alice")
    def test_signing_in_again_does_not_move_it_either(self, simulator: SimulatorProcess) -> None:
        simulator.post("clock", advance="7h")
        again = sign_in(simulator)
        simulator.post("clock", advance="1h")

        assert refused(lambda: refresh(simulator, again, again.refresh_token))[0] == "InvalidGrantException"

    def test_after_logout_a_sign_in_begins_a_new_session(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("clock", advance="7h")
        client("sso", simulator.url).logout(accessToken=refresh(simulator, alice, alice.refresh_token)["accessToken"])
        again = sign_in(simulator)
        simulator.post("clock", advance="1h")

        assert refresh(simulator, again, again.refresh_token)["accessToken"]

    def test_an_identity_providers_own_end_counts_where_it_is_sooner(self, simulator: SimulatorProcess) -> None:
        simulator.post("settings", identity_provider_cap="30m")
        capped = sign_in(simulator)
        simulator.post("clock", advance="31m")

        assert refused(lambda: refresh(simulator, capped, capped.refresh_token))[0] == "InvalidGrantException"

    def test_ends_when_an_administrator_ends_the_session(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.end_sessions(ALICE)

        assert refused(lambda: refresh(simulator, alice, alice.refresh_token))[0] == "InvalidGrantException"

    def test_ends_when_the_user_is_disabled(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("users/disable", user=ALICE)

        assert refused(lambda: refresh(simulator, alice, alice.refresh_token))[0] == "InvalidGrantException"

    def test_a_forgotten_registration_is_an_invalid_client(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        simulator.post("registrations/forget")

        found = refused(lambda: refresh(simulator, alice, alice.refresh_token))

        assert found == ("InvalidClientException", 401, "Invalid client provided")

    def test_is_seen_in_the_journal_with_every_reuse(self, simulator: SimulatorProcess, alice: SignedIn) -> None:
        for _ in range(2):
            refresh(simulator, alice, alice.refresh_token)

        first, second = simulator.journal("CreateToken", grant="refresh_token")

        assert first["token"] == second["token"] != alice.refresh_token
        assert (first["token_uses"], second["token_uses"], first["user"]) == (1, 2, ALICE)
        summary = simulator.get("journal/summary")
        assert summary["refresh_tokens_reused"] == [first["token"]]
        assert [each["count"] for each in summary["refreshes_per_session_and_hour"]] == [2]
