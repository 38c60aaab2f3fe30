"""One sign-in under way, which any number of clients can join. It ends when the last of them leaves."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, assert_never

from keyfobd.core.authorization import (
    AUTHORIZATION_TIMEOUT,
    ENTROPY,
    RUN_LOGIN,
    Ended,
    Exchange,
    Poll,
    SignedIn,
    after_exchange,
    after_poll,
    authorize_url,
    first_poll,
    pkce,
)
from keyfobd.core.errors import InternalError, KeyfobError, RegistrationGone, SignInFailed, Unreachable
from keyfobd.core.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from keyfob.wire import LoginEvent
    from keyfobd.core.model import DeviceAuthorization, Flow, Origins, Registration, Session, Tokens
    from keyfobd.limiter import Clock

log = logging.getLogger(__name__)

HEARTBEAT = 5.0
"""Seconds between ``waiting`` events, by which a client that has gone is noticed."""


class Authorizer(Protocol):
    """What it takes to sign in."""

    async def origins(self, region: str) -> Origins: ...
    def authorize_url(self, origins: Origins) -> str: ...
    async def register(self, session: Session, flow: Flow) -> Registration: ...
    async def start_device_authorization(self, session: Session, registration: Registration) -> DeviceAuthorization: ...
    async def exchange_device_code(self, session: Session, registration: Registration, device_code: str) -> Tokens: ...
    async def exchange_code(
        self, session: Session, registration: Registration, *, code: str, redirect_uri: str, verifier: str
    ) -> Tokens: ...


class Redirect(Protocol):
    """The loopback listener that a browser comes back to."""

    @property
    def redirect_uri(self) -> str: ...
    async def open(self, port: int | None) -> None: ...
    async def wait(self, state: str) -> str: ...
    async def close(self) -> None: ...


class Conversation:
    """What a sign-in says, to each who joined, from the beginning. ``on_deserted``: the last one has left."""

    def __init__(self, on_deserted: Callable[[], None]) -> None:
        self._said: list[LoginEvent] = []
        self._listeners: set[asyncio.Queue[LoginEvent]] = set()
        self._on_deserted = on_deserted

    def say(self, event: LoginEvent) -> None:
        self._said.append(event)
        for listener in self._listeners:
            listener.put_nowait(event)

    async def listen(self) -> AsyncGenerator[LoginEvent, None]:
        """Every event until the last, with a heartbeat. To be closed with ``aclosing``."""
        events: asyncio.Queue[LoginEvent] = asyncio.Queue()
        for event in self._said:
            events.put_nowait(event)
        self._listeners.add(events)
        try:
            while True:
                event = await _next(events)
                yield event
                if event["event"] in {"done", "failed"}:
                    return
        finally:
            self._listeners.discard(events)
            if not self._listeners:
                self._on_deserted()


async def _next(events: asyncio.Queue[LoginEvent]) -> LoginEvent:
    try:
        return await asyncio.wait_for(events.get(), HEARTBEAT)
    except TimeoutError:
        return {"event": "waiting"}


class Registered(Protocol):
    """The session that is signed in to, and the registrations it has from earlier times."""

    session: Session

    def registration_for(self, flow: Flow) -> Registration | None: ...
    def forget_registration(self, gone: Registration) -> None: ...


@dataclass(frozen=True, slots=True)
class Means:
    """What a sign-in is made with: new listeners, random bytes, the port that the person chose for the listener."""

    redirect: Callable[[], Redirect]
    entropy: Callable[[int], bytes]
    callback_port: int | None = None


class SignIn:
    """Drives the state machines of ``core.authorization``: first ``before``, then the sign-in, then ``finish``."""

    def __init__(
        self,
        held: Registered,
        flow: Flow,
        center: Authorizer,
        clock: Clock,
        means: Means,
        finish: Callable[[Tokens, Registration], Awaitable[LoginEvent]],
        before: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._before = before
        self._held = held
        self._session = held.session
        self._flow = flow
        self._center = center
        self._clock = clock
        self._means = means
        self._finish = finish
        self._task: asyncio.Task[None] | None = None
        self._conversation = Conversation(self.cancel)

    @property
    def over(self) -> bool:
        """Whether nobody can join any more."""
        return self._task is not None and (self._task.done() or self._task.cancelling() > 0)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"sign in {self._session.name}")

    def listen(self) -> AsyncGenerator[LoginEvent, None]:
        return self._conversation.listen()

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Cancel it and tell those who wait."""
        self.cancel()
        self._conversation.say(failure(SignInFailed("The sign-in was cancelled.", RUN_LOGIN)))
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            if self._before is not None:
                await self._before()
            tokens, registration = await self._with_registration()
            self._conversation.say(await self._finish(tokens, registration))
        except KeyfobError as error:
            log.info("signing in to %s failed: %s", self._session.name, error.code)
            self._conversation.say(
                failure(error.of_session(self._session.name) if isinstance(error, Unreachable) else error)
            )
        except Exception:
            log.exception("signing in to %s failed unexpectedly", self._session.name)
            self._conversation.say(failure(InternalError("keyfob failed unexpectedly.", "Run: keyfob status")))

    async def _with_registration(self) -> tuple[Tokens, Registration]:
        """Sign in with the registration at hand, and with a new one where Identity Center has dropped that."""
        kept = self._held.registration_for(self._flow)
        if kept is not None:
            try:
                return await self._authorize(kept), kept
            except RegistrationGone:
                self._held.forget_registration(kept)
        new = await self._center.register(self._session, self._flow)
        return await self._authorize(new), new

    async def _authorize(self, registration: Registration) -> Tokens:
        match self._flow:
            case "pkce":
                return await self._by_code(registration)
            case "device":
                return await self._by_device(registration)
            case _:
                assert_never(self._flow)

    async def _by_code(self, registration: Registration) -> Tokens:
        redirect = self._means.redirect()
        await redirect.open(self._means.callback_port)
        try:
            secrets = pkce(self._means.entropy(ENTROPY))
            endpoint = self._center.authorize_url(await self._center.origins(self._session.region))
            # Waited for before the URL is shown: with a warm portal session the browser is back at once.
            coming = asyncio.create_task(redirect.wait(secrets.state))
            self._visit(authorize_url(endpoint, self._session, registration, redirect.redirect_uri, secrets), None)
            code = await _within(coming, AUTHORIZATION_TIMEOUT)
            return await self._exchange(registration, code, redirect.redirect_uri, secrets.verifier)
        finally:
            await redirect.close()

    async def _exchange(self, registration: Registration, code: str, redirect_uri: str, verifier: str) -> Tokens:
        step: Exchange | SignedIn | Ended = Exchange()
        while isinstance(step, Exchange):
            await self._pause(step.after)
            try:
                answer: Tokens | KeyfobError = await self._center.exchange_code(
                    self._session, registration, code=code, redirect_uri=redirect_uri, verifier=verifier
                )
            except KeyfobError as error:
                answer = error
            step = after_exchange(step, answer)
        return _outcome(step)

    async def _by_device(self, registration: Registration) -> Tokens:
        authorization = await self._center.start_device_authorization(self._session, registration)
        self._visit(authorization.verification_uri_complete, authorization)
        step: Poll | SignedIn | Ended = first_poll(authorization, self._clock.now())
        while isinstance(step, Poll):
            await self._pause(step.after)
            try:
                answer: Tokens | KeyfobError = await self._center.exchange_device_code(
                    self._session, registration, authorization.device_code
                )
            except KeyfobError as error:
                answer = error
            step = after_poll(step, answer, self._clock.now())
        return _outcome(step)

    def _visit(self, url: str, authorization: DeviceAuthorization | None) -> None:
        seconds = authorization.lifetime if authorization is not None else AUTHORIZATION_TIMEOUT
        event: LoginEvent = {
            "event": "visit",
            "session": self._session.name,
            "url": url,
            "expires_at": rfc3339(self._clock.now().wall + seconds),
        }
        if authorization is not None:
            event["code"] = authorization.user_code
        self._conversation.say(event)

    @staticmethod
    async def _pause(seconds: float) -> None:
        """The pace between two calls is Identity Center's own rule; nothing could tell us earlier."""
        if seconds:
            await asyncio.sleep(seconds)


async def _within(coming: asyncio.Task[str], seconds: float) -> str:
    try:
        return await asyncio.wait_for(coming, seconds)
    except TimeoutError:
        raise SignInFailed("Nobody answered in the browser within ten minutes.", RUN_LOGIN) from None


def _outcome(step: SignedIn | Ended) -> Tokens:
    match step:
        case SignedIn(tokens):
            return tokens
        case Ended(error):
            raise error
        case _:
            assert_never(step)


def failure(error: KeyfobError) -> LoginEvent:
    """The last event of a sign-in that has not been one."""
    return {"event": "failed", "message": error.message, "hint": error.hint, "exit": error.exit_status}
