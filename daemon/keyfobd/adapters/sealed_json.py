"""Sealed sessions as JSON and back. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar, cast

from keyfobd.core.model import (
    Account,
    CatalogueEntry,
    Flow,
    Instant,
    Origins,
    Registration,
    SealedSession,
    Session,
    Tokens,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


def encode(sessions: Iterable[SealedSession]) -> bytes:
    """All sessions, whole."""
    return json.dumps({"sessions": [_session(s) for s in sessions]}, separators=(",", ":")).encode()


def decode(content: bytes) -> tuple[SealedSession, ...]:
    """What ``encode`` made. Raises ValueError for anything else; members it does not know are left out."""
    try:
        return _all(json.loads(content)["sessions"], _read_session)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("these are no sealed sessions") from error


def _session(sealed: SealedSession) -> dict[str, Any]:
    return {
        "name": sealed.session.name,
        "start_url": sealed.session.start_url,
        "region": sealed.session.region,
        "scopes": list(sealed.session.scopes),
        "legacy": sealed.session.legacy,
        "origins": {"sso_oidc": sealed.origins.sso_oidc, "sso": sealed.origins.sso},
        "tokens": None if sealed.tokens is None else _tokens(sealed.tokens),
        "registrations": [_registration(r) for r in sealed.registrations],
        "catalogue": [
            {"id": e.account.account_id, "name": e.account.name, "email": e.account.email, "roles": list(e.roles)}
            for e in sealed.catalogue
        ],
        "signed_in_at": sealed.signed_in_at,
    }


def _tokens(tokens: Tokens) -> dict[str, Any]:
    return {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "registration": _registration(tokens.registration),
        "fetched": [tokens.fetched.wall, tokens.fetched.boot],
        "lifetime": tokens.lifetime,
    }


def _registration(registration: Registration) -> dict[str, Any]:
    return {
        "client_id": registration.client_id,
        "client_secret": registration.client_secret,
        "expires_at": registration.expires_at,
        "flow": registration.flow,
    }


def _read_session(found: dict[str, Any]) -> SealedSession:
    return SealedSession(
        session=Session(
            name=_text(found["name"]),
            start_url=_text(found["start_url"]),
            region=_text(found["region"]),
            scopes=_all(found["scopes"], _text),
            legacy=bool(found["legacy"]),
        ),
        origins=Origins(sso_oidc=_text(found["origins"]["sso_oidc"]), sso=_text(found["origins"]["sso"])),
        tokens=_optional(found["tokens"], _read_tokens),
        registrations=_all(found["registrations"], _read_registration),
        catalogue=_all(found["catalogue"], _read_entry),
        signed_in_at=float(found["signed_in_at"]),
    )


def _read_tokens(found: dict[str, Any]) -> Tokens:
    wall, boot = found["fetched"]
    return Tokens(
        access_token=_text(found["access_token"]),
        refresh_token=_optional(found["refresh_token"], _text),
        registration=_read_registration(found["registration"]),
        fetched=Instant(float(wall), float(boot)),
        lifetime=float(found["lifetime"]),
    )


def _read_registration(found: dict[str, Any]) -> Registration:
    flow = _text(found["flow"])
    if flow not in ("pkce", "device"):
        raise ValueError("no flow is called so")
    return Registration(
        _text(found["client_id"]), _text(found["client_secret"]), int(found["expires_at"]), cast("Flow", flow)
    )


def _read_entry(found: dict[str, Any]) -> CatalogueEntry:
    account = Account(_text(found["id"]), _optional(found["name"], _text), _optional(found["email"], _text))
    return CatalogueEntry(account, _all(found["roles"], _text))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not text")  # noqa: TRY004 - to the reader of a file it is its content that is wrong
    return value


def _all(value: object, read: Callable[[Any], T]) -> tuple[T, ...]:
    if not isinstance(value, list):
        raise ValueError("not a list")  # noqa: TRY004 - as above
    return tuple(map(read, value))


def _optional(value: Any, read: Callable[[Any], Any]) -> Any:
    return None if value is None else read(value)
