"""All sessions: what is configured, what is sealed, who signs in and out, and what needs doing."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from keyfobd.catalogue import Lister, entitlements
from keyfobd.core.errors import (
    KeyfobError,
    Locked,
    OriginsChanged,
    SignInNeeded,
    StorageProblem,
    UnknownTarget,
)
from keyfobd.held_session import LONGEST_LOOK, HeldSession, Renewer
from keyfobd.limiter import Limiter, Priority, Urgency
from keyfobd.session_view import Circumstances, SessionView, view_of
from keyfobd.sign_in import Authorizer, Means, SignIn
from keyfobd.sign_out import leave

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

    from keyfob.wire import LoggedOut, LoginEvent, StorageAnswer
    from keyfobd.core.model import (
        CatalogueEntry,
        Flow,
        Registration,
        RoleCredentials,
        SealedSession,
        Session,
        SsoRole,
        Tokens,
    )
    from keyfobd.limiter import Clock

log = logging.getLogger(__name__)

Identity = tuple[str, str, str, tuple[str, ...]]


class Center(Renewer, Authorizer, Lister, Protocol):
    """Identity Center, as far as sessions go."""

    async def role_credentials(self, session: Session, access_token: str, role: SsoRole) -> RoleCredentials: ...
    async def logout(self, session: Session, access_token: str) -> None: ...


class Store(Protocol):
    """The sealed file."""

    @property
    def storage(self) -> StorageAnswer: ...
    async def open(self) -> tuple[SealedSession, ...]: ...
    async def store(self, sessions: Mapping[str, SealedSession]) -> None: ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What chance and the settings decide: ``chance`` yields a number in [0, 1), ``sign_in`` the means by name."""

    chance: Callable[[], float]
    calls_per_second: float
    sign_in: Callable[[str], Means]


class Listener(Protocol):
    """Who wants to know of beginnings and ends (the broker)."""

    def session_resumed(self, name: str) -> None: ...
    def session_begun(self, name: str) -> None: ...
    def drop_session(self, name: str) -> None: ...


class Sessions:
    """One owner of every session."""

    def __init__(self, center: Center, store: Store, clock: Clock, rules: Rules) -> None:
        self._center = center
        self._store = store
        self._clock = clock
        self._rules = rules
        self._held: dict[str, HeldSession] = {}  # those in ~/.aws/config now, by name
        self._known: dict[Identity, HeldSession] = {}  # and those that were there before: a renewal of theirs may end
        self._records: dict[str, SealedSession] = {}  # as last read or made, by key; some belong to nothing configured
        self._limiters: dict[tuple[str, str], Limiter] = {}
        self._sign_ins: dict[HeldSession, SignIn] = {}
        self._listings: dict[tuple[HeldSession, float], asyncio.Task[tuple[CatalogueEntry, ...]]] = {}
        self._leaving: set[asyncio.Task[LoggedOut]] = set()
        self._opened = asyncio.Event()
        self.listener: Listener | None = None  # set once by the composition root

    # --- what there is ----------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Take over what is sealed. Until this has ended requests wait, each for its own deadline."""
        try:
            self._take(await self._store.open())
        finally:
            self._opened.set()

    def unlocked(self, records: Iterable[SealedSession]) -> None:
        """The keyring came late: take over what is not held already."""
        self._take(records)

    def _take(self, records: Iterable[SealedSession]) -> None:
        for record in records:
            self._records.setdefault(record.key, record)
        for held in self._known.values():
            self._resume(held)

    def _resume(self, held: HeldSession) -> None:
        if held.record is None:
            held.record = next((r for r in self._records.values() if r.session.identity == held.session.identity), None)
            if held.tokens is not None and self.listener is not None:
                self.listener.session_resumed(held.session.name)

    def configure(self, sessions: Iterable[Session]) -> None:
        """These are the sessions of ``~/.aws/config`` now. What belonged to others is set aside, not used, not lost."""
        before = self._held
        self._held = {session.name: self._holder(session) for session in sessions}
        for name, held in before.items():
            if self._held.get(name) is not held:
                self._drop_roles(held)

    def _holder(self, session: Session) -> HeldSession:
        """One for each identity, for good: what is under way when the file changes must not be lost."""
        held = self._known.get(session.identity)
        if held is None:
            held = self._known[session.identity] = self._new(session)
            self._resume(held)
        held.session = session
        return held

    def _new(self, session: Session) -> HeldSession:
        limiter = self._limiters.setdefault(
            (session.name, session.region), Limiter(self._clock, self._rules.calls_per_second)
        )
        return HeldSession(session, self._center, self._clock, limiter, save=self._save, chance=self._rules.chance)

    async def _save(self) -> None:
        """Make what is held durable. Where that cannot be, memory goes on and ``status`` says so."""
        for held in self._known.values():
            if held.record is not None:
                self._records[held.record.key] = held.record
        try:
            await self._store.store(self._records)
        except StorageProblem as problem:
            log.error("the sessions could not be stored: %s", problem)  # noqa: TRY400 - expected, and said in one line

    def named(self, name: str) -> HeldSession:
        """Raises ``UnknownTarget``."""
        held = self._held.get(name)
        if held is None:
            raise UnknownTarget(f"There is no session {name} in ~/.aws/config.", "Run: keyfob status")
        return held

    # --- role credentials -------------------------------------------------------------------------------------------

    async def role_credentials(self, role: SsoRole, urgency: Urgency) -> RoleCredentials:
        """Fetch credentials for a role, in turn. Raises what design §6 names."""
        await self._opened.wait()
        held = self.named(role.session)
        self._check_lock(held)
        return await held.call(urgency, lambda token: self._center.role_credentials(held.session, token, role))

    def _check_lock(self, held: HeldSession) -> None:
        if held.tokens is None and self._store.storage["kind"] == "locked":
            raise Locked("The keyring is locked, and with it the sign-ins.", "Unlock it, then run: keyfob status")

    # --- signing in -------------------------------------------------------------------------------------------------

    async def login(self, name: str, flow: Flow, *, force: bool) -> AsyncGenerator[LoginEvent, None]:
        """Sign in, or join who is signing in: events until ``done`` or ``failed``. To be closed with ``aclosing``."""
        await self._opened.wait()
        held = self.named(name)
        if not force and self._running(held) is None and await self._is_signed_in(held):
            yield self._done(held, already=True)
            return
        sign_in = self._running(held) or self._start(held, flow, force=force)
        async with aclosing(sign_in.listen()) as events:
            async for event in events:
                yield event

    async def _is_signed_in(self, held: HeldSession) -> bool:
        """Identity Center's own word where it can be had: a session may have been ended elsewhere."""
        if held.tokens is None or held.ended:
            return False
        try:
            await held.call(Urgency(Priority.ASKED), lambda token: self._center.accounts(held.session, token, None))
        except (SignInNeeded, OriginsChanged):
            return False
        except KeyfobError as error:
            log.info("whether the session %s lives could not be asked: %s", held.session.name, error.code)
        return True

    def _running(self, held: HeldSession) -> SignIn | None:
        sign_in = self._sign_ins.get(held)
        return sign_in if sign_in is not None and not sign_in.over else None

    def _start(self, held: HeldSession, flow: Flow, *, force: bool) -> SignIn:
        async def finish(tokens: Tokens, registration: Registration) -> LoginEvent:
            return await self._signed_in(held, tokens, registration)

        async def end_the_old_one() -> None:
            await leave(held, self._center)

        means = self._rules.sign_in(held.session.name)
        sign_in = SignIn(held, flow, self._center, self._clock, means, finish, end_the_old_one if force else None)
        self._sign_ins[held] = sign_in
        sign_in.start()
        return sign_in

    async def _signed_in(self, held: HeldSession, tokens: Tokens, registration: Registration) -> LoginEvent:
        await held.begin(tokens, await self._center.origins(held.session.region), registration)
        log.info("signed in to %s", held.session.name)
        if self.listener is not None:
            self.listener.session_begun(held.session.name)
        self._list(held)
        return self._done(held, already=False)

    def _done(self, held: HeldSession, *, already: bool) -> LoginEvent:
        storage = self._store.storage
        notes = []
        if storage["kind"] == "memory":
            notes.append(f"This sign-in ends with the daemon: {storage['detail'] or 'it is kept in memory alone'}.")
        elif storage["kind"] == "locked":
            notes.append("This sign-in is in memory alone until the keyring is unlocked; then run: keyfob status")
        return {
            "event": "done",
            "session": held.session.name,
            "start_url": held.session.start_url,
            "already": already,
            "notes": notes,
            "storage": storage,
        }

    # --- signing out ------------------------------------------------------------------------------------------------

    async def logout(self, name: str) -> LoggedOut:
        """Sign out at Identity Center and forget tokens and role credentials; offline it forgets, and says so. Once
        begun it is done, whoever stops waiting for it."""
        await self._opened.wait()
        held = self.named(name)
        self._check_lock(held)  # what cannot be seen cannot be forgotten: it would be back with the unlock
        leaving = asyncio.create_task(self._log_out(held), name=f"log out {name}")
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        return await asyncio.shield(leaving)

    async def _log_out(self, held: HeldSession) -> LoggedOut:
        sign_in = self._sign_ins.pop(held, None)
        if sign_in is not None:
            await sign_in.close()
        self._drop_roles(held)
        answer = await leave(held, self._center)
        self._drop_roles(held)  # whatever came in between
        return answer

    def _drop_roles(self, held: HeldSession) -> None:
        if self.listener is not None:
            self.listener.drop_session(held.session.name)

    # --- the catalogue ----------------------------------------------------------------------------------------------

    async def catalogue(self, name: str, *, refresh: bool = False) -> tuple[CatalogueEntry, ...]:
        """Accounts and roles, from memory where they were listed before."""
        await self._opened.wait()
        held = self.named(name)
        self._check_lock(held)
        if held.tokens is None:
            raise held.sign_in_needed()
        if held.record is not None and held.record.catalogue and not refresh:
            return held.record.catalogue
        return await asyncio.shield(self._list(held))

    def known_catalogue(self, name: str) -> tuple[CatalogueEntry, ...]:
        """What was listed before; nothing on a request's way ever lists accounts."""
        held = self._held.get(name)
        return held.record.catalogue if held is not None and held.record is not None else ()

    def _list(self, held: HeldSession) -> asyncio.Task[tuple[CatalogueEntry, ...]]:
        """One listing for each sign-in, whoever wants it: the next person's list is another."""
        sign_in = (held, held.signed_in_at)
        running = self._listings.get(sign_in)
        if running is None:
            running = asyncio.create_task(self._listing(held), name=f"list {held.session.name}")
            running.add_done_callback(_note_listing)
            running.add_done_callback(lambda _: self._listings.pop(sign_in, None))
            self._listings[sign_in] = running
        return running

    async def _listing(self, held: HeldSession) -> tuple[CatalogueEntry, ...]:
        begun = held.signed_in_at
        entries = await entitlements(held, self._center)
        still = held.tokens is not None and held.signed_in_at == begun
        if held.record is not None and still and held.record.catalogue != entries:
            held.record = replace(held.record, catalogue=entries)
            await self._save()
        return entries

    # --- looking after them -----------------------------------------------------------------------------------------

    def look(self) -> float:
        """Renew what is due; seconds until it wants to be called again, at most 15."""
        return min([LONGEST_LOOK, *(held.look() for held in self._held.values())])

    async def settled(self, seconds: float) -> None:
        """Return when the sealed file has been read, or when nobody should wait any longer for a keyring."""
        opened = asyncio.create_task(self._opened.wait())
        await asyncio.wait({opened}, timeout=seconds)
        opened.cancel()

    def views(self) -> list[SessionView]:
        """Every configured session."""
        return [view_of(held, self._circumstances(held)) for held in self._held.values()]

    def _circumstances(self, held: HeldSession) -> Circumstances:
        return Circumstances(
            now=self._clock.now(),
            signing_in=self._running(held) is not None,
            locked=self._store.storage["kind"] == "locked",
        )

    async def end_sign_ins(self) -> None:
        """Tell those who wait for a sign-in that there will be none, and cancel it."""
        for sign_in in tuple(self._sign_ins.values()):
            if not sign_in.over:
                await sign_in.close()

    async def close(self) -> None:
        """Cancel what is in flight; a renewal has a moment to end, and none begins any more."""
        await self.end_sign_ins()
        others = (*self._listings.values(), *self._leaving)
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.gather(*(held.close() for held in self._known.values()))


def _note_listing(listing: asyncio.Task[tuple[CatalogueEntry, ...]]) -> None:
    """A listing that nobody waits for may fail; the next ``list`` will say why."""
    if not listing.cancelled() and (error := listing.exception()) is not None:
        log.info("listing accounts failed: %s", error if isinstance(error, KeyfobError) else type(error).__name__)
