"""Client registrations (RegisterClient)."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from identity_center_simulator import issue
from identity_center_simulator.errors import OidcRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from identity_center_simulator.settings import Settings

GrantType = Literal["urn:ietf:params:oauth:grant-type:device_code", "authorization_code", "refresh_token"]
DEVICE_CODE: GrantType = "urn:ietf:params:oauth:grant-type:device_code"
AUTHORIZATION_CODE: GrantType = "authorization_code"
REFRESH_TOKEN: GrantType = "refresh_token"  # noqa: S105 - a grant's name, not a token
GRANT_TYPES = (DEVICE_CODE, AUTHORIZATION_CODE, REFRESH_TOKEN)

MOST_SCOPES = 25

# Browsers and URL parsers differ over what stands before a backslash or an "@", and over control characters and strange
# ports. Such addresses are refused, not taken apart: http://evil.example\@127.0.0.1/ leads a browser to evil.example.
_LOOPBACK = re.compile(r"http://127\.0\.0\.1(?::(?P<port>[1-9][0-9]{0,4}))?(?P<path>(?:/(?:(?![?#\\@])[!-~])*)?)")


@dataclass(frozen=True, slots=True)
class Client:
    """A registered public client. Without scopes it is of the legacy kind: long access tokens, no refresh tokens."""

    client_id: str
    client_secret: str = field(repr=False)
    name: str
    grants: frozenset[GrantType]
    scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    issued_at: int
    expires_at: int

    @property
    def legacy(self) -> bool:
        return not self.scopes

    @property
    def refreshable(self) -> bool:
        return bool(self.scopes) and REFRESH_TOKEN in self.grants


class Clients:
    """All registrations of an instance."""

    def __init__(self) -> None:
        self._by_id: dict[str, Client] = {}

    def register(self, members: Mapping[str, Any], settings: Settings, region: str, now: float) -> Client:
        """A new client, from a request's members; raises OidcRefused."""
        name = members.get("clientName")
        if not isinstance(name, str) or not name or "clientType" not in members:
            raise OidcRefused("InvalidRequestException")
        if members["clientType"] != "public":
            raise OidcRefused("InvalidClientMetadataException")
        grants = requested_grants(members, settings)
        scopes = _strings(members, "scopes")
        if len(scopes) > MOST_SCOPES:
            raise OidcRefused("InvalidScopeException")
        client_id = issue.client_id(region)
        client = Client(
            client_id=client_id,
            client_secret=issue.client_secret(client_id, name),
            name=name,
            grants=grants,
            scopes=scopes,
            redirect_uris=_redirect_uris(members, grants, settings),
            issued_at=int(now),
            expires_at=int(now + settings.registration_duration),
        )
        self._by_id[client_id] = client
        return client

    def check(self, client_id: Any, client_secret: Any, now: float) -> Client:
        """The client that these words belong to; raises OidcRefused (InvalidClient) for wrong and for expired ones."""
        client = self.find(client_id, now)
        if client is None or not isinstance(client_secret, str):
            raise OidcRefused("InvalidClientException")
        if not hmac.compare_digest(client.client_secret.encode(), client_secret.encode()):
            raise OidcRefused("InvalidClientException")
        return client

    def find(self, client_id: Any, now: float) -> Client | None:
        """The client of that id while its registration lives."""
        client = self._by_id.get(client_id) if isinstance(client_id, str) else None
        return client if client is not None and now < client.expires_at else None

    def forget(self, client_id: str | None = None) -> None:
        """One registration, or all, gone before its time."""
        if client_id is None:
            self._by_id.clear()
        else:
            self._by_id.pop(client_id, None)


def requested_grants(members: Mapping[str, Any], settings: Settings) -> frozenset[GrantType]:
    """What a registration is for; without ``grantTypes`` it is for the device flow, which can refresh."""
    named = _strings(members, "grantTypes")
    if any(grant not in GRANT_TYPES for grant in named):
        raise OidcRefused("UnsupportedGrantTypeException")
    grants = frozenset(cast("tuple[GrantType, ...]", named)) or frozenset({DEVICE_CODE, REFRESH_TOKEN})
    if {DEVICE_CODE, AUTHORIZATION_CODE} <= grants:
        # One registration cannot serve both; the text was empty when it was seen (2026-05), an error 500 before.
        if settings.mixed_grants == "server-error":
            raise OidcRefused("InternalServerException")
        raise OidcRefused("InvalidScopeException", "")
    return grants


def redirect_allowed(registered: tuple[str, ...], wanted: str) -> bool:
    """Whether a redirect URI was registered; the port of a loopback address is free (RFC 8252 §7.3)."""
    path = _loopback_path(wanted)
    return path is not None and path in {_loopback_path(uri) for uri in registered}


def _loopback_path(uri: str) -> str | None:
    """The path of ``http://127.0.0.1[:port]/path``; None for any other address, however little it differs."""
    found = _LOOPBACK.fullmatch(uri)
    return found["path"] if found is not None and int(found["port"] or 80) <= 65535 else None


def _redirect_uris(members: Mapping[str, Any], grants: frozenset[GrantType], settings: Settings) -> tuple[str, ...]:
    uris = _strings(members, "redirectUris")
    if AUTHORIZATION_CODE in grants and not (uris and members.get("issuerUrl")):
        raise OidcRefused("InvalidRequestException")
    if not all(_loopback(uri, settings) for uri in uris):
        raise OidcRefused("InvalidRedirectUriException")
    return uris


def _loopback(uri: str, settings: Settings) -> bool:
    path = _loopback_path(uri)
    return path == "/oauth/callback" or (path is not None and settings.redirect_uris == "relaxed")


def _strings(members: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = members.get(name)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise OidcRefused("InvalidRequestException")
    return tuple(found)
