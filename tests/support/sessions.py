"""Sessions over the fake Identity Center, in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fakes import FakeIdentityCenter, LoopClock
from keyfobd.broker import Broker
from keyfobd.core.errors import SignInFailed
from keyfobd.core.model import Session, SsoRole
from keyfobd.sessions import Rules, Sessions
from keyfobd.sign_in import Means

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keyfob.wire import LoginEvent, StorageAnswer
    from keyfobd.core.errors import StorageProblem
    from keyfobd.core.model import Flow, SealedSession

DEV = Session("dev", "https://d-1234567890.awsapps.com/start", "eu-west-1")
ADMIN = SsoRole("dev", "111122223333", "Admin")
READ_ONLY = SsoRole("dev", "111122223333", "ReadOnly")
DEVELOPER = SsoRole("dev", "444455556666", "Developer")


IN_KEYRING: StorageAnswer = {"kind": "keyring", "detail": None}


@dataclass
class MemoryStore:
    """A sealed file in memory, with a history: each content that was ever durable."""

    contents: tuple[SealedSession, ...] = ()
    storage: StorageAnswer = field(default_factory=IN_KEYRING.copy)
    history: list[dict[str, SealedSession]] = field(default_factory=list)
    problem: StorageProblem | None = None
    gate: asyncio.Event | None = None  # a disk that takes its time

    async def open(self) -> tuple[SealedSession, ...]:
        return self.contents

    async def store(self, sessions: Mapping[str, SealedSession]) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.problem is not None:
            raise self.problem
        self.history.append(dict(sessions))
        self.contents = tuple(sessions.values())


class FakeRedirect:
    """The loopback listener without a socket; the browser comes with ``arrive``."""

    redirect_uri = "http://127.0.0.1:50000/oauth/callback"

    def __init__(self) -> None:
        self.port: int | None = None
        self.open_now = False
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def open(self, port: int | None) -> None:
        self.port, self.open_now = port, True

    async def wait(self, state: str) -> str:
        assert state
        return await self._answer

    async def close(self) -> None:
        self.open_now = False

    def arrive(self, code: str) -> None:
        self._answer.set_result(code)

    def refuse(self) -> None:
        self._answer.set_exception(SignInFailed("The sign-in was denied in the browser."))


class House:
    """Sessions and a broker, as the composition root puts them together."""

    def __init__(
        self,
        center: FakeIdentityCenter,
        *,
        store: MemoryStore | None = None,
        sessions: tuple[Session, ...] = (DEV,),
        chance: Callable[[], float] = lambda: 0.5,
    ) -> None:
        self.center = center
        self.clock = center.clock
        self.store = store or MemoryStore()
        self.redirects: list[FakeRedirect] = []
        rules = Rules(chance=chance, calls_per_second=10.0, sign_in=lambda _: Means(self._redirect, bytes, 4711))
        self.sessions = Sessions(center, self.store, self.clock, rules)
        self.broker = Broker(self.sessions, self.clock, deadline=0.9, chance=chance)
        self.sessions.listener = self.broker
        self.sessions.configure(sessions)

    def _redirect(self) -> FakeRedirect:
        self.redirects.append(FakeRedirect())
        return self.redirects[-1]

    async def sign_in(self, name: str = "dev", *, flow: Flow = "device", force: bool = False) -> list[LoginEvent]:
        """Sign in as a person who approves at once; every event but the heartbeats."""
        self.center.approved = True
        return await self.events(name, flow=flow, force=force)

    async def events(self, name: str = "dev", *, flow: Flow = "device", force: bool = False) -> list[LoginEvent]:
        async with aclosing(self.sessions.login(name, flow, force=force)) as events:
            return [event async for event in events if event["event"] != "waiting"]

    async def tend(self, seconds: float) -> None:
        """Do what the daemon's one periodic look does, for so long."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            wait = min(self.sessions.look(), self.broker.look(), end - loop.time())
            changed = asyncio.create_task(self.broker.changed())
            await asyncio.wait({changed}, timeout=max(wait, 0.01))
            changed.cancel()

    async def close(self) -> None:
        await self.sessions.close()
        await self.broker.close()


async def house(**options: object) -> House:
    """A house with its sealed file opened."""
    made = House(FakeIdentityCenter(LoopClock()), **options)  # type: ignore[arg-type]  # passed on as given
    await made.sessions.open()
    return made


async def until(condition: Callable[[], bool]) -> None:
    """Let everything run that can, until it has come to that. In virtual time this takes none."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")
