"""One session held: its tokens, their renewal ahead of time, and the calls that are made with them.

Renewals are single flight and belong to the session, not to who asked. Nothing that the network does ends a session;
only Identity Center's own word does, and then no more calls are made until somebody signs in.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar, assert_never

from keyfobd.core import freshness
from keyfobd.core.errors import (
    Busy,
    GrantRefused,
    InternalError,
    KeyfobError,
    NotYet,
    OriginsChanged,
    RegistrationGone,
    SignInNeeded,
    TokenRejected,
    Unreachable,
)
from keyfobd.core.freshness import Failure, RenewFirst, RenewThenServe, Serve, ServeAndRenew
from keyfobd.core.model import SealedSession
from keyfobd.limiter import Limiter, Priority, Urgency

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keyfobd.core.model import Flow, Origins, Registration, Session, Tokens
    from keyfobd.limiter import Clock

log = logging.getLogger(__name__)

T = TypeVar("T")

SETTLING = (0.0, 1.0, 3.0)
"""Seconds before each try with a renewed token that is refused still: a new one can take moments to be known."""
REGISTRATION_MARGIN = 900.0
"""Seconds that a registration must have left to be used for a new sign-in; the AWS CLI wants as many."""
LONGEST_LOOK = 15.0
CLOSING = 2.0
"""Seconds that a renewal under way has to end when the daemon stops."""


class Renewer(Protocol):
    """What it takes to keep a session alive."""

    async def origins(self, region: str) -> Origins: ...
    async def refresh(self, session: Session, registration: Registration, refresh_token: str) -> Tokens: ...


class HeldSession:
    """``save`` makes what is held durable; ``on_change`` is called when the session begins or ends."""

    def __init__(
        self,
        session: Session,
        center: Renewer,
        clock: Clock,
        limiter: Limiter,
        *,
        save: Callable[[], Awaitable[None]],
        chance: Callable[[], float],
    ) -> None:
        self.session = session
        self.limiter = limiter
        self.record: SealedSession | None = None
        self.ended = False
        self.elsewhere: OriginsChanged | None = None  # the tokens are from other endpoints
        self.trouble: str | None = None  # what keeps Identity Center from being reached, while it does
        self._center = center
        self._clock = clock
        self._save = save
        self._chance = chance
        self._early = 0.1 * chance()
        self._failure: Failure | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._saving: asyncio.Future[None] | None = None
        self._closed = False
        self._ahead: asyncio.Task[None] | None = None
        self._began = asyncio.Event()  # replaced at each sign-in: wakes those who wait for a token to settle

    @property
    def tokens(self) -> Tokens | None:
        return self.record.tokens if self.record is not None else None

    @property
    def signed_in_at(self) -> float:
        """When the sign-in was that is held, in seconds since 1970; 0 before the first."""
        return self.record.signed_in_at if self.record is not None else 0.0

    # --- calling ----------------------------------------------------------------------------------------------------

    async def call(self, urgency: Urgency, operation: Callable[[str], Awaitable[T]]) -> T:
        """Make one call with the access token. A token that is refused before its time is renewed once; the session
        is over only when Identity Center refuses the renewed one as well, for five seconds."""
        tokens = await self.access_token()
        try:
            return await self.limited(urgency, operation, tokens.access_token)
        except TokenRejected:
            if tokens.refresh_token is not None or self.tokens is not tokens:
                tokens = await self._renewed_after(tokens)
        for pause in SETTLING:
            await self._let_settle(pause)
            tokens = self._current()
            try:
                return await self.limited(urgency, operation, tokens.access_token)
            except TokenRejected:
                continue
        if self._current() is not tokens:
            raise NotYet("The session was renewed this very moment.")
        raise self.end("the access token is refused")

    def _current(self) -> Tokens:
        """The tokens that are held now. Raises ``SignInNeeded``: whoever signs out meanwhile ends no session."""
        if self.tokens is None or self.ended:
            raise self.sign_in_needed()
        return self.tokens

    async def limited(self, urgency: Urgency, operation: Callable[[str], Awaitable[T]], argument: str = "") -> T:
        """Make one call when it is its turn, and note whether Identity Center can be reached."""
        await self.limiter.turn(urgency)
        started = self._clock.now()
        try:
            answer = await operation(argument)
        except Busy as busy:
            self.limiter.throttled(started)
            self.trouble = busy.message
            raise busy.of_session(self.session.name) from None
        except Unreachable as trouble:
            self.trouble = trouble.message
            raise trouble.of_session(self.session.name) from None
        except KeyfobError:  # an answer, if not the one wished for
            self.trouble = None
            raise
        self.trouble = None
        return answer

    async def _let_settle(self, seconds: float) -> None:
        if seconds:
            waiting = asyncio.create_task(self._began.wait())
            await asyncio.wait({waiting}, timeout=seconds)
            waiting.cancel()

    # --- the access token -------------------------------------------------------------------------------------------

    async def access_token(self) -> Tokens:
        """The access token, valid now. Raises ``SignInNeeded``, ``OriginsChanged`` or why it cannot be renewed."""
        tokens = self._current()
        await self._check_origins()
        decision = freshness.decide(tokens, self._early, self._failure, self._clock.now())
        match decision:
            case Serve(token):
                return token
            case ServeAndRenew(token) | RenewThenServe(token):
                if token.refresh_token is not None and not self._closed:
                    self._renew()
                return token
            case RenewFirst():
                return await self._renewed_after(tokens)
            case _:
                assert_never(decision)

    async def _renewed_after(self, old: Tokens) -> Tokens:
        """Other tokens than ``old``: those that somebody else has renewed meanwhile, or newly renewed ones."""
        if self.tokens is old:
            if old.refresh_token is None:
                raise self.end("the access token cannot be renewed")
            if self._failure is not None and not freshness.may_try(self._failure, self._clock.now(), asked=True):
                raise self._failure.error.bare()
            await asyncio.wait({self._renew()})
        if self.tokens is None or self.ended:
            raise self.sign_in_needed()
        if self.tokens is old:
            raise self._failure.error.bare() if self._failure is not None else self.sign_in_needed()
        return self.tokens

    def _renew(self) -> asyncio.Task[None]:
        if self._closed:  # nobody would keep what it yields
            raise NotYet("keyfobd is stopping.", "Run: keyfob start")
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renewal_of(self.tokens), name=f"renew {self.session.name}")
        return self._renewal

    async def _renewal_of(self, old: Tokens | None) -> None:
        try:
            if old is not None and old.refresh_token is not None:
                await self._refresh(old, old.refresh_token)
        except (GrantRefused, RegistrationGone) as refusal:
            if isinstance(refusal, RegistrationGone) and old is not None:
                self.forget_registration(old.registration)
            if self.tokens is old:
                self.end(refusal.code)
        except KeyfobError as error:
            self._failure = freshness.failed(error, self._failure, self._clock.now(), self._chance())
        except Exception:
            if self._failure is None or self._failure.error.code != InternalError.code:  # a lasting bug is said once
                log.exception("renewing the access token of %s failed unexpectedly", self.session.name)
            bug = InternalError("keyfob failed unexpectedly at renewing the session.", "Run: keyfob status")
            self._failure = freshness.failed(bug, self._failure, self._clock.now(), self._chance())
        finally:
            self._renewal = None

    async def _refresh(self, old: Tokens, refresh_token: str) -> None:
        async def refresh(_: str) -> Tokens:
            return await self._center.refresh(self.session, old.registration, refresh_token)

        new = await self.limited(Urgency(Priority.TOKEN, old.remaining(self._clock.now())), refresh)
        if self.tokens is old and self.record is not None:  # nobody signed in or out meanwhile
            await self._hold(replace(self.record, tokens=new))

    async def _check_origins(self) -> None:
        """Tokens go where they came from, and nowhere else."""
        here = await self._center.origins(self.session.region)
        self.elsewhere = None
        if self.record is not None and self.record.origins != here:
            self.elsewhere = OriginsChanged(
                f"The session {self.session.name} was signed in at other endpoints than the ones configured now; "
                "nothing is sent there.",
                f"Set the endpoints back, or run: keyfob login {self.session.name} --force",
            )
            raise self.elsewhere

    # --- beginning and ending -----------------------------------------------------------------------------------------

    async def begin(self, tokens: Tokens, origins: Origins, registration: Registration) -> None:
        """A sign-in has ended well."""
        registrations = (registration, *(r for r in self.registrations() if r.flow != registration.flow))
        catalogue = self.record.catalogue if self.record is not None else ()
        self.ended = False
        self.elsewhere = None
        self._began.set()
        self._began = asyncio.Event()
        await self._hold(
            SealedSession(self.session, origins, tokens, registrations, catalogue, signed_in_at=self._clock.now().wall)
        )

    async def _hold(self, record: SealedSession) -> None:
        self.record = record
        self._failure = None
        self._early = 0.1 * self._chance()
        await self._save()

    def end(self, reason: str) -> SignInNeeded:
        """Identity Center's own word: this session is over. Said once, and no calls are made until a sign-in."""
        if not self.ended:
            self.ended = True
            if self.record is not None:  # the next daemon must not take them for good
                self.record = replace(self.record, tokens=None)
                self._saving = asyncio.ensure_future(self._save())
            log.warning("the session %s has ended (%s): keyfob login %s", self.session.name, reason, self.session.name)
        return self.sign_in_needed()

    async def forget(self) -> None:
        """The person signs out: registrations alone stay, for the next time."""
        self.ended = False
        self._failure = self.trouble = self.elsewhere = None
        if self.record is not None:
            self.record = replace(self.record, tokens=None, catalogue=())
        await self._save()

    def sign_in_needed(self) -> SignInNeeded:
        """Why there is no token, for a person."""
        name = self.session.name
        if self.ended:
            return SignInNeeded(name)
        return SignInNeeded(name, f"Sign-in needed: nobody is signed in to the IAM Identity Center session {name}.")

    def registrations(self) -> tuple[Registration, ...]:
        return self.record.registrations if self.record is not None else ()

    def registration_for(self, flow: Flow) -> Registration | None:
        """A registration that can still be used for a sign-in."""
        latest = self._clock.now().wall + REGISTRATION_MARGIN
        return next((r for r in self.registrations() if r.flow == flow and r.expires_at > latest), None)

    def forget_registration(self, gone: Registration) -> None:
        """Identity Center does not know it any more."""
        if self.record is not None:
            left = tuple(r for r in self.record.registrations if r != gone)
            self.record = replace(self.record, registrations=left)

    # --- looking after it ---------------------------------------------------------------------------------------------

    def look(self) -> float:
        """Renew the access token if that is due; seconds until it wants to be looked at again."""
        tokens = self.tokens
        if tokens is None or self.ended or self._closed or self._renewal is not None:
            return LONGEST_LOOK
        if tokens.refresh_token is None:
            return self._look_at_end(tokens)
        wait = freshness.seconds_until_due(tokens, self._early, self._failure, self._clock.now())
        if wait > 0:
            return wait
        self._ahead = asyncio.create_task(self._renew_ahead(), name=f"renew {self.session.name} ahead")
        return LONGEST_LOOK

    def _look_at_end(self, tokens: Tokens) -> float:
        """What cannot be renewed is over with its time, and not only when somebody asks."""
        remaining = tokens.remaining(self._clock.now())
        if remaining <= 0:
            self.end("the access token cannot be renewed")
            return LONGEST_LOOK
        return remaining

    async def _renew_ahead(self) -> None:
        try:
            await self._check_origins()
        except KeyfobError as error:
            self._failure = freshness.failed(error, self._failure, self._clock.now(), self._chance())
            return
        if not self._closed:
            await asyncio.wait({self._renew()})

    async def close(self) -> None:
        """Cancel what is in flight; but a renewal first has a moment to end, since with its answer a rotated refresh
        token would be lost, and the sign-in with it. None begins from here on."""
        self._closed = True
        if self._renewal is not None:
            await asyncio.wait({self._renewal}, timeout=CLOSING)
        if self._saving is not None:
            await asyncio.wait({self._saving}, timeout=CLOSING)
        tasks = [task for task in (self._ahead, self._renewal) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
