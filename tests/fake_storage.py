"""Fakes of where sessions are kept. Contract tests run them through the same cases as what they stand for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar, Literal

from keyring.errors import KeyringLocked

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from keyfob.wire import StorageAnswer
    from keyfobd.core.errors import StorageProblem
    from keyfobd.core.model import SealedSession

    StorageKind = Literal["keyring", "key-file", "memory", "opening", "locked"]


class FakeSeal:
    """Sealed sessions in memory, with the adapter's methods. Two of them with one ``disk`` are two lives of a daemon.

    ``lock()`` before ``open`` for a keyring that is locked, ``unlock()`` and ``retry`` for one that comes late;
    ``trouble = StorageProblem("…")`` for a full disk.
    """

    def __init__(self, disk: dict[str, SealedSession] | None = None, kind: StorageKind = "keyring") -> None:
        self.disk: dict[str, SealedSession] = {} if disk is None else disk
        self.memory: dict[str, SealedSession] = {}
        self.trouble: StorageProblem | None = None
        self.stored = 0  # how often something was made durable
        self.gate: asyncio.Event | None = None  # opening waits for it
        self._wanted = kind
        self._locked = False
        self._kind: StorageKind = "opening"

    @property
    def storage(self) -> StorageAnswer:
        details = {"locked": "the keyring is locked", "memory": "no keyring answers here"}
        return {"kind": self._kind, "detail": self.trouble.message if self.trouble else details.get(self._kind)}

    def lock(self) -> None:
        self._locked = True

    def unlock(self) -> None:
        self._locked = False

    async def open(self) -> tuple[SealedSession, ...]:
        if self.gate is not None:
            await self.gate.wait()
        if self._wanted == "memory" or (self._locked and not self.disk):
            self._kind = "memory"
        elif self._locked:
            self._kind = "locked"
        else:
            return self._begin()
        return ()

    async def retry(self) -> tuple[SealedSession, ...]:
        return () if self._kind == self._wanted else await self.open()

    async def store(self, sessions: Mapping[str, SealedSession]) -> None:
        before, self.memory = self.memory, {session.key: session for session in sessions.values()}
        if self._kind == "memory" and not self._locked and any(key not in before for key in self.memory):
            self._kind = self._wanted  # a sign-in, after the keyring was unlocked
        if self._kind in ("keyring", "key-file"):
            self._write()

    async def use_key_file(self) -> None:
        self._wanted = "key-file"
        if self._kind == "locked":
            self.disk.clear()
        self._begin()

    def _begin(self) -> tuple[SealedSession, ...]:
        self._kind = self._wanted
        if self.memory:
            self.memory = self.disk | self.memory
            self._write()
        else:
            self.memory = dict(self.disk)
        return tuple(self.memory.values())

    def _write(self) -> None:
        if self.trouble:
            raise self.trouble
        self.stored += 1
        self.disk.clear()
        self.disk.update(self.memory)


class FakeKeyring:
    """An operating system's keyring: open, ``locked``, or hung until ``go_on`` is set. Methods are keyring's."""

    priority: ClassVar[float] = 5

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], str] = {}
        self.locked = False
        self.forgetful = False  # takes a password and does not keep it
        self.go_on = threading.Event()
        self.go_on.set()
        self.asked = 0

    def get_password(self, service: str, username: str) -> str | None:
        self._enter()
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._enter()
        if not self.forgetful:
            self.items[service, username] = password

    def _enter(self) -> None:
        self.asked += 1
        self.go_on.wait()
        if self.locked:
            raise KeyringLocked("Failed to unlock the collection!")
