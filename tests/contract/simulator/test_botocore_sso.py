"""botocore's own SSO providers, over a token cache that the test wrote: what every Python tool does with a profile."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.credentials import SSOProvider
from botocore.exceptions import SSOTokenLoadError, TokenRetrievalError, UnauthorizedSSOTokenError
from botocore.tokens import SSOTokenProvider

from support.aws_clients import SignedIn, sign_in
from support.simulator import DEVELOPMENT, PRODUCTION, START_URL
from support.sso_profile import Home

if TYPE_CHECKING:
    from pathlib import Path

    from support.simulator import SimulatorProcess


@pytest.fixture
def home(tmp_path: Path, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> Home:
    found = Home(tmp_path)
    for name, value in found.environment(simulator).items():
        monkeypatch.setenv(name, value)
    # Both read HOME when botocore is imported, not when they look.
    for provider in (SSOTokenProvider, SSOProvider):
        monkeypatch.setattr(provider, "_SSO_TOKEN_CACHE_DIR", str(tmp_path / ".aws" / "sso" / "cache"))
    return found


def identity(profile: str) -> dict[str, Any]:
    session = botocore.session.Session(profile=profile)
    found: dict[str, Any] = session.create_client("sts").get_caller_identity()
    return found


class TestCredentialProvider:
    def test_gets_credentials_that_work(self, simulator: SimulatorProcess, home: Home, alice: SignedIn) -> None:
        home.write_token(alice, left=timedelta(hours=1))

        found = identity("dev")

        assert found["Account"] == DEVELOPMENT
        assert "AWSReservedSSO_ReadOnly_" in found["Arn"]
        assert [call["grant"] for call in simulator.journal("CreateToken")] == [
            "urn:ietf:params:oauth:grant-type:device_code"
        ]

    def test_gets_them_for_a_legacy_profile_too(self, simulator: SimulatorProcess, home: Home) -> None:
        home.write_token(sign_in(simulator, scopes=[]), key=START_URL, left=timedelta(hours=8), registered=False)

        assert identity("old")["Account"] == PRODUCTION

    def test_says_so_when_the_session_has_ended(self, simulator: SimulatorProcess, home: Home, alice: SignedIn) -> None:
        home.write_token(alice, left=timedelta(hours=1))
        simulator.end_sessions()

        with pytest.raises(UnauthorizedSSOTokenError):
            identity("dev")

    @pytest.mark.usefixtures("home")
    def test_has_nothing_to_say_without_a_token(self) -> None:
        with pytest.raises(SSOTokenLoadError):
            identity("old")


class TestTokenProvider:
    def test_refreshes_a_token_with_less_than_fifteen_minutes(
        self, simulator: SimulatorProcess, home: Home, alice: SignedIn
    ) -> None:
        home.write_token(alice, left=timedelta(minutes=10))

        token = botocore.session.Session(profile="dev").get_auth_token().get_frozen_token().token

        written = home.token()
        assert token == written["accessToken"] != alice.access_token
        assert written["refreshToken"] not in {None, alice.refresh_token}
        assert simulator.journal("CreateToken", grant="refresh_token")[0]["status"] == 200

    def test_uses_what_it_refreshed(self, home: Home, alice: SignedIn) -> None:
        home.write_token(alice, left=timedelta(minutes=-5))

        assert identity("dev")["Account"] == DEVELOPMENT

    def test_drops_the_refresh_token_where_the_answer_has_none(
        self, simulator: SimulatorProcess, home: Home, alice: SignedIn
    ) -> None:
        simulator.post("settings", refresh_tokens="omitted")
        home.write_token(alice, left=timedelta(minutes=10))

        botocore.session.Session(profile="dev").get_auth_token().get_frozen_token()

        assert "refreshToken" not in home.token()

    def test_fails_when_token_and_session_are_over(
        self, simulator: SimulatorProcess, home: Home, alice: SignedIn
    ) -> None:
        home.write_token(alice, left=timedelta(minutes=-5))
        simulator.end_sessions()

        with pytest.raises(TokenRetrievalError, match="Token has expired and refresh failed"):
            identity("dev")
