"""Endpoint tokens: 256 random bits behind a prefix that secret scanners can look for.

The table is on disk, and whole in memory: looking a token up, and noting that it was used, touch neither disk nor
thread. Making and revoking go to disk in a thread of their own, one after the other, and are durable before they are
answered; an ``fsync`` on the event loop would make every warm request wait for the disk.

The table holds hashes. A token's text is its consumer's: in its environment, and in one file, 0600, without a newline
(which most SDKs would take for a part of the token). The file of a *standing* token is in the state folder; where it is
lost a second token is made, since the first may still be in somebody's environment. An *exec* token's is in the runtime
folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
import stat
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from keyfobd.adapters.private_files import write_atomically
from keyfobd.adapters.token_database import TokenDatabase
from keyfobd.core.errors import StorageProblem
from keyfobd.core.model import EndpointToken, Instant, Process, Role, endpoint_path, jumped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

T = TypeVar("T")

UNUSED = 90 * 86_400
"""Seconds after which a standing token that nobody used is dropped."""
DAY = 86_400
"""Seconds of boot time between two judgements of what is unused, and before the first."""
MOST_APART = 3600.0
"""Seconds that wall and boot clock may have parted since the start: more than any NTP corrects on a machine that is
well, and next to nothing beside 90 days."""
_PREFIX = "kfb_"
_TEXT = re.compile(rb"kfb_[A-Za-z0-9_-]{43}")


class Clock(Protocol):
    def now(self) -> Instant: ...


class Threads(Protocol):
    async def run(self, call: Callable[[], T], key: str = "") -> T: ...


@dataclass(frozen=True, slots=True)
class Issued:
    """A token for its consumer."""

    token: EndpointToken
    text: str = field(repr=False)
    file: Path


class Tokens:
    """The endpoint tokens in force. ``open`` before use."""

    def __init__(self, state: Path, runtime: Path, *, threads: Threads, clock: Clock) -> None:
        self._standing_files = state / "tokens"
        self._exec_files = runtime / "exec"
        self._database = TokenDatabase(state / "tokens.db")
        self._threads = threads
        self._clock = clock
        self._by_digest: dict[bytes, EndpointToken] = {}
        self._used: dict[str, int] = {}  # not written yet
        self._opened = self._judged = clock.now()
        self._one_at_a_time = asyncio.Lock()

    async def open(self) -> None:
        """Read the table. Raises StorageProblem."""
        tokens = await self._threads.run(self._load)
        self._by_digest = {token.digest: token for token in tokens}

    def find(self, digest: bytes) -> EndpointToken | None:
        """The token whose text has this SHA-256."""
        return self._by_digest.get(digest)

    def touch(self, token: EndpointToken) -> None:
        """Note that it was used now. A wall clock that went back does not make it older than it was."""
        before = self._used.get(token.id) or token.last_used_at or token.created_at
        self._used[token.id] = max(before, int(self._clock.now().wall))

    def all(self) -> tuple[EndpointToken, ...]:
        """Every token in force, the oldest first."""
        return tuple(
            replace(token, last_used_at=self._used.get(token.id, token.last_used_at))
            for token in self._by_digest.values()
        )

    async def standing(self, role: Role, label: str) -> Issued:
        """The one token of a role for shells, made if it is not there. Raises StorageProblem."""
        path = self._standing_files / _file_name(role)
        async with self._one_at_a_time:
            text = await self._threads.run(partial(_read_text, path))
            token = self.find(_digest(text)) if text is not None else None
            if text is not None and token is not None and token.roles == (role,):
                return Issued(token, text, path)
            # A text that the table does not know outlived a damaged table: it is in shells, so it is taken up again.
            if text is None or token is not None:
                text = _new_text()
            return await self._issue(self._new(text, "standing", (role,), label), text, path)

    async def for_process(self, roles: tuple[Role, ...], label: str, process: Process, keep: float | None) -> Issued:
        """A token for one process; with ``keep`` it lives so many seconds from now though the process is gone.
        Raises StorageProblem."""
        text = _new_text()
        token = replace(
            self._new(text, "exec", roles, label),
            process=process,
            keep_until=None if keep is None else int(self._clock.now().wall + keep),
        )
        async with self._one_at_a_time:
            return await self._issue(token, text, self.exec_file(token.id))

    def exec_file(self, token_id: str) -> Path:
        """Where the text of an ``exec`` token lies."""
        return self._exec_files / token_id

    async def revoke(self, token_id: str) -> bool:
        """End a token; the next request with it is refused, and it stays so when this returns. False: there is no such
        token. Raises StorageProblem: then it is refused until the daemon ends, and may be back after that."""
        found = [token for token in self._by_digest.values() if token.id == token_id]
        await self._drop(found)
        return bool(found)

    async def look(self) -> None:
        """Write down what was used, and drop what nobody uses. Raises StorageProblem."""
        async with self._one_at_a_time:
            await self._write_used()
        now = self._clock.now()
        if _may_judge(self._opened, self._judged, now):
            self._judged = now
            await self._drop(token for token in self.all() if _is_unused(token, now))

    async def close(self) -> None:
        """Write down what was used, and close the table. Raises StorageProblem."""
        try:
            await self.look()
        finally:
            await self._threads.run(self._database.close)

    # --- the rest is within ---------------------------------------------------------------------------------------

    def _load(self) -> list[EndpointToken]:
        for folder in (self._standing_files, self._exec_files):
            try:
                folder.mkdir(mode=0o700, exist_ok=True)
            except OSError as error:
                raise StorageProblem(f"The folder {folder} cannot be made: {error.strerror}.") from None
        tokens = self._database.open()
        self._sweep({token.id for token in tokens})
        return tokens

    def _sweep(self, ids: set[str]) -> None:
        """Remove what a killed daemon left: texts half handed over, and files of exec tokens that are no more."""
        left = [*self._standing_files.glob("*.new"), *self._exec_files.iterdir()]
        for path in left:
            if path.name not in ids:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _new(self, text: str, kind: str, roles: tuple[Role, ...], label: str) -> EndpointToken:
        return EndpointToken(
            id=secrets.token_hex(4),
            digest=_digest(text),
            kind="exec" if kind == "exec" else "standing",
            label=label,
            roles=roles,
            created_at=int(self._clock.now().wall),
        )

    async def _issue(self, token: EndpointToken, text: str, path: Path) -> Issued:
        def write() -> None:
            # The row first: a file without a row would look like a token and be refused.
            self._database.add(token)
            try:
                path.parent.mkdir(mode=0o700, exist_ok=True)  # the runtime folder's contents may vanish at a logout
                write_atomically(path, text.encode("ascii"))
            except (OSError, StorageProblem) as error:
                self._database.remove([token.id])
                raise StorageProblem(f"{path} cannot be written: {error}", "Run: keyfob restart") from None

        await self._threads.run(write)
        self._by_digest[token.digest] = token
        return Issued(token, text, path)

    async def _write_used(self) -> None:
        used = dict(self._used)
        if not used:
            return
        await self._threads.run(partial(self._database.used, used))
        for token in tuple(self._by_digest.values()):
            if token.id in used:
                self._by_digest[token.digest] = replace(token, last_used_at=used[token.id])
        # Only now: what could not be written is tried again. What was used meanwhile is still to be written.
        self._used = {one: when for one, when in self._used.items() if used.get(one) != when}

    async def _drop(self, tokens: Iterable[EndpointToken]) -> None:
        dropped = tuple(tokens)
        if not dropped:
            return
        for token in dropped:
            self._by_digest.pop(token.digest, None)
            self._used.pop(token.id, None)

        def forget() -> None:
            # The files first: the text of a standing token that the table does not know is taken up again.
            for token in dropped:
                self._remove_file(token)
            self._database.remove(token.id for token in dropped)

        async with self._one_at_a_time:
            await self._threads.run(forget)

    def _remove_file(self, token: EndpointToken) -> None:
        if token.kind == "exec":
            paths = [self.exec_file(token.id)]
        else:
            paths = [self._standing_files / _file_name(role) for role in token.roles]
        for path in paths:
            text = _read_text(path)
            if text is not None and _digest(text) == token.digest:
                _unlink(path)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageProblem(f"{path} cannot be removed: {error.strerror}.", "Mend its folder's mode.") from None


def _may_judge(opened: Instant, judged: Instant, now: Instant) -> bool:
    """What is unused is judged once a day, by a daemon that has been up for a day, while its wall clock has moved as
    far as its boot clock since it started: a clock that is wrong for a minute, or that a new daemon cannot know to be
    right, must not cost a shell its token."""
    return now.boot - judged.boot >= DAY and abs(jumped(opened, now)) <= MOST_APART


def _is_unused(token: EndpointToken, now: Instant) -> bool:
    return token.kind == "standing" and now.wall - (token.last_used_at or token.created_at) > UNUSED


def _new_text() -> str:
    return _PREFIX + secrets.token_urlsafe(32)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("ascii")).digest()


def _file_name(role: Role) -> str:
    # A name made of the role's own could be longer than a file name may be.
    return hashlib.sha256(endpoint_path(role).encode("ascii")).hexdigest()[:32]


def _read_text(path: Path) -> str | None:
    """A token's text; None where the file is lost, or is not a private one of ours with a token in it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            private = stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
            text = file.read(100) if private else b""
        if _TEXT.fullmatch(text):
            return text.decode("ascii")
    return None
