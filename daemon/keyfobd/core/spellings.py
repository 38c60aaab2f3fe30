"""Every way of writing a role but a profile's name, and what a text can mean by them (``targets``, levels 2 to 4)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from keyfobd.core.model import Session, SsoRole, normalised_start_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyfobd.core.profiles import Known

ACCOUNT_ID = r"(?P<account>\d{12})"
ROLE_NAME = r"(?P<role>[\w+=,.@-]+)"  # what a permission set's name may hold: no slash, no blank
_UNLISTED = tuple(re.compile(form, re.ASCII) for form in (f"{ACCOUNT_ID}/{ROLE_NAME}", f"{ROLE_NAME}@{ACCOUNT_ID}"))
_ARNS = (
    re.compile(
        rf"arn:[\w-]+:iam::{ACCOUNT_ID}:role/aws-reserved/sso\.amazonaws\.com/(?:[\w-]+/)?"
        rf"AWSReservedSSO_{ROLE_NAME}_[0-9a-f]{{16}}",
        re.ASCII,
    ),
    re.compile(
        rf"arn:[\w-]+:sts::{ACCOUNT_ID}:assumed-role/AWSReservedSSO_{ROLE_NAME}_[0-9a-f]{{16}}(?:/.*)?", re.ASCII
    ),
)


def matches(target: str, known: Known) -> tuple[SsoRole, ...]:
    """The roles that a text means on the first level on which it means any."""
    for level in (_by_account_id, _by_account_name, _by_arn, _by_portal_link):
        found = dict.fromkeys(level(target, known))
        if found:
            return tuple(found)
    return ()


def _by_account_id(target: str, known: Known) -> list[SsoRole]:
    # Every spelling holds the role's name: that spares the making of nearly all of them.
    likely = (role for role in known.roles if role.role_name in target)
    listed = [role for role in likely if target in spellings(role, role.account_id, known)]
    return listed or _unlisted(target, known)


def _by_account_name(target: str, known: Known) -> list[SsoRole]:
    return [
        role
        for role, name in known.roles.items()
        if name and role.role_name in target and target in spellings(role, name, known)
    ]


def _by_arn(target: str, known: Known) -> list[SsoRole]:
    for form in _ARNS:
        if found := form.fullmatch(target):
            return _placed(found["account"], found["role"], known.sessions, known)
    return []


def _by_portal_link(target: str, known: Known) -> list[SsoRole]:
    try:
        route, _, query = urlsplit(target).fragment.partition("?")
    except ValueError:  # "http://[": not a link at all
        return []
    asked = parse_qs(query)
    account_id, role_name = asked.get("account_id", [""])[0], asked.get("role_name", [""])[0]
    if route.strip("/") != "console" or _UNLISTED[0].fullmatch(f"{account_id}/{role_name}") is None:
        return []
    start_url = normalised_start_url(target)
    sessions = [session for session in known.sessions if normalised_start_url(session.start_url) == start_url]
    return _placed(account_id, role_name, sessions, known) if sessions else []


def _unlisted(target: str, known: Known) -> list[SsoRole]:
    """An account id and a role, with or without a session, that nobody has listed."""
    for form in _UNLISTED:
        if found := form.fullmatch(target):
            return _placed(found["account"], found["role"], known.sessions, known)
    return [
        SsoRole(session.name, found["account"], found["role"])
        for session in known.sessions
        for name in known.names(session)
        if target.startswith(f"{name}/") and (found := _UNLISTED[0].fullmatch(target[len(name) + 1 :]))
    ]


def _placed(account_id: str, role_name: str, sessions: Iterable[Session], known: Known) -> list[SsoRole]:
    """The session is not said: it is one that has the role; else one that has the account; else any."""
    possible = [SsoRole(session.name, account_id, role_name) for session in sessions]
    with_account = {role.session for role in known.roles if role.account_id == account_id}
    return (
        [role for role in possible if role in known.roles]
        or [role for role in possible if role.session in with_account]
        or possible
    )


def spellings(role: SsoRole, account: str, known: Known) -> tuple[str, ...]:
    """A role with its account's id, or with its account's name."""
    session = known.session(role.session)
    names = known.names(session) if session is not None else (role.session,)
    bare = f"{account}/{role.role_name}"
    return (*(f"{name}/{bare}" for name in names), bare, f"{role.role_name}@{account}")


def spelling_of(role: SsoRole, known: Known) -> str:
    """A TARGET that fits this role alone."""
    # Read from its end, SESSION/ACCOUNT-ID/ROLE has one meaning: no slash in a role, twelve digits, and no two sessions
    # of one name. That spares thousands of comparisons for each of thousands of roles.
    if _UNLISTED[0].fullmatch(f"{role.account_id}/{role.role_name}") and str(role) not in known.profiles:
        return str(role)
    for account in (role.account_id, known.roles.get(role)):
        for spelling in spellings(role, account, known) if account else ():
            if spelling not in known.profiles and matches(spelling, known) == (role,):
                return spelling
    return str(role)
