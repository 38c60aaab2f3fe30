"""The rows of the endpoint-token table: sqlite3, 0600, durable when a call returns. Blocking, so for a thread."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from keyfobd.core.errors import StorageProblem
from keyfobd.core.model import ChainedRole, EndpointToken, Process, Role, SsoRole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

log = logging.getLogger(__name__)

_SCHEMA = 1
_TABLE = """
CREATE TABLE tokens (
    id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, label TEXT NOT NULL, roles TEXT NOT NULL,
    created_at INTEGER NOT NULL, last_used_at INTEGER, pid INTEGER, start_time TEXT, keep_until INTEGER
) STRICT
"""
# SQLITE_ERROR: our table is not there, or has other columns.
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
_SIDE_FILES = ("", "-wal", "-shm", "-journal")


class _Damaged(Exception):
    """What is in the file is not our table."""


class TokenDatabase:
    """One connection, one call at a time. Every method raises StorageProblem when the disk fails it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # an abandoned call may still run when the next begins
        self._connection: sqlite3.Connection | None = None

    def open(self) -> list[EndpointToken]:
        """Every token there is. A damaged file is kept under another name, and a new one begun."""
        with self._trouble():
            try:
                return self._load()
            except _Damaged as damage:
                aside = self._set_aside()
                log.error(  # noqa: TRY400 - expected, and said in one line
                    "The table of endpoint tokens is damaged (%s): kept as %s, a new one is begun. "
                    "Shells that are refused now are mended by: keyfob env",
                    damage,
                    aside,
                )
                return self._load()

    def add(self, token: EndpointToken) -> None:
        """Durable on return."""
        with self._trouble(), self._writing() as connection:
            connection.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _row(token))

    def remove(self, ids: Iterable[str]) -> None:
        """Durable on return."""
        with self._trouble(), self._writing() as connection:
            connection.executemany("DELETE FROM tokens WHERE id = ?", [(one,) for one in ids])

    def used(self, times: Mapping[str, int]) -> None:
        """Note when tokens were last used, in seconds since 1970."""
        with self._trouble(), self._writing() as connection:
            rows = [(when, one) for one, when in times.items()]
            connection.executemany("UPDATE tokens SET last_used_at = ? WHERE id = ?", rows)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StorageProblem(
                f"The table of endpoint tokens {self._path} cannot be used: {error}.", "Make room or mend its mode."
            ) from None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._connection is None:
                raise StorageProblem(f"The table of endpoint tokens {self._path} is not open.", "Run: keyfob restart")
            with self._connection as connection:
                yield connection

    def _load(self) -> list[EndpointToken]:
        with self._lock:
            connection = self._connect()
            try:
                tokens = self._read(connection)
            except sqlite3.Error as error:
                connection.close()
                if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _DAMAGE:  # the rest is detail
                    raise _Damaged(str(error)) from None
                raise
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            return tokens

    def _connect(self) -> sqlite3.Connection:
        # Made here and not by sqlite, which would go by the umask; its side files take after this one.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        return sqlite3.connect(self._path, check_same_thread=False, timeout=1.0)

    def _read(self, connection: sqlite3.Connection) -> list[EndpointToken]:
        # Exclusive: write-ahead logging then needs no shared memory, which a home on a network has not.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            with connection:
                connection.execute(_TABLE)
                connection.execute(f"PRAGMA user_version = {_SCHEMA}")
        elif version > _SCHEMA:
            raise StorageProblem(
                f"The table of endpoint tokens {self._path} was written by a newer keyfob.", "Upgrade keyfob."
            )
        with closing(connection.execute("PRAGMA quick_check(1)")) as check:
            verdict = check.fetchone()[0]
        if verdict != "ok":
            raise _Damaged(verdict)
        try:
            return [_token(row) for row in connection.execute("SELECT * FROM tokens ORDER BY created_at, id")]
        except (ValueError, TypeError, KeyError) as error:
            raise _Damaged(f"a row cannot be read: {type(error).__name__}") from None

    def _set_aside(self) -> Path:
        number = 1
        while (aside := self._path.with_name(f"{self._path.name}.damaged-{number}")).exists():
            number += 1
        for suffix in _SIDE_FILES:
            source = self._path.with_name(self._path.name + suffix)
            if source.exists():
                source.rename(aside.with_name(aside.name + suffix))
        return aside


def _row(token: EndpointToken) -> tuple[Any, ...]:
    pid, start_time = (token.process.pid, token.process.start_time) if token.process else (None, None)
    roles = json.dumps([_role_as_list(role) for role in token.roles])
    return (
        *(token.id, token.digest, token.kind, token.label, roles, token.created_at, token.last_used_at),
        *(pid, start_time, token.keep_until),
    )


def _token(row: tuple[Any, ...]) -> EndpointToken:
    identity, digest, kind, label, roles, created_at, last_used_at, pid, start_time, keep_until = row
    if kind not in ("standing", "exec"):
        raise ValueError(kind)
    return EndpointToken(
        id=identity,
        digest=digest,
        kind=kind,
        label=label,
        roles=tuple(_role(parts) for parts in json.loads(roles)),
        created_at=created_at,
        last_used_at=last_used_at,
        process=None if pid is None else Process(pid, start_time),
        keep_until=keep_until,
    )


def _role_as_list(role: Role) -> list[str]:
    match role:
        case SsoRole(session, account_id, role_name):
            return [session, account_id, role_name]
        case ChainedRole(profile):
            return [profile]


def _role(parts: list[str]) -> Role:
    match parts:
        case [str(session), str(account_id), str(role_name)]:
            return SsoRole(session, account_id, role_name)
        case [str(profile)]:
            return ChainedRole(profile)
        case _:
            raise ValueError("a role")
