"""Identity Center's answers made into our records: pure, and believing nothing.

What is missing, of another type or out of all bounds is ``NoSense``. A member that is null is one that is missing: the
service has sent nulls for absent members.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from keyfobd.core.model import (
    Account,
    DeviceAuthorization,
    Flow,
    Instant,
    Registration,
    RoleCredentials,
    SsoRole,
    Tokens,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = 86400.0
LONGEST_ROLE_CREDENTIALS = DAY / 2 + 300  # permission sets allow 12 hours; a few minutes for rounding
LONGEST_TOKEN = 90 * DAY  # no session of Identity Center is longer
LONGEST_REGISTRATION = 3650 * DAY
_POLL_INTERVAL = 5.0  # RFC 8628 §3.5, where the answer names none
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class NoSense(ValueError):
    """An answer that is none; says which member is wrong, never what it held."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: its members, when its request was sent by our clocks, and the server's own wall time (its
    ``Date``, or ours where it has none)."""

    members: Mapping[str, Any] = field(repr=False)
    fetched: Instant
    server_wall: float


def server_wall(date: str | None, own: float) -> float:
    """The moment of a ``Date`` header in seconds since 1970; our own where there is none or it is no date. The header
    names a second that has begun: what is counted from its end is believed shorter, never longer."""
    try:
        return parsedate_to_datetime(date or "").timestamp() + 1
    except (ValueError, OverflowError):
        return own


def registration(answer: Answer, flow: Flow) -> Registration:
    """Raises NoSense, also for a registration that has ended already."""
    expires_at = _number(answer.members, "clientSecretExpiresAt")
    _within(expires_at - answer.server_wall, LONGEST_REGISTRATION, "clientSecretExpiresAt")
    return Registration(
        _secret(answer.members, "clientId"), _secret(answer.members, "clientSecret"), int(expires_at), flow
    )


def device_authorization(answer: Answer) -> DeviceAuthorization:
    """Raises NoSense, also for a page that a browser must not be sent to."""
    found = answer.members
    lifetime = _number(found, "expiresIn")
    _within(lifetime, DAY, "expiresIn")
    interval = _POLL_INTERVAL if found.get("interval") is None else _number(found, "interval")
    page = _web_page(found, "verificationUri")
    return DeviceAuthorization(
        device_code=_secret(found, "deviceCode"),
        user_code=_secret(found, "userCode"),
        verification_uri=page,
        verification_uri_complete=_web_page(found, "verificationUriComplete", page),
        lifetime=lifetime,
        interval=min(max(interval, 1.0), 60.0),
    )


def tokens(answer: Answer, used: Registration, refresh_token: str | None = None) -> Tokens:
    """``refresh_token`` is kept where the answer has none: to rotate it is optional. Raises NoSense."""
    found = answer.members
    lifetime = _number(found, "expiresIn")
    _within(lifetime, LONGEST_TOKEN, "expiresIn")
    newer = None if found.get("refreshToken") is None else _secret(found, "refreshToken")
    return Tokens(_secret(found, "accessToken"), newer or refresh_token, used, answer.fetched, lifetime)


def role_credentials(answer: Answer, role: SsoRole) -> RoleCredentials:
    """Raises NoSense, also for credentials that have expired already."""
    found = answer.members.get("roleCredentials")
    if not isinstance(found, dict):
        raise NoSense("roleCredentials")
    expiration = _number(found, "expiration") / 1000  # milliseconds since 1970
    lifetime = expiration - answer.server_wall
    if lifetime > LONGEST_ROLE_CREDENTIALS:  # a Date from long ago, of some cache or clock between us and AWS
        lifetime = expiration - answer.fetched.wall
    _within(lifetime, LONGEST_ROLE_CREDENTIALS, "expiration")
    return RoleCredentials(
        role=role,
        access_key_id=_secret(found, "accessKeyId"),
        secret_access_key=_secret(found, "secretAccessKey"),
        session_token=_secret(found, "sessionToken"),
        expiration=int(expiration),
        fetched=answer.fetched,
        lifetime=lifetime,
    )


def accounts(answer: Answer) -> tuple[tuple[Account, ...], str | None]:
    """One page of accounts, and the name of the next. Raises NoSense."""
    page = tuple(
        Account(_text(a, "accountId"), _optional(a, "accountName"), _optional(a, "emailAddress"))
        for a in _objects(answer.members, "accountList")
    )
    return page, _optional(answer.members, "nextToken")


def role_names(answer: Answer) -> tuple[tuple[str, ...], str | None]:
    """One page of an account's roles, and the name of the next. Raises NoSense."""
    page = tuple(_text(role, "roleName") for role in _objects(answer.members, "roleList"))
    return page, _optional(answer.members, "nextToken")


def _text(members: Mapping[str, Any], name: str) -> str:
    found = members.get(name)
    if not isinstance(found, str) or not found or not found.isprintable():  # escape sequences would reach terminals
        raise NoSense(name)
    return found


def _secret(members: Mapping[str, Any], name: str) -> str:
    """What goes into headers and environments: visible ASCII. An HTTP library would put anything else, whole, into
    the message of its error."""
    found = _text(members, name)
    if not (found.isascii() and found.isprintable()) or " " in found:
        raise NoSense(name)
    return found


def _optional(members: Mapping[str, Any], name: str) -> str | None:
    """Text, or nothing: names for people, for which an answer is not thrown away."""
    found = members.get(name)
    return found if isinstance(found, str) and found and found.isprintable() else None


def _number(members: Mapping[str, Any], name: str) -> float:
    found = members.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise NoSense(name)
    try:
        return float(found)
    except OverflowError as error:  # an integer of more than 300 digits
        raise NoSense(name) from error


def _within(seconds: float, longest: float, name: str) -> None:
    if not 0 < seconds <= longest:  # false for NaN as well, which JSON parsers let through
        raise NoSense(name)


def _objects(members: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = members.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise NoSense(name)
    return cast("list[Mapping[str, Any]]", found)


def _web_page(members: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """A page for a person's browser: https, or http on this machine (a simulator)."""
    found = default if members.get(name) is None and default else _text(members, name)
    try:
        parts = urlsplit(found)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    except ValueError as error:
        raise NoSense(name) from error
    if not safe or not parts.hostname or not found.isprintable():
        raise NoSense(name)
    return found
