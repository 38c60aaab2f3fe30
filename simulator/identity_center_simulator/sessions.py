"""Portal sessions and the tokens that hang on them.

A sign-in begins a session, or joins the one its user has: then its tokens end when that one ends. The end is absolute;
refreshing does not move it. Tokens of one sign-in are a *family*.
"""

from __future__ import annotations

import collections
import dataclasses
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from identity_center_simulator import issue
from identity_center_simulator.errors import OidcRefused, session_not_found

if TYPE_CHECKING:
    from collections.abc import Mapping

    from identity_center_simulator.clients import Client
    from identity_center_simulator.settings import Settings


@dataclass(frozen=True, slots=True)
class PortalSession:
    """A person's signed-in time at the access portal."""

    id: str
    user: str
    began_at: float
    ends_at: float
    assignments: Mapping[str, tuple[str, ...]]
    """As they were when it began; used where changes show in new sessions only."""
    signed_out: bool = False

    def alive(self, now: float) -> bool:
        return now < self.ends_at and not self.signed_out


@dataclass(frozen=True, slots=True)
class AccessToken:
    token: str = field(repr=False)
    session_id: str
    family: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class RefreshToken:
    token: str = field(repr=False)
    session_id: str
    client_id: str
    family: str
    replaced_at: float | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What CreateToken hands out. ``expires_in``: seconds."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in: int
    session: PortalSession


Redemption = Literal["new", "same", "absent", "refused", "refused-family"]


def redeem(token: RefreshToken, settings: Settings, now: float) -> Redemption:
    """What becomes of a refresh token that is presented while its session lives: what comes back beside the access
    token, or that it is refused (and whether its whole family dies of it)."""
    match settings.refresh_tokens:
        case "none":
            return "same"
        case "omitted":
            return "absent"
        case "rotate":
            in_grace = token.replaced_at is None or now - token.replaced_at < settings.refresh_grace
            return "new" if in_grace else "refused"
        case "single-use":
            return "new" if token.replaced_at is None else "refused"
        case "kill-family":
            return "new" if token.replaced_at is None else "refused-family"


def usable(token: AccessToken, session: PortalSession, settings: Settings, now: float) -> bool:
    """Whether the portal takes an access token. One can outlive its session where revocation is delayed, but never a
    ``Logout``."""
    if now >= token.expires_at or session.signed_out:
        return False
    return session.alive(now) or settings.revocation == "delayed"


class Sessions:
    """All sessions and tokens of an instance."""

    def __init__(self) -> None:
        self._sessions: dict[str, PortalSession] = {}
        self._access: dict[str, AccessToken] = {}
        self._refresh: dict[str, RefreshToken] = {}
        self._dead_families: set[str] = set()
        self._presented: collections.Counter[str] = collections.Counter()

    def sign_in(
        self, user: str, assignments: Mapping[str, tuple[str, ...]], settings: Settings, now: float
    ) -> PortalSession:
        """The user's session: the live one, or a new one."""
        for session in self._sessions.values():
            if session.user == user and session.alive(now):
                return session
        duration = min(settings.session_duration, settings.identity_provider_cap or settings.session_duration)
        session = PortalSession(uuid.uuid4().hex, user, now, now + duration, dict(assignments))
        self._sessions[session.id] = session
        return session

    def grant(self, session_id: str, client: Client, settings: Settings, now: float) -> Grant:
        """The first tokens of a sign-in; raises OidcRefused if its session is over already."""
        if not self._sessions[session_id].alive(now):
            raise OidcRefused("InvalidGrantException")
        family = uuid.uuid4().hex
        refresh = self._new_refresh(session_id, client.client_id, family) if client.refreshable else None
        duration = settings.legacy_access_token_duration if client.legacy else settings.access_token_duration
        return self._grant(session_id, family, refresh, duration, now)

    def refresh(self, presented: str, client: Client, settings: Settings, now: float) -> Grant:
        """New tokens for a refresh token; raises OidcRefused."""
        token = self._refresh.get(presented)
        if token is None or token.client_id != client.client_id or token.family in self._dead_families:
            raise OidcRefused("InvalidGrantException", "Invalid refresh token provided")
        redemption = redeem(token, settings, now)
        alive = self._sessions[token.session_id].alive(now)
        if not alive or redemption in {"refused", "refused-family"}:
            if redemption == "refused-family":
                self._dead_families.add(token.family)
            raise OidcRefused("InvalidGrantException", "Invalid refresh token provided")
        return self._refreshed(token, redemption, settings, now)

    def check(self, presented: str | None, settings: Settings, now: float) -> PortalSession:
        """The session of an access token; raises PortalRefused."""
        token = self._access.get(presented or "")
        if token is None or token.family in self._dead_families:
            raise session_not_found()
        session = self._sessions[token.session_id]
        if not usable(token, session, settings, now):
            raise session_not_found()
        return session

    def sign_out(self, session_id: str) -> None:
        """``Logout``: nothing of this session works any more."""
        self._sessions[session_id] = dataclasses.replace(self._sessions[session_id], signed_out=True)

    def end(self, now: float, *, user: str | None = None, session_id: str | None = None) -> tuple[str, ...]:
        """An administrator's word: sessions (of one user, or one, or all) end now; their ids."""
        ended = [
            session
            for session in self._sessions.values()
            if session.alive(now) and user in {None, session.user} and session_id in {None, session.id}
        ]
        for session in ended:
            self._sessions[session.id] = dataclasses.replace(session, ends_at=now)
        return tuple(session.id for session in ended)

    def every(self) -> tuple[PortalSession, ...]:
        return tuple(self._sessions.values())

    def session_of(self, presented: str | None) -> PortalSession | None:
        """Whose token that is, good or not."""
        token = self._access.get(presented or "") or self._refresh.get(presented or "")
        return None if token is None else self._sessions[token.session_id]

    def present(self, refresh_token: str) -> int:
        """Count that a refresh token was presented, whatever comes of it; how often it was, this time included.

        Apart from `refresh`, because a fault or the throttle may refuse the call first: it was sent all the same.
        """
        self._presented[refresh_token] += 1
        return self._presented[refresh_token]

    def _refreshed(self, token: RefreshToken, redemption: Redemption, settings: Settings, now: float) -> Grant:
        replaced_at = token.replaced_at
        following: str | None = token.token if redemption == "same" else None
        if redemption == "new":
            following = self._new_refresh(token.session_id, token.client_id, token.family)
            replaced_at = now if replaced_at is None else replaced_at
        self._refresh[token.token] = dataclasses.replace(token, replaced_at=replaced_at)
        return self._grant(token.session_id, token.family, following, settings.access_token_duration, now)

    def _new_refresh(self, session_id: str, client_id: str, family: str) -> str:
        token = RefreshToken(issue.refresh_token(), session_id, client_id, family)
        self._refresh[token.token] = token
        return token.token

    def _grant(self, session_id: str, family: str, refresh: str | None, duration: float, now: float) -> Grant:
        access = AccessToken(issue.access_token(), session_id, family, now + duration)
        self._access[access.token] = access
        return Grant(access.token, refresh, int(duration), self._sessions[session_id])
