"""SSO OIDC: RegisterClient, StartDeviceAuthorization, CreateToken.

The API is unsigned JSON. The Content-Type is not looked at: older AWS CLIs send none and curl sends a form's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiohttp import web

from identity_center_simulator import documents, operations, replies
from identity_center_simulator.clients import (
    AUTHORIZATION_CODE,
    DEVICE_CODE,
    GRANT_TYPES,
    REFRESH_TOKEN,
    Client,
    GrantType,
)
from identity_center_simulator.context import CALL, Context
from identity_center_simulator.errors import OidcRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from identity_center_simulator.sessions import Grant

ERROR_TYPE = "http://internal.amazon.com/coral/com.amazonaws.sso.oidc/"


class Oidc:
    """The three operations."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/client/register", self.register_client),
            web.post("/device_authorization", self.start_device_authorization),
            web.post("/token", self.create_token),
        ]

    async def register_client(self, request: web.Request) -> web.Response:
        members = await _members(request)
        instance, now = self._context.instance, self._context.clock.now()
        client = instance.clients.register(members, instance.settings, instance.scenario.region, now)
        if AUTHORIZATION_CODE in client.grants and not instance.knows_start_url(members["issuerUrl"]):
            raise OidcRefused("InvalidRequestException", "")
        request[CALL].client_id = client.client_id
        named = instance.settings.advertise_endpoints
        return self._reply(
            {
                "clientId": client.client_id,
                "clientSecret": client.client_secret,
                "clientIdIssuedAt": client.issued_at,
                "clientSecretExpiresAt": client.expires_at,
                "authorizationEndpoint": f"{request.url.origin()}/authorize" if named else None,
                "tokenEndpoint": f"{request.url.origin()}/token" if named else None,
            }
        )

    async def start_device_authorization(self, request: web.Request) -> web.Response:
        members = await _members(request)
        client = self._client(members, DEVICE_CODE)
        instance, settings = self._context.instance, self._context.instance.settings
        if not instance.knows_start_url(members.get("startUrl")):
            raise OidcRefused("InvalidRequestException", "")
        expires_at = self._context.clock.now() + settings.device_code_duration
        device = instance.sign_ins.start_device(client.client_id, members["startUrl"], expires_at)
        page = f"{request.url.origin()}/device"
        return self._reply(
            {
                "deviceCode": device.device_code,
                "userCode": device.user_code,
                "verificationUri": page,
                "verificationUriComplete": f"{page}?user_code={quote(device.user_code)}",
                "expiresIn": int(settings.device_code_duration),
                "interval": settings.poll_interval,
            }
        )

    async def create_token(self, request: web.Request) -> web.Response:
        members = await _members(request)
        call, asked = request[CALL], _text(members, "grantType")
        if call.operation == operations.WITH_IAM:
            raise OidcRefused("UnsupportedGrantTypeException", "CreateTokenWithIAM is not simulated")
        if asked not in GRANT_TYPES:
            raise OidcRefused("UnsupportedGrantTypeException")
        grant = self._grant(asked, members, self._client(members, asked))
        call.session, call.user = grant.session.id, grant.session.user
        return self._reply(
            {
                "accessToken": grant.access_token,
                "tokenType": "Bearer",
                "expiresIn": grant.expires_in,
                "refreshToken": grant.refresh_token,
                "idToken": None,
            }
        )

    def _grant(self, grant: GrantType, members: Mapping[str, Any], client: Client) -> Grant:
        instance, settings, now = self._context.instance, self._context.instance.settings, self._context.clock.now()
        if grant == REFRESH_TOKEN:
            return instance.sessions.refresh(_text(members, "refreshToken"), client, settings, now)
        if grant == DEVICE_CODE:
            interval = settings.poll_interval if settings.slow_down else None
            session_id = instance.sign_ins.poll_device(_text(members, "deviceCode"), client.client_id, now, interval)
        else:
            words = [_text(members, name) for name in ("code", "redirectUri", "codeVerifier")]
            session_id = instance.sign_ins.redeem_code(words[0], client.client_id, words[1], words[2], now)
        return instance.sessions.grant(session_id, client, settings, now)

    def _client(self, members: Mapping[str, Any], grant: GrantType) -> Client:
        client_id, secret = _text(members, "clientId"), _text(members, "clientSecret")
        client = self._context.instance.clients.check(client_id, secret, self._context.clock.now())
        if grant not in client.grants:
            raise OidcRefused("UnauthorizedClientException")
        return client

    def _reply(self, members: Mapping[str, Any]) -> web.Response:
        return replies.success(members, self._context.instance.settings.absent_members)


def refusal(refused: OidcRefused) -> web.Response:
    """The envelope that was captured from the real one: clients take the class from the header alone."""
    return replies.as_json(
        {"error": refused.error, "error_description": refused.message},
        refused.status,
        {**replies.request_id(), "x-amzn-ErrorType": f"{refused.code}:{ERROR_TYPE}"},
    )


async def _members(request: web.Request) -> dict[str, Any]:
    try:
        members = documents.read(await request.read())
    except ValueError:
        raise OidcRefused("InvalidRequestException") from None
    if not isinstance(members, dict):
        raise OidcRefused("InvalidRequestException")
    return {name: value for name, value in members.items() if value is not None}


def _text(members: Mapping[str, Any], name: str) -> str:
    found = members.get(name)
    if not isinstance(found, str) or not found:
        raise OidcRefused("InvalidRequestException")
    return found
