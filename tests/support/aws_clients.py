"""boto3 against a simulator: without retries, so that a test sees each answer."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from support.simulator import ALICE, REGION, START_URL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.simulator import SimulatorProcess

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
SCOPES = ("sso:account:access",)
REDIRECT_URI = "http://127.0.0.1/oauth/callback"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a sign-in has yielded."""

    client_id: str
    client_secret: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in: int

    @property
    def client(self) -> dict[str, str]:
        return {"clientId": self.client_id, "clientSecret": self.client_secret}


@functools.cache
def client(service: str, url: str) -> Any:
    """A client of ``sso-oidc`` or ``sso``; their operations are unsigned, so it has no keys."""
    return boto3.client(service, endpoint_url=url, region_name=REGION, config=Config(retries={"total_max_attempts": 1}))


def sts(url: str, credentials: Mapping[str, Any], **instead: str) -> Any:
    """An STS client with role credentials as the portal gives them, some of their words replaced."""
    words = {**credentials, **instead}
    return boto3.client(
        "sts",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=words["accessKeyId"],
        aws_secret_access_key=words["secretAccessKey"],
        aws_session_token=words["sessionToken"],
        config=Config(retries={"total_max_attempts": 1}),
    )


def register(url: str, **members: Any) -> dict[str, str]:
    """A client registration, as the two members that every later call brings."""
    words = {"clientName": "test", "clientType": "public", "scopes": list(SCOPES), **members}
    found = client("sso-oidc", url).register_client(**words)
    return {"clientId": found["clientId"], "clientSecret": found["clientSecret"]}


def sign_in(simulator: SimulatorProcess, user: str = ALICE, **members: Any) -> SignedIn:
    """By device code; ``members`` go to RegisterClient."""
    oidc = client("sso-oidc", simulator.url)
    registration = register(simulator.url, **members)
    device = oidc.start_device_authorization(**registration, startUrl=START_URL)
    simulator.approve(device["verificationUriComplete"], user)
    found = oidc.create_token(**registration, grantType=DEVICE_CODE, deviceCode=device["deviceCode"])
    return SignedIn(
        registration["clientId"],
        registration["clientSecret"],
        found["accessToken"],
        found.get("refreshToken"),
        found["expiresIn"],
    )


def role_credentials(url: str, access_token: str, account_id: str, role_name: str) -> dict[str, Any]:
    found = client("sso", url).get_role_credentials(accessToken=access_token, accountId=account_id, roleName=role_name)
    credentials: dict[str, Any] = found["roleCredentials"]
    return credentials
