"""What is held, in the shapes of ``keyfob.wire``: pure, times as RFC 3339 in UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfobd.core.model import SsoRole
from keyfobd.core.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from keyfob import wire
    from keyfobd.broker import RoleView
    from keyfobd.core.model import CatalogueEntry, EndpointToken, RoleCredentials
    from keyfobd.session_view import SessionView

    AccountNames = Mapping[tuple[str, str], str | None]


def when(wall: float | None) -> str | None:
    """A moment in seconds since 1970, or null."""
    return rfc3339(wall) if wall is not None else None


def account_names(catalogues: Mapping[str, Iterable[CatalogueEntry]]) -> AccountNames:
    """Names of accounts by session and account id."""
    return {
        (session, entry.account.account_id): entry.account.name
        for session, entries in catalogues.items()
        for entry in entries
    }


def session_status(view: SessionView, length: float | None) -> wire.SessionStatus:
    """``length`` is how long the person says their sessions last: Identity Center never tells."""
    ends = view.signed_in_at + length if length is not None and view.signed_in_at is not None else None
    return {
        "name": view.name,
        "start_url": view.start_url,
        "region": view.region,
        "state": view.state,
        "token_expires_at": when(view.token_expires_at),
        "session_ends_at": when(ends),
        "needs": view.needs,
        "detail": view.detail,
    }


def role_statuses(views: Iterable[RoleView], names: AccountNames) -> list[wire.RoleStatus]:
    """The roles in use, as they come."""
    return [_role_status(view, view.role, names) for view in views if isinstance(view.role, SsoRole)]


def _role_status(view: RoleView, role: SsoRole, names: AccountNames) -> wire.RoleStatus:
    return {
        "session": role.session,
        "account_id": role.account_id,
        "account_name": names.get((role.session, role.account_id)),
        "role_name": role.role_name,
        "expires_at": when(view.expires_at),
        "renew_at": when(view.renew_at),
        "last_used_at": when(view.last_asked_at),
        "state": view.state,
        "detail": str(view.failure) if view.failure is not None else None,
    }


def accounts(session: str, entries: Iterable[CatalogueEntry]) -> list[wire.AccountAnswer]:
    """A session's catalogue."""
    return [
        {
            "session": session,
            "account_id": entry.account.account_id,
            "account_name": entry.account.name,
            "email": entry.account.email,
            "roles": list(entry.roles),
        }
        for entry in entries
    ]


def token(found: EndpointToken) -> wire.TokenAnswer:
    """An endpoint token, without what it is recognised by."""
    return {
        "id": found.id,
        "kind": found.kind,
        "label": found.label,
        "roles": [str(role) for role in found.roles],
        "created_at": rfc3339(found.created_at),
        "last_used_at": when(found.last_used_at),
        "pid": found.process.pid if found.process is not None else None,
    }


def credential_process(credentials: RoleCredentials) -> dict[str, object]:
    """What ``credential_process`` is to print (AWS SDKs and Tools Reference Guide, "Process credential provider")."""
    answer: dict[str, object] = {
        "Version": 1,
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "SessionToken": credentials.session_token,
        "Expiration": rfc3339(credentials.expiration),
    }
    if isinstance(credentials.role, SsoRole):
        answer["AccountId"] = credentials.role.account_id
    return answer
