"""Role credentials held, and renewals in flight.

A renewal belongs to the broker, not to the request that asked for it: one for each role, whoever waits for it and
whoever gives up. Its outcome, good or bad, is kept with the role; nobody but the broker writes there.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, assert_never

from keyfobd.core import freshness
from keyfobd.core.errors import InternalError, KeyfobError, NotPermitted, NotYet, SignInNeeded, Unreachable
from keyfobd.core.freshness import Failure, RenewFirst, RenewThenServe, Serve, ServeAndRenew
from keyfobd.core.model import ChainedRole, Instant, Role, RoleCredentials, SsoRole, elapsed
from keyfobd.core.times import rfc3339
from keyfobd.limiter import Priority, Urgency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from keyfobd.limiter import Clock

log = logging.getLogger(__name__)

LARGEST_BODY = 10_000
"""Bytes; the CRT refuses longer answers."""
SLACK = 0.05
"""Seconds kept back of a request's deadline for the answer itself."""
GLANCE = 0.05
"""Seconds until a renewal has certainly taken its place in the queue, and may be asked how long it will stand there."""
LONGEST_LOOK = 15.0
MEMORY_OF_USE = 600.0
"""Seconds for which an unanswered request keeps a role wanted, so that it is there when the network is."""

RoleState = Literal["fresh", "renewing", "failing", "expired", "not-permitted", "waiting-for-sign-in"]


class Source(Protocol):
    """Where role credentials come from (``Sessions``)."""

    async def role_credentials(self, role: SsoRole, urgency: Urgency) -> RoleCredentials: ...


@dataclass(frozen=True, slots=True)
class Held:
    """Credentials and the one body that they are served as."""

    credentials: RoleCredentials
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RoleView:
    """A role as ``status`` shows it; times in seconds since 1970."""

    role: Role
    state: RoleState
    expires_at: float | None
    renew_at: float | None
    last_asked_at: float | None
    failure: KeyfobError | None


@dataclass(slots=True)
class _Entry:
    role: Role
    held: Held | None = None
    early: float = 0.0  # this pair's jitter, of renew_before
    before: Instant | None = None  # when the pair before this one was fetched
    failure: Failure | None = None
    renewal: asyncio.Task[None] | None = None
    urgency: Urgency | None = None  # of the renewal in flight
    asked: Instant | None = None
    wanted_since: Instant | None = None  # asked for in vain

    @property
    def credentials(self) -> RoleCredentials | None:
        return self.held.credentials if self.held is not None else None


class Broker:
    """Serves from memory; ``chance`` yields a number in [0, 1) and ``deadline`` is in seconds."""

    def __init__(self, source: Source, clock: Clock, *, deadline: float, chance: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._deadline = deadline
        self._chance = chance
        self._entries: dict[Role, _Entry] = {}
        self._changed = asyncio.Event()
        self.unexpected = 0  # bugs met in renewals; `status` shows them

    # --- serving --------------------------------------------------------------------------------------------------

    async def credentials(self, role: Role, *, wait: float | None = None) -> Held:
        """Credentials for a role, within the deadline (or ``wait`` seconds, for those who have more patience).

        Raises what keeps the role from being served: ``SignInNeeded``, ``NotPermitted``, ``Unreachable``, ``NotYet`` …
        """
        now = self._clock.now()
        entry = self._entries.setdefault(role, _Entry(role))
        entry.asked = now
        decision = freshness.decide(entry.credentials, entry.early, entry.failure, now)
        match decision:
            case Serve():
                pass
            case ServeAndRenew():
                self._renew(entry, Priority.RENEWAL)
            case RenewThenServe():
                await self._wait(self._renew(entry, Priority.ASKED), entry, wait)
            case RenewFirst():
                return await self._first(entry, now, wait)
            case _:
                assert_never(decision)
        return self._valid(entry)

    async def _first(self, entry: _Entry, now: Instant, wait: float | None) -> Held:
        entry.wanted_since = now
        if entry.failure is not None and not freshness.may_try(entry.failure, now, asked=True):
            raise entry.failure.error.bare()
        await self._wait(self._renew(entry, Priority.ASKED), entry, wait)
        return self._valid(entry)

    def _valid(self, entry: _Entry) -> Held:
        """What is held, if it has life left this very moment, whatever was decided before the waiting."""
        if entry.held is not None and entry.held.credentials.remaining(self._clock.now()) > 0:
            return entry.held
        if entry.renewal is None and entry.failure is not None:
            raise entry.failure.error.bare()
        raise NotYet("The credentials are being fetched.")

    async def _wait(self, renewal: asyncio.Task[None], entry: _Entry, wait: float | None) -> None:
        seconds = self._deadline - SLACK if wait is None else wait
        await asyncio.wait({renewal}, timeout=min(GLANCE, seconds))
        if not renewal.done() and entry.urgency is not None and entry.urgency.expected_wait() > seconds - GLANCE:
            return  # its turn comes later than that: an answer now is worth more
        await asyncio.wait({renewal}, timeout=seconds - GLANCE)

    # --- renewing -------------------------------------------------------------------------------------------------

    def _renew(self, entry: _Entry, priority: Priority) -> asyncio.Task[None]:
        if entry.renewal is None or entry.urgency is None:
            left = entry.credentials.remaining(self._clock.now()) if entry.credentials is not None else 0.0
            entry.urgency = Urgency(priority, left)
            entry.renewal = asyncio.create_task(self._renewal(entry, entry.urgency), name=f"renew {entry.role}")
        entry.urgency.rise(priority)
        return entry.renewal

    async def _renewal(self, entry: _Entry, urgency: Urgency) -> None:
        try:
            await self._fetch(entry, urgency)
        except KeyfobError as error:
            self._failed(entry, error)
        except Exception as bug:  # one role's misfortune, not the daemon's
            self.unexpected += 1
            if entry.failure is None or entry.failure.error.code != InternalError.code:  # a lasting bug is said once
                log.exception("renewing %s failed unexpectedly", entry.role)
            self._failed(
                entry, InternalError(f"keyfob failed unexpectedly ({type(bug).__name__}).", "Run: keyfob status")
            )
        finally:
            entry.renewal = entry.urgency = None
            self._changed.set()

    async def _fetch(self, entry: _Entry, urgency: Urgency) -> None:
        match entry.role:
            case SsoRole():
                credentials = await self._source.role_credentials(entry.role, urgency)
            case ChainedRole():
                raise NotPermitted(f"The profile {entry.role} assumes a role by role_arn, which keyfob cannot do yet.")
            case _:
                assert_never(entry.role)
        now = self._clock.now()
        if credentials.remaining(now) <= 0:
            raise Unreachable("Identity Center handed out credentials that have already expired.", "Run: keyfob status")
        entry.before = entry.credentials.fetched if entry.credentials is not None else None
        entry.held = Held(credentials, rendered(credentials))
        entry.early = 0.1 * self._chance()
        entry.failure = entry.wanted_since = None

    def _failed(self, entry: _Entry, error: KeyfobError) -> None:
        if isinstance(error, NotPermitted):
            entry.held = entry.wanted_since = None
        if entry.failure is None or entry.failure.error.code != error.code:  # once, however often it is met again
            log.info("no new credentials for %s: %s", entry.role, error.code)
        entry.failure = freshness.failed(error, entry.failure, self._clock.now(), self._chance())
        if isinstance(error, SignInNeeded):  # asking again costs no call, and the answer changes with the sign-in
            entry.failure = Failure(error, entry.failure.at, entry.failure.count, 0.0)

    # --- looking after what is held ---------------------------------------------------------------------------------

    def look(self) -> float:
        """Start the renewals that are due; seconds until it wants to be called again, at most 15."""
        now = self._clock.now()
        self._entries = {role: entry for role, entry in self._entries.items() if not _is_forgotten(entry, now)}
        return min([LONGEST_LOOK, *(self._look_at(entry, now) for entry in self._entries.values())])

    def _look_at(self, entry: _Entry, now: Instant) -> float:
        if entry.renewal is not None or _is_hopeless(entry) or not _is_in_use(entry, now):
            return LONGEST_LOOK
        credentials = entry.credentials
        if credentials is None or credentials.remaining(now) <= 0:
            wait = max(0.0, entry.failure.pause - elapsed(entry.failure.at, now)) if entry.failure is not None else 0.0
        else:
            wait = freshness.seconds_until_due(credentials, entry.early, entry.failure, now)
        if wait > 0:
            return wait
        self._renew(entry, Priority.RENEWAL)
        return LONGEST_LOOK

    async def changed(self) -> None:
        """Return when a renewal has ended since the last call, so that the next look can be planned."""
        await self._changed.wait()
        self._changed.clear()

    def want(self, roles: Iterable[Role]) -> None:
        """Fetch these as soon as may be: roles that were in use before a restart, most recently asked for first."""
        for role in roles:
            entry = self._entries.setdefault(role, _Entry(role))
            entry.wanted_since = self._clock.now()
            if entry.held is None:
                self._renew(entry, Priority.RENEWAL)

    def session_resumed(self, name: str) -> None:
        """The session is there (again), the same as before: forget what failed for want of it."""
        for entry in self._of_session(name):
            entry.failure = None
        self._changed.set()

    def session_begun(self, name: str) -> None:
        """Somebody has signed in, who need not be the one from before: what is held goes, and what is in use is fetched
        anew at once."""
        now = self._clock.now()
        in_use = [entry for entry in self._of_session(name) if _is_in_use(entry, now)]
        self.drop_session(name)
        for entry in in_use:
            self._entries[entry.role] = _Entry(entry.role, asked=entry.asked, wanted_since=now)
        self._changed.set()

    def drop_session(self, name: str) -> None:
        """The person wants out: nothing of that session is served any more, and what is on its way is not taken."""
        for entry in self._of_session(name):
            del self._entries[entry.role]
            entry.held = None  # somebody may be waiting with this entry in hand
            if entry.renewal is not None:
                entry.renewal.cancel()

    def _of_session(self, name: str) -> list[_Entry]:
        return [e for e in self._entries.values() if isinstance(e.role, SsoRole) and e.role.session == name]

    async def close(self) -> None:
        """Cancel what is in flight."""
        renewals = [e.renewal for e in self._entries.values() if e.renewal is not None]
        for renewal in renewals:
            renewal.cancel()
        await asyncio.gather(*renewals, return_exceptions=True)

    # --- telling ----------------------------------------------------------------------------------------------------

    def views(self) -> list[RoleView]:
        """Every role that was asked for, most recently first."""
        now = self._clock.now()
        entries = sorted(
            self._entries.values(), key=lambda e: e.asked.wall if e.asked is not None else 0.0, reverse=True
        )
        return [_view(entry, now) for entry in entries]


def _is_hopeless(entry: _Entry) -> bool:
    """Whether a person must do something first."""
    return entry.failure is not None and isinstance(entry.failure.error, NotPermitted | SignInNeeded)


def _is_in_use(entry: _Entry, now: Instant) -> bool:
    """Whether it is worth having before somebody asks: it was asked for since the credentials before these were fetched
    (since these, when they are the first), or in vain a while ago. A tool that resolves 900 profiles once causes no
    renewals."""
    if entry.wanted_since is not None:
        return elapsed(entry.wanted_since, now) < MEMORY_OF_USE
    if entry.held is None or entry.asked is None:
        return False
    return entry.asked.boot > (entry.before or entry.held.credentials.fetched).boot


def _is_forgotten(entry: _Entry, now: Instant) -> bool:
    """Whether nothing is held or under way, and nobody has asked for a while: secrets that have expired go too."""
    if entry.renewal is not None or (entry.held is not None and entry.held.credentials.remaining(now) > 0):
        return False
    return all(at is None or elapsed(at, now) >= MEMORY_OF_USE for at in (entry.asked, entry.wanted_since))


def rendered(credentials: RoleCredentials) -> bytes:
    """The one body for these credentials. Raises ``Unreachable`` for keys that no SDK would take."""
    answer = {
        "Code": "Success",
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.session_token,
        "Expiration": rfc3339(credentials.expiration),
    }
    if isinstance(credentials.role, SsoRole):
        answer["AccountId"] = credentials.role.account_id
    body = json.dumps(answer).encode()
    if len(body) >= LARGEST_BODY:
        raise Unreachable("Identity Center answered with credentials too large for AWS SDKs.", "Run: keyfob status")
    return body


def _view(entry: _Entry, now: Instant) -> RoleView:
    credentials = entry.credentials
    remaining = credentials.remaining(now) if credentials is not None else 0.0
    renew_in = None
    if credentials is not None and remaining > 0:
        renew_in = freshness.seconds_until_due(credentials, entry.early, entry.failure, now)
    return RoleView(
        role=entry.role,
        state=_state(entry, valid=remaining > 0),
        expires_at=credentials.expiration if credentials is not None else None,
        renew_at=now.wall + renew_in if renew_in is not None else None,
        last_asked_at=entry.asked.wall if entry.asked is not None else None,
        failure=entry.failure.error if entry.failure is not None else None,
    )


def _state(entry: _Entry, *, valid: bool) -> RoleState:
    error = entry.failure.error if entry.failure is not None else None
    if isinstance(error, NotPermitted):
        return "not-permitted"
    if valid:
        return "fresh" if error is None else "failing"
    if isinstance(error, SignInNeeded):
        return "waiting-for-sign-in"
    return "renewing" if entry.renewal is not None and error is None else "expired"
