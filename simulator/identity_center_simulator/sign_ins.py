"""Sign-ins under way: device codes, requests at ``/authorize``, authorization codes.

A device code is *pending* until a person allows or denies it; *approved*, it yields tokens once and is *used*. Past its
time it is nothing but expired. An authorization code is born of an allowed request and is good once.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from dataclasses import dataclass, field
from typing import Literal

from identity_center_simulator import issue
from identity_center_simulator.errors import OidcRefused

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 §4.1
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # a SHA-256 digest in base64url
TICKET_DURATION = 600
"""How long a page's form can be sent, in seconds."""


@dataclass(frozen=True, slots=True)
class DeviceAuthorization:
    """A device code and what has become of it."""

    device_code: str = field(repr=False)
    user_code: str
    client_id: str
    start_url: str
    expires_at: float
    state: Literal["pending", "approved", "denied", "used"] = "pending"
    session_id: str | None = None
    polls: int = 0
    polled_at: float = 0.0


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What ``/authorize`` was asked for."""

    client_id: str
    redirect_uri: str
    code_challenge: str
    state: str | None = None


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """A code on its way back to the client."""

    code: str = field(repr=False)
    request: AuthorizationRequest
    session_id: str
    expires_at: float
    used: bool = False


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a page's form is about: a request, or a device code."""

    subject: AuthorizationRequest | str = field(repr=False)
    expires_at: float


def check_poll(device: DeviceAuthorization, now: float, interval: float | None) -> str:
    """The session a device code has earned; raises OidcRefused. ``interval`` is None where haste is tolerated.

    The AWS CLI polls twice within 44 ms before it first waits, so the second poll is never too fast.
    """
    if device.state == "used":
        raise OidcRefused("InvalidGrantException")
    if now >= device.expires_at:
        raise OidcRefused("ExpiredTokenException")
    if device.state == "denied":
        raise OidcRefused("AccessDeniedException")
    if device.session_id is not None:
        return device.session_id
    if interval is not None and device.polls > 1 and now - device.polled_at < interval / 2:
        raise OidcRefused("SlowDownException")
    raise OidcRefused("AuthorizationPendingException")


def check_code(code: AuthorizationCode | None, client_id: str, redirect_uri: str, verifier: str, now: float) -> str:
    """The session a code has earned; raises OidcRefused. The redirect URI must be the one authorised, port included."""
    if code is None or code.used or code.request.client_id != client_id:
        raise OidcRefused("InvalidGrantException")
    if now >= code.expires_at:
        raise OidcRefused("ExpiredTokenException")
    if redirect_uri != code.request.redirect_uri or not _VERIFIER.fullmatch(verifier):
        raise OidcRefused("InvalidGrantException")
    if challenge_of(verifier) != code.request.code_challenge:
        raise OidcRefused("InvalidGrantException")
    return code.session_id


def is_challenge(text: str) -> bool:
    """Whether this can be a verifier's S256 challenge."""
    return _CHALLENGE.fullmatch(text) is not None


def challenge_of(verifier: str) -> str:
    """RFC 7636 §4.2, S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode("ascii")


class SignIns:
    """All sign-ins of an instance."""

    def __init__(self) -> None:
        self._devices: dict[str, DeviceAuthorization] = {}
        self._codes: dict[str, AuthorizationCode] = {}
        self._tickets: dict[str, Ticket] = {}

    def start_device(self, client_id: str, start_url: str, expires_at: float) -> DeviceAuthorization:
        device = DeviceAuthorization(issue.device_code(), issue.user_code(), client_id, start_url, expires_at)
        self._devices[device.device_code] = device
        return device

    def poll_device(self, device_code: str, client_id: str, now: float, interval: float | None) -> str:
        """The session of an approved device code, which is used up; raises OidcRefused."""
        device = self._devices.get(device_code)
        if device is None or device.client_id != client_id:
            raise OidcRefused("InvalidGrantException")
        self._devices[device_code] = dataclasses.replace(device, polls=device.polls + 1, polled_at=now)
        session_id = check_poll(device, now, interval)
        self._devices[device_code] = dataclasses.replace(device, state="used")
        return session_id

    def waiting_device(self, user_code: str, now: float) -> DeviceAuthorization | None:
        """The pending device authorization of that user code; people type it without the dash, in lower case."""
        wanted = user_code.replace("-", "").strip().upper()
        return next((d for d in self.pending(now) if d.user_code.replace("-", "") == wanted), None)

    def pending(self, now: float) -> tuple[DeviceAuthorization, ...]:
        """Device authorizations that wait for a person."""
        return tuple(d for d in self._devices.values() if d.state == "pending" and now < d.expires_at)

    def decide_device(self, device_code: str, session_id: str | None) -> None:
        """A person's word: the session that came of it, or None for no."""
        device = self._devices[device_code]
        state: Literal["approved", "denied"] = "denied" if session_id is None else "approved"
        self._devices[device_code] = dataclasses.replace(device, state=state, session_id=session_id)

    def grant_code(self, request: AuthorizationRequest, session_id: str, expires_at: float) -> AuthorizationCode:
        code = AuthorizationCode(issue.authorization_code(), request, session_id, expires_at)
        self._codes[code.code] = code
        return code

    def redeem_code(self, code: str, client_id: str, redirect_uri: str, verifier: str, now: float) -> str:
        """The session of a code, which is used up; raises OidcRefused."""
        found = self._codes.get(code)
        session_id = check_code(found, client_id, redirect_uri, verifier, now)
        self._codes[code] = dataclasses.replace(self._codes[code], used=True)
        return session_id

    def ticket_for(self, subject: AuthorizationRequest | DeviceAuthorization, now: float) -> str:
        """A word for a page's form that nobody can guess who has not seen the page."""
        ticket = issue.ticket()
        about = subject.device_code if isinstance(subject, DeviceAuthorization) else subject
        self._tickets[ticket] = Ticket(about, now + TICKET_DURATION)
        return ticket

    def take_ticket(self, ticket: str, now: float) -> AuthorizationRequest | DeviceAuthorization | None:
        """What a page's form is about; a ticket is good once, and not for ever."""
        found = self._tickets.pop(ticket, None)
        if found is None or now >= found.expires_at:
            return None
        if not isinstance(found.subject, str):
            return found.subject
        device = self._devices[found.subject]
        return device if device.state == "pending" and now < device.expires_at else None
