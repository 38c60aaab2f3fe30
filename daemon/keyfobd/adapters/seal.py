"""What outlives the daemon: sessions and their catalogues, in one sealed file whose key lies elsewhere.

The rules (design §10): the key is in the keyring, or in a private file, or there is none and all is memory. A file
whose key is not to be had is ``locked``: nothing is written over it and no new key is made until the key comes, and
then the newer of file and memory wins, session by session. Where there is no file yet, a key for a first one is looked
for again at each sign-in: its person is there to see a prompt. A broken file is put aside under a dated name. A later
keyfob's file is left alone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keyfobd.adapters import sealed_file
from keyfobd.adapters.key_search import Found, KeySearch
from keyfobd.adapters.keys import KeyFile, KeyringKey, KeyWithheld, operating_system_keyring
from keyfobd.adapters.sealed_file import Broken, Newer, Sealed
from keyfobd.adapters.sealed_json import decode, encode
from keyfobd.adapters.threads import Threads
from keyfobd.core.errors import StorageProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import Literal

    from keyfob.wire import StorageAnswer
    from keyfobd.adapters.clock import Clock
    from keyfobd.adapters.key_search import Setting
    from keyfobd.adapters.settings import Settings
    from keyfobd.core.model import SealedSession

    StorageKind = Literal["keyring", "key-file", "memory", "opening", "locked"]

NAME = "sessions.sealed"
KEY_NAME = "sessions.key"
KEYRING_DEADLINE = 10.0  # seconds


class Untouchable(Exception):
    """The file is there and must stay as it is; says why."""


class Seal:
    """The one owner of the sealed file. Blocking calls are in threads, those to the keyring within a deadline."""

    def __init__(
        self,
        path: Path,
        setting: Setting,
        clock: Clock,
        *,
        keyring: KeyringKey,
        key_file: KeyFile,
        keyring_deadline: float = KEYRING_DEADLINE,
    ) -> None:
        self._path = path
        self._clock = clock
        self._threads = Threads("seal", limit=4, per_key=2)
        self._search = KeySearch(setting, keyring, key_file, keyring_deadline, self._threads)
        self._kind: StorageKind = "opening"
        self._detail: str | None = None
        self._trouble: str | None = None  # why the last writing failed
        self._key: bytes | None = None
        self._lacks_first_key = False  # no file, and no key for one
        self._offer_key_file = False  # and a key file would be one
        self._memory: dict[str, SealedSession] = {}
        self._asked, self._durable = 0, 0  # numbers of the last content handed in, and of the last one on disk
        self._writer: asyncio.Task[StorageProblem | None] | None = None
        self._opening = asyncio.Lock()

    @property
    def storage(self) -> StorageAnswer:
        """Where sessions are kept, and what is the matter with that."""
        answer: StorageAnswer = {"kind": self._kind, "detail": self._trouble or self._detail}
        if self._kind == "memory" and self._offer_key_file:
            answer["offer_key_file"] = True
        return answer

    async def open(self) -> tuple[SealedSession, ...]:
        """Find the key and read the file. Trouble is told by ``storage``; nothing expected is raised. Sessions stored
        before are merged with those of the file."""
        async with self._opening:
            found = await self._open()
        await self._write_what_is_not_on_disk()
        return found

    async def retry(self) -> tuple[SealedSession, ...]:
        """Try again what could not be done: find the key, write what is not on disk. Returns all sessions if the key
        came now, else nothing."""
        async with self._opening:
            found = await self._open() if self._key is None else ()
        await self._write_what_is_not_on_disk()
        return found

    async def store(self, sessions: Mapping[str, SealedSession]) -> None:
        """Keep these sessions and no others. On return they, or newer ones, are durable, unless there is no key: then
        they are kept in memory until there is. Raises StorageProblem; memory goes on."""
        before, self._memory = self._memory, _by_key(sessions.values())
        self._asked += 1
        mine = self._asked
        if self._kind == "opening":
            async with self._opening:  # or a sign-in in the daemon's first second would not be durable
                pass
        elif self._lacks_first_key and _signed_in(before, self._memory):
            async with self._opening:
                await self._look_for_first_key()
        if self._key is not None:
            await self._write_until(mine)

    async def use_key_file(self) -> None:
        """The person wants a key file, knowing that it protects as a private file does. A file sealed by a key that is
        not to be had is put aside. Raises StorageProblem."""
        if self._search.setting not in ("auto", "key-file"):
            raise StorageProblem(f'A key file is ruled out by [storage] kind = "{self._search.setting}".')
        async with self._opening:
            try:
                await self._begin_with_key_file()
            except (KeyWithheld, Untouchable) as error:
                raise StorageProblem(f"There can be no key file: {error}.") from error
        await self._write_until(self._asked)

    # --- opening

    async def _open(self) -> tuple[SealedSession, ...]:
        if self._search.setting == "memory":
            self._kind, self._detail = "memory", None  # as it was wished: nobody is to be offered a key file
            return ()
        try:
            sealed, aside = await self._threads.run(self._read, "file")
            found = await self._search.find(sealed)
            if isinstance(found, Found):
                return await self._begin(found, sealed, aside)
            self._kind, self._detail = ("locked" if sealed else "memory"), _joined(found.why, _broken(aside))
            self._lacks_first_key, self._offer_key_file = sealed is None, found.offer_key_file
        except Untouchable as error:
            self._offer_key_file = False
            self._kind, self._detail = "memory", str(error)
        return ()

    async def _look_for_first_key(self) -> None:
        """The keyring was locked or late when the daemon started; now it may be neither."""
        if not self._lacks_first_key:
            return  # it came while this one waited for its turn
        found = await self._search.find(None)
        if isinstance(found, Found):
            await self._begin(found, None, None)

    async def _begin(self, found: Found, sealed: Sealed | None, aside: Path | None) -> tuple[SealedSession, ...]:
        """There is a key: from here on everything is stored."""
        stored: tuple[SealedSession, ...] = ()
        try:
            if sealed:
                stored = await self._threads.run(lambda: decode(sealed.open(found.key)), "file")
        except (Broken, ValueError):
            aside = await self._threads.run(self._put_aside, "file")
        newest = _newest((*stored, *self._memory.values()))
        if newest != _by_key(stored):
            self._asked += 1
        self._memory, self._key, self._lacks_first_key = newest, found.key, False
        self._kind, self._detail = found.place, _broken(aside)
        return tuple(newest.values())

    async def _begin_with_key_file(self) -> None:
        sealed, aside = await self._threads.run(self._read, "file")
        found = await self._search.key_file()
        if sealed is not None and not sealed.fits(found.key):
            if self._key is None:
                aside = await self._threads.run(self._put_aside, "file")
            sealed = None
        await self._begin(found, sealed, aside)
        self._asked += 1

    def _read(self) -> tuple[Sealed | None, Path | None]:
        """The file, or where it was put because it is none."""
        try:
            return sealed_file.read(self._path), None
        except Broken:
            return None, self._put_aside()
        except Newer as error:
            raise Untouchable(f"{self._path} is kept and not used: {error}") from error
        except OSError as error:
            raise Untouchable(f"{self._path} cannot be read: {error.strerror}") from error

    def _put_aside(self) -> Path:
        try:
            return sealed_file.put_aside(self._path, self._clock.now().wall)
        except OSError as error:
            raise Untouchable(f"{self._path} is broken and cannot be put aside: {error.strerror}") from error

    # --- writing

    async def _write_what_is_not_on_disk(self) -> None:
        if self._key is not None and self._durable < self._asked:
            try:
                await self._write_until(self._asked)
            except StorageProblem:
                return  # storage tells it

    async def _write_until(self, number: int) -> None:
        """Write until this content, or a newer one, is on disk. One writing at a time, whoever gives up waiting: two
        could end in the wrong order. Raises StorageProblem."""
        while self._durable < number:
            joined = self._writer is not None and not self._writer.done()
            if self._writer is None or self._writer.done():
                self._writer = asyncio.create_task(self._write())
            problem = await asyncio.shield(self._writer)
            if problem is not None and not joined:  # one that was joined may have had older content
                raise problem

    async def _write(self) -> StorageProblem | None:
        if self._key is None:
            return None
        number, content, key = self._asked, encode(self._memory.values()), self._key
        try:
            await self._threads.run(lambda: sealed_file.write(self._path, content, key), "file")
        except StorageProblem as problem:
            self._trouble = problem.message.rstrip(".")
            return problem
        self._durable, self._trouble = number, None
        return None


def standard_seal(settings: Settings, clock: Clock) -> Seal:
    """The sealed file in the state folder, with the operating system's keyring."""
    folder = settings.folders.state
    return Seal(
        folder / NAME,
        settings.storage_kind,
        clock,
        keyring=KeyringKey(operating_system_keyring),
        key_file=KeyFile(settings.key_file or folder / KEY_NAME),
    )


def _by_key(sessions: Iterable[SealedSession]) -> dict[str, SealedSession]:
    return {session.key: session for session in sessions}


def _signed_in(before: Mapping[str, SealedSession], now: Mapping[str, SealedSession]) -> bool:
    """Whether somebody has signed in between these two."""
    return any(key not in before or before[key].signed_in_at != session.signed_in_at for key, session in now.items())


def _newest(sessions: Iterable[SealedSession]) -> dict[str, SealedSession]:
    """The newest of each session; of two as new the later in order."""
    newest: dict[str, SealedSession] = {}
    for session in sessions:
        if session.key not in newest or _changed_at(session) >= _changed_at(newest[session.key]):
            newest[session.key] = session
    return newest


def _changed_at(session: SealedSession) -> float:
    fetched = session.tokens.fetched.wall if session.tokens else session.signed_in_at
    return max(fetched, session.signed_in_at)


def _broken(aside: Path | None) -> str | None:
    return f"the sealed file was broken: it is kept as {aside}" if aside else None


def _joined(*parts: str | None) -> str:
    return "; ".join(part for part in parts if part)
