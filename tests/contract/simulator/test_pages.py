"""What a person's browser meets: the device page, ``/authorize`` with PKCE, the consent form, and the way back."""

from __future__ import annotations

import base64
import hashlib
import secrets
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from support.aws_clients import REDIRECT_URI, client, register
from support.person import press
from support.simulator import ALICE, BOB, START_URL, open_url

if TYPE_CHECKING:
    from support.simulator import SimulatorProcess

CALLBACK = "http://127.0.0.1:49152/oauth/callback"  # nobody listens: where the browser is sent is read, not followed


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Pkce:
    """A client in the middle of a sign-in by authorization code, as the AWS CLI does it."""

    def __init__(self, simulator: SimulatorProcess) -> None:
        self.simulator = simulator
        self.verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(self.verifier.encode()).digest()
        self.challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        self.registration = register(
            simulator.url,
            grantTypes=["authorization_code", "refresh_token"],
            redirectUris=[REDIRECT_URI],
            issuerUrl=START_URL,
        )

    def url(self, **instead: str | None) -> str:
        words = {
            "response_type": "code",
            "client_id": self.registration["clientId"],
            "redirect_uri": CALLBACK,
            "state": "the-state",
            "code_challenge_method": "S256",
            "scopes": "sso:account:access",
            "code_challenge": self.challenge,
            **instead,
        }
        query = urllib.parse.urlencode({name: word for name, word in words.items() if word is not None})
        return f"{self.simulator.url}/authorize?{query}"

    def decide(self, caption: str = "Allow", user: str = ALICE) -> dict[str, str]:
        """Where the browser is sent, as its query."""
        words = {"url": self.url(), "user": user, "decision": caption}
        return query_of(self.simulator.post("sign-in", **words)["redirect"])

    def redeem(self, code: str, **instead: str) -> Any:
        words = {"code": code, "redirectUri": CALLBACK, "codeVerifier": self.verifier, **instead}
        oidc = client("sso-oidc", self.simulator.url)
        return oidc.create_token(**self.registration, grantType="authorization_code", **words)

    def refused(self, code: str, **instead: str) -> str:
        with pytest.raises(ClientError) as caught:
            self.redeem(code, **instead)
        error: str = caught.value.response["Error"]["Code"]
        return error


@pytest.fixture
def pkce(simulator: SimulatorProcess) -> Pkce:
    return Pkce(simulator)


def query_of(url: str) -> dict[str, str]:
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


def answer(url: str, data: bytes | None = None) -> tuple[int, str, str]:
    """Status, Location and text of a page, redirects not followed."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect())
    try:
        with opener.open(url, data) as response:
            return response.status, "", response.read().decode()
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code, problem.headers.get("Location", ""), problem.read().decode()


class TestAuthorize:
    def test_allowing_leads_back_with_a_code_that_yields_tokens(self, pkce: Pkce) -> None:
        back = pkce.decide()

        tokens = pkce.redeem(back["code"])

        assert back["state"] == "the-state"
        assert (tokens["expiresIn"], tokens["refreshToken"][:8]) == (3600, "aorAAAAA")

    def test_a_script_can_press_the_forms_button(self, pkce: Pkce) -> None:
        _, _, page = answer(pkce.url())
        ticket = page.partition('name="ticket" value="')[2].partition('"')[0]
        form = urllib.parse.urlencode({"ticket": ticket, "user": ALICE, "decision": "Allow"}).encode()

        status, location, _ = answer(f"{pkce.simulator.url}/sign-in", form)

        assert (status, location.partition("?")[0]) == (302, CALLBACK)
        assert pkce.redeem(query_of(location)["code"])["accessToken"]

    def test_a_form_is_good_once_and_cannot_be_made_up(self, pkce: Pkce) -> None:
        _, _, page = answer(pkce.url())
        ticket = page.partition('name="ticket" value="')[2].partition('"')[0]
        target = f"{pkce.simulator.url}/sign-in"

        def send(word: str) -> int:
            return answer(target, urllib.parse.urlencode({"ticket": word, "user": ALICE, "decision": "Deny"}).encode())[
                0
            ]

        assert [send("made-up"), send(ticket), send(ticket)] == [400, 302, 400]

    @pytest.mark.parametrize("decision", ["Allow", "Deny"])
    def test_a_form_decides_nothing_once_its_client_is_gone(self, pkce: Pkce, decision: str) -> None:
        _, _, page = answer(pkce.url())
        ticket = page.partition('name="ticket" value="')[2].partition('"')[0]
        pkce.simulator.post("registrations/forget")
        form = urllib.parse.urlencode({"ticket": ticket, "user": ALICE, "decision": decision}).encode()

        status, location, page = answer(f"{pkce.simulator.url}/sign-in", form)

        assert (status, location) == (400, "")
        assert "invalid_client" in page
        assert pkce.simulator.get("sessions") == []

    def test_denying_leads_back_with_an_error(self, pkce: Pkce) -> None:
        assert pkce.decide("Deny") == {"error": "access_denied", "state": "the-state"}

    def test_a_warm_session_redirects_at_once(self, pkce: Pkce) -> None:
        pkce.simulator.post("settings", warm_user=BOB)

        status, location, _ = answer(pkce.url())

        assert status == 302
        assert pkce.redeem(query_of(location)["code"])["accessToken"]
        assert pkce.simulator.get("sessions")[0]["user"] == BOB

    @pytest.mark.parametrize("how", ["Logout", "revocation"])
    def test_a_session_that_was_ended_leaves_the_browser_cold_until_somebody_allows(self, pkce: Pkce, how: str) -> None:
        pkce.simulator.post("settings", warm_user=BOB)
        token = pkce.redeem(query_of(answer(pkce.url())[1])["code"])["accessToken"]
        if how == "Logout":
            client("sso", pkce.simulator.url).logout(accessToken=token)
        else:
            pkce.simulator.end_sessions(BOB)

        cold = [answer(pkce.url())[0], answer(pkce.url())[0]]
        pkce.decide(user=ALICE)

        assert cold == [200, 200]
        assert pkce.redeem(query_of(answer(pkce.url())[1])["code"])["accessToken"]
        alive = [session["user"] for session in pkce.simulator.get("sessions") if session["alive"]]
        assert alive == [ALICE]

    def test_another_users_end_leaves_the_browser_warm(self, pkce: Pkce) -> None:
        pkce.decide(user=ALICE)
        pkce.simulator.post("settings", warm_user=BOB)

        pkce.simulator.end_sessions(ALICE)

        assert answer(pkce.url())[0] == 302

    def test_a_disabled_user_gets_the_form(self, pkce: Pkce) -> None:
        pkce.simulator.post("settings", warm_user=BOB)

        pkce.simulator.post("users/disable", user=BOB)

        assert answer(pkce.url())[0] == 200

    def test_a_browser_that_was_never_warm_asks_each_time(self, pkce: Pkce) -> None:
        pkce.decide()

        assert answer(pkce.url())[0] == 200

    @pytest.mark.parametrize("name", ["scope", "scopes"])
    def test_scope_and_scopes_are_alike_ignored(self, pkce: Pkce, name: str) -> None:
        assert answer(pkce.url(**{"scopes": None, name: "anything:at:all"}))[0] == 200

    @pytest.mark.parametrize(
        "instead",
        [
            {"client_id": "nobody"},
            {"redirect_uri": "http://127.0.0.1:49152/elsewhere"},
            {"redirect_uri": "https://example.com/oauth/callback"},
            {"redirect_uri": "http://evil.example\\@127.0.0.1/oauth/callback"},
            {"redirect_uri": "http://127.0.0.1/oauth/callback\r\nX: y"},
            {"redirect_uri": "http://["},
            {"redirect_uri": None},
        ],
    )
    def test_a_bad_client_or_address_is_shown_and_never_redirected_to(
        self, pkce: Pkce, instead: dict[str, str | None]
    ) -> None:
        status, location, page = answer(pkce.url(**instead))

        assert (status, location) == (400, "")
        assert "simulator" in page

    @pytest.mark.parametrize(
        ("instead", "error"),
        [
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"code_challenge": None}, "invalid_request"),
            ({"code_challenge": "c" * 42}, "invalid_request"),
            ({"code_challenge": "c" * 43 + "="}, "invalid_request"),
            ({"code_challenge": "c" * 42 + "+"}, "invalid_request"),
        ],
    )
    def test_other_mistakes_are_told_to_the_client(
        self, pkce: Pkce, instead: dict[str, str | None], error: str
    ) -> None:
        status, location, _ = answer(pkce.url(**instead))

        assert status == 302
        assert query_of(location) == {"error": error, "state": "the-state"}

    def test_in_the_wrong_region_the_browser_alone_learns_of_it(self, pkce: Pkce) -> None:
        pkce.simulator.post("settings", wrong_region=True)

        with pytest.raises(urllib.error.HTTPError) as caught:
            press(pkce.url())
        with caught.value as response:
            assert "invalid_grant" in response.read().decode()

    def test_a_device_client_may_not_ask(self, simulator: SimulatorProcess, pkce: Pkce) -> None:
        device = register(simulator.url, redirectUris=[REDIRECT_URI])

        status, location, _ = answer(pkce.url(client_id=device["clientId"]))

        assert (status, query_of(location)["error"]) == (302, "unauthorized_client")

    def test_a_redirect_that_would_end_in_nothing_has_no_null_in_it(self, pkce: Pkce) -> None:
        pkce.simulator.post("settings", warm_user=BOB)

        _, location, _ = answer(pkce.url(state=None))

        assert list(query_of(location)) == ["code"]


class TestAuthorizationCode:
    def test_is_good_once(self, pkce: Pkce) -> None:
        code = pkce.decide()["code"]
        pkce.redeem(code)

        assert pkce.refused(code) == "InvalidGrantException"

    @pytest.mark.parametrize(
        "instead",
        [
            {"codeVerifier": "another-verifier-of-more-than-forty-three-characters"},
            {"redirectUri": "http://127.0.0.1:49153/oauth/callback"},
            {"redirectUri": REDIRECT_URI},
        ],
    )
    def test_needs_its_verifier_and_the_very_redirect_uri(self, pkce: Pkce, instead: dict[str, str]) -> None:
        code = pkce.decide()["code"]

        assert pkce.refused(code, **instead) == "InvalidGrantException"
        assert pkce.redeem(code)["accessToken"]

    def test_expires(self, pkce: Pkce) -> None:
        code = pkce.decide()["code"]
        pkce.simulator.post("clock", advance="5m")

        assert pkce.refused(code) == "ExpiredTokenException"

    def test_belongs_to_its_client(self, pkce: Pkce) -> None:
        code = pkce.decide()["code"]

        assert Pkce(pkce.simulator).refused(code) == "InvalidGrantException"


class TestDevice:
    def start(self, simulator: SimulatorProcess) -> tuple[dict[str, str], Any]:
        registration = register(simulator.url)
        oidc = client("sso-oidc", simulator.url)
        return registration, oidc.start_device_authorization(**registration, startUrl=START_URL)

    def test_the_page_asks_for_a_code_where_the_address_has_none(self, simulator: SimulatorProcess) -> None:
        _, device = self.start(simulator)

        assert 'name="user_code"' in answer(device["verificationUri"])[2]

    def test_a_code_can_be_typed_as_people_type(self, simulator: SimulatorProcess) -> None:
        _, device = self.start(simulator)
        typed = device["userCode"].replace("-", "").lower()

        status, _, page = answer(f"{device['verificationUri']}?user_code={typed}")

        assert status == 200
        assert device["userCode"] in page

    def test_every_page_says_that_it_is_a_simulator_and_will_not_be_framed(self, simulator: SimulatorProcess) -> None:
        _, device = self.start(simulator)

        with open_url(device["verificationUriComplete"]) as response:
            assert "simulator</strong>, for development and CI" in response.read().decode()
            assert response.headers["X-Frame-Options"] == "DENY"
            assert response.headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize("code", ["XXXX-XXXX", "<script>"])
    def test_an_unknown_code_is_refused(self, simulator: SimulatorProcess, code: str) -> None:
        status, _, page = answer(f"{simulator.url}/device?{urllib.parse.urlencode({'user_code': code})}")

        assert status == 400
        assert "<script>" not in page

    def test_a_client_name_is_shown_as_text(self, simulator: SimulatorProcess) -> None:
        registration = register(simulator.url, clientName="<b>bold</b>")
        device = client("sso-oidc", simulator.url).start_device_authorization(**registration, startUrl=START_URL)

        assert "&lt;b&gt;bold&lt;/b&gt;" in answer(device["verificationUriComplete"])[2]

    def test_the_page_lists_those_who_may_sign_in(self, simulator: SimulatorProcess) -> None:
        simulator.post("users/disable", user=ALICE)
        _, device = self.start(simulator)

        page = answer(device["verificationUriComplete"])[2]

        assert (f'value="{ALICE}"' in page, f'value="{BOB}"' in page) == (False, True)

    def test_an_unknown_user_is_not_signed_in(self, simulator: SimulatorProcess) -> None:
        _, device = self.start(simulator)
        page = answer(device["verificationUriComplete"])[2]
        ticket = page.partition('name="ticket" value="')[2].partition('"')[0]
        form = urllib.parse.urlencode({"ticket": ticket, "user": "mallory", "decision": "Allow"}).encode()

        assert answer(f"{simulator.url}/sign-in", form)[0] == 403
        assert simulator.get("sessions") == []

    def test_in_the_wrong_region_allowing_fails_and_the_code_stays_pending(self, simulator: SimulatorProcess) -> None:
        simulator.post("settings", wrong_region=True)
        _, device = self.start(simulator)

        with pytest.raises(urllib.error.HTTPError) as caught:
            simulator.approve(device["verificationUriComplete"])

        with caught.value as response:
            assert "invalid_grant: Invalid grant provided" in response.read().decode()
        assert [each["user_code"] for each in simulator.get("pending")] == [device["userCode"]]
