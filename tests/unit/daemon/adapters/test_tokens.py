"""The table of endpoint tokens, on a real disk."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import os
import re
import sqlite3
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfobd.adapters.threads import Threads
from keyfobd.adapters.tokens import DAY, UNUSED, Tokens
from keyfobd.core.errors import StorageProblem
from keyfobd.core.model import ChainedRole, Instant, Process, SsoRole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

ROLE = SsoRole("corp", "111111111111", "Admin")
OTHER = SsoRole("corp", "222222222222", "Read @ Only/é")
HERE = Process(4242, "77")


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.5
        self.boot = 0.0

    def now(self) -> Instant:
        return Instant(self.wall, self.boot)

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.boot += seconds


class Place:
    """A state and a runtime folder; each ``table()`` is a daemon that starts there."""

    def __init__(self, folder: Path) -> None:
        self.state, self.runtime = folder / "state", folder / "runtime"
        for made in (self.state, self.runtime):
            made.mkdir(mode=0o700)
        self.clock = Clock()
        self.opened: list[Tokens] = []

    async def table(self) -> Tokens:
        for earlier in self.opened:
            await earlier.close()
        tokens = Tokens(self.state, self.runtime, threads=Threads("tokens", 1), clock=self.clock)
        await tokens.open()
        self.opened = [tokens]
        return tokens

    def die(self) -> None:
        """The daemon is killed: nothing is closed in order, but the kernel closes its files."""
        for tokens in self.opened:
            tokens._database.close()
        self.opened = []

    @property
    def database(self) -> Path:
        return self.state / "tokens.db"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    one = Place(tmp_path)
    yield one
    for tokens in one.opened:
        await tokens.close()


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


async def test_a_token_is_a_prefix_and_256_bits_of_text_that_its_file_holds_without_a_newline(place: Place) -> None:
    issued = await (await place.table()).standing(ROLE, "Admin@prod")
    assert re.fullmatch(r"kfb_[A-Za-z0-9_-]{43}", issued.text)
    assert issued.file.read_bytes() == issued.text.encode()
    assert issued.file.is_relative_to(place.state / "tokens")
    assert (issued.token.kind, issued.token.label, issued.token.roles) == ("standing", "Admin@prod", (ROLE,))
    assert issued.token.created_at == 1_800_000_000


async def test_a_token_is_found_by_its_digest_alone(place: Place) -> None:
    tokens = await place.table()
    issued = await tokens.standing(ROLE, "")
    assert tokens.find(digest(issued.text)) == issued.token
    assert tokens.find(digest(issued.text + "x")) is None
    assert tokens.find(issued.text.encode()) is None


async def test_a_role_keeps_its_standing_token(place: Place) -> None:
    tokens = await place.table()
    first = await tokens.standing(ROLE, "a")
    assert await tokens.standing(ROLE, "b") == first
    assert (await tokens.standing(OTHER, "a")).text != first.text
    assert len(tokens.all()) == 2


async def test_many_who_want_the_standing_token_at_once_get_one(place: Place) -> None:
    tokens = await place.table()
    issued = await asyncio.gather(*(tokens.standing(ROLE, "") for _ in range(10)))
    assert len({one.text for one in issued}) == 1
    assert len(tokens.all()) == 1


async def test_tokens_outlive_the_daemon_however_it_ends(place: Place) -> None:
    tokens = await place.table()
    standing = await tokens.standing(OTHER, "shells")
    chained = await tokens.standing(ChainedRole("deploy"), "chain")
    bound = await tokens.for_process((ROLE, OTHER), "make", HERE, keep=60)
    place.die()
    again = await place.table()
    for issued in (standing, chained, bound):
        assert again.find(digest(issued.text)) == issued.token
    assert await again.standing(OTHER, "") == standing


async def test_a_lost_file_means_a_second_token_and_the_first_stays_valid(place: Place) -> None:
    tokens = await place.table()
    first = await tokens.standing(ROLE, "")
    first.file.unlink()
    second = await tokens.standing(ROLE, "")
    assert second.text != first.text
    assert tokens.find(digest(first.text)) is not None
    assert tokens.find(digest(second.text)) is not None


def newline(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\n")


def symbolic_link(file: Path) -> None:
    file.rename(file.with_suffix(".old"))
    file.symlink_to(file.with_suffix(".old"))


def readable_by_all(file: Path) -> None:
    file.chmod(0o644)


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


def emptied(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("spoil", [newline, symbolic_link, readable_by_all, pipe, emptied])
async def test_a_spoiled_file_is_replaced_by_a_good_one(place: Place, spoil: Callable[[Path], None]) -> None:
    tokens = await place.table()
    first = await tokens.standing(ROLE, "")
    spoil(first.file)
    second = await tokens.standing(ROLE, "")
    assert second.text != first.text
    assert second.file.is_file()
    assert not second.file.is_symlink()
    assert stat.S_IMODE(second.file.stat().st_mode) == 0o600
    assert second.file.read_text() == second.text


async def test_another_roles_token_in_the_file_is_not_handed_out(place: Place) -> None:
    tokens = await place.table()
    mine, other = await tokens.standing(ROLE, ""), await tokens.standing(OTHER, "")
    mine.file.write_text(other.text)
    assert (await tokens.standing(ROLE, "")).text != other.text


async def test_an_exec_token_has_its_file_in_the_runtime_folder_and_both_go_together(place: Place) -> None:
    tokens = await place.table()
    issued = await tokens.for_process((ROLE,), "make", HERE, keep=None)
    assert issued.file == place.runtime / "exec" / issued.token.id
    assert issued.file.read_text() == issued.text
    assert (issued.token.process, issued.token.keep_until) == (HERE, None)
    assert await tokens.revoke(issued.token.id)
    assert not issued.file.exists()
    assert tokens.find(digest(issued.text)) is None


async def test_an_exec_token_is_kept_so_many_seconds_from_now(place: Place) -> None:
    issued = await (await place.table()).for_process((ROLE,), "code", HERE, keep=8 * 3600)
    assert issued.token.keep_until == 1_800_000_000 + 8 * 3600


async def test_the_runtime_folder_may_be_swept(place: Place) -> None:
    tokens = await place.table()
    (place.runtime / "exec").rmdir()
    issued = await tokens.for_process((ROLE,), "make", HERE, keep=None)
    assert issued.file.read_text() == issued.text


async def test_a_token_that_could_not_be_handed_over_is_not_in_force(place: Place) -> None:
    tokens = await place.table()
    (place.runtime / "exec").rmdir()
    place.runtime.rmdir()
    with pytest.raises(StorageProblem):
        await tokens.for_process((ROLE,), "make", HERE, keep=None)
    assert tokens.all() == ()
    place.runtime.mkdir()
    assert (await place.table()).all() == ()


async def test_a_disk_that_is_full_leaves_no_half_of_a_token(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    tokens = await place.table()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageProblem):
        await tokens.standing(ROLE, "")
    assert list((place.state / "tokens").iterdir()) == []
    assert tokens.all() == ()


async def test_a_revoked_token_stays_revoked_and_its_role_gets_a_new_one(place: Place) -> None:
    tokens = await place.table()
    issued = await tokens.standing(ROLE, "")
    assert await tokens.revoke(issued.token.id)
    assert tokens.find(digest(issued.text)) is None
    assert not issued.file.exists()
    place.die()
    again = await place.table()
    assert again.find(digest(issued.text)) is None
    assert (await again.standing(ROLE, "")).text != issued.text


async def test_a_token_that_was_revoked_half_is_not_handed_out_again(place: Place) -> None:
    tokens = await place.table()
    issued = await tokens.standing(ROLE, "")
    tokens._database.close()
    with pytest.raises(StorageProblem):
        await tokens.revoke(issued.token.id)
    assert (await (await place.table()).standing(ROLE, "")).text != issued.text


async def test_a_file_that_cannot_be_removed_is_a_storage_problem(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    tokens = await place.table()
    issued = await tokens.standing(ROLE, "")
    monkeypatch.setattr(type(issued.file), "unlink", refuse)
    with pytest.raises(StorageProblem, match=str(issued.file)):
        await tokens.revoke(issued.token.id)
    assert tokens.find(digest(issued.text)) is None


async def test_revoking_the_first_of_two_leaves_the_seconds_file(place: Place) -> None:
    tokens = await place.table()
    first = await tokens.standing(ROLE, "")
    first.file.unlink()
    second = await tokens.standing(ROLE, "")
    assert await tokens.revoke(first.token.id)
    assert await tokens.standing(ROLE, "") == second


async def test_revoking_what_is_not_there_says_so(place: Place) -> None:
    assert not await (await place.table()).revoke("00000000")


async def test_a_token_is_refused_from_the_moment_its_revocation_begins(place: Place) -> None:
    tokens = await place.table()
    issued = await tokens.standing(ROLE, "")
    revoking = asyncio.create_task(tokens.revoke(issued.token.id))
    await asyncio.sleep(0)
    assert tokens.find(digest(issued.text)) is None
    await revoking


async def test_what_a_killed_daemon_left_half_done_is_swept(place: Place) -> None:
    tokens = await place.table()
    standing = await tokens.standing(ROLE, "")
    bound = await tokens.for_process((ROLE,), "make", HERE, keep=None)
    half = [
        standing.file.with_name(standing.file.name + ".new"),
        bound.file.with_name("gone"),
        bound.file.with_name("x.new"),
    ]
    for file in half:
        file.write_text("kfb_")
    place.die()
    await place.table()
    assert standing.file.exists()
    assert bound.file.exists()
    assert not any(file.exists() for file in half)


async def test_use_is_noted_in_memory_and_written_at_the_look(place: Place) -> None:
    tokens = await place.table()
    issued = await tokens.standing(ROLE, "")
    place.clock.wall += 100
    written = place.database.with_name("tokens.db-wal").stat().st_mtime_ns
    tokens.touch(issued.token)
    assert [token.last_used_at for token in tokens.all()] == [1_800_000_100]
    assert place.database.with_name("tokens.db-wal").stat().st_mtime_ns == written
    await tokens.look()
    place.die()
    assert [token.last_used_at for token in (await place.table()).all()] == [1_800_000_100]


async def test_a_standing_token_unused_for_90_days_is_dropped(place: Place) -> None:
    tokens = await place.table()
    idle, used = await tokens.standing(ROLE, ""), await tokens.standing(OTHER, "")
    bound = await tokens.for_process((ROLE,), "tmux", HERE, keep=None)
    place.clock.advance(UNUSED - 1)
    tokens.touch(used.token)
    await tokens.look()
    assert tokens.find(digest(idle.text)) is not None
    place.clock.advance(DAY)
    await tokens.look()
    assert tokens.find(digest(idle.text)) is None
    assert not idle.file.exists()
    assert {token.id for token in tokens.all()} == {used.token.id, bound.token.id}


@pytest.mark.parametrize("up", [60, 2 * DAY])
async def test_a_wall_clock_that_jumps_ahead_for_a_while_drops_nothing(place: Place, up: float) -> None:
    tokens = await place.table()
    issued = await tokens.standing(ROLE, "")
    place.clock.advance(up)
    place.clock.wall += 10 * UNUSED
    for _ in range(3):
        await tokens.look()
        place.clock.advance(DAY)
    place.clock.wall -= 10 * UNUSED
    await tokens.look()
    assert tokens.find(digest(issued.text)) == issued.token
    assert issued.file.exists()


async def test_a_daemon_drops_nothing_before_it_has_been_up_for_a_day(place: Place) -> None:
    await (await place.table()).standing(ROLE, "")
    place.clock.wall += 2 * UNUSED  # a wrong clock, or months on a shelf: a start cannot tell
    tokens = await place.table()
    place.clock.advance(DAY - 1)
    await tokens.look()
    assert len(tokens.all()) == 1
    place.clock.advance(1)
    await tokens.look()
    assert not tokens.all()


async def test_what_is_unused_is_judged_once_a_day(place: Place) -> None:
    tokens = await place.table()
    await tokens.standing(ROLE, "")
    place.clock.advance(UNUSED - 1)
    await tokens.look()
    place.clock.advance(DAY - 1)
    await tokens.look()
    assert len(tokens.all()) == 1
    place.clock.advance(1)
    await tokens.look()
    assert not tokens.all()


async def test_a_token_used_while_the_wall_clock_was_back_is_no_older_for_that(place: Place) -> None:
    tokens = await place.table()
    await tokens.standing(ROLE, "")
    for _ in range(2):  # never used before, then used
        place.clock.wall -= 2 * UNUSED
        tokens.touch(tokens.all()[0])
        place.clock.wall += 2 * UNUSED
        assert [token.last_used_at for token in tokens.all()] == [1_800_000_000]
        await tokens.look()


async def test_when_a_token_was_used_is_written_once_the_disk_takes_it_again(place: Place) -> None:
    tokens = await place.table()
    issued = await tokens.standing(ROLE, "")
    place.clock.advance(100)
    tokens.touch(issued.token)
    connection, tokens._database._connection = tokens._database._connection, None
    with pytest.raises(StorageProblem):
        await tokens.look()
    tokens._database._connection = connection
    await tokens.look()
    place.die()
    assert [token.last_used_at for token in (await place.table()).all()] == [1_800_000_100]


@pytest.mark.parametrize("damage", [b"not a database at all " * 300, b"SQLite format 3\0" + b"\xff" * 5000])
async def test_a_damaged_table_is_kept_aside_and_shells_are_taken_up_again(
    place: Place, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    issued = await (await place.table()).standing(ROLE, "")
    place.die()
    place.database.write_bytes(damage)
    tokens = await place.table()
    assert (place.state / "tokens.db.damaged-1").read_bytes() == damage
    assert tokens.find(digest(issued.text)) is None
    assert "keyfob env" in caplog.text
    assert (await tokens.standing(ROLE, "")).text == issued.text
    assert tokens.find(digest(issued.text)) is not None


async def test_a_second_damaged_table_does_not_replace_the_first(place: Place) -> None:
    for number in (1, 2):
        place.database.write_bytes(b"damage %d" % number * 100)
        await place.table()
        place.die()
    assert (place.state / "tokens.db.damaged-1").read_bytes() == b"damage 1" * 100
    assert (place.state / "tokens.db.damaged-2").read_bytes() == b"damage 2" * 100


@pytest.mark.parametrize("column", ["roles = '[1]'", "roles = 'x'", "kind = 'other'", "roles = '[[1, 2, 3]]'"])
async def test_a_row_that_means_nothing_counts_as_damage(place: Place, column: str) -> None:
    await (await place.table()).standing(ROLE, "")
    place.die()
    with sqlite3.connect(place.database) as connection:
        connection.execute(f"UPDATE tokens SET {column}")  # noqa: S608 - the four above
    connection.close()
    assert (await place.table()).all() == ()
    assert (place.state / "tokens.db.damaged-1").exists()


@pytest.mark.parametrize(
    "change", ["DROP TABLE tokens", "ALTER TABLE tokens DROP COLUMN label", "PRAGMA user_version = 0"]
)
async def test_a_table_that_is_not_ours_counts_as_damage(place: Place, change: str) -> None:
    await (await place.table()).standing(ROLE, "")
    place.die()
    with sqlite3.connect(place.database) as connection:
        connection.execute(change)
    connection.close()
    assert (await place.table()).all() == ()
    assert (place.state / "tokens.db.damaged-1").exists()


async def test_a_table_that_cannot_be_opened_is_left_alone(place: Place) -> None:
    place.database.mkdir()
    with pytest.raises(StorageProblem, match="cannot be used"):
        await place.table()
    assert place.database.is_dir()


async def test_a_table_of_a_newer_keyfob_is_left_alone(place: Place) -> None:
    await (await place.table()).standing(ROLE, "")
    place.die()
    with sqlite3.connect(place.database) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(StorageProblem, match="newer keyfob"):
        await place.table()
    assert [file.name for file in place.state.glob("*damaged*")] == []


async def test_everything_is_private_whatever_the_umask(place: Place) -> None:
    before = os.umask(0)
    try:
        tokens = await place.table()
        await tokens.standing(ROLE, "")
        await tokens.for_process((ROLE,), "make", HERE, keep=None)
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in place.state.parent.rglob("*")}
    finally:
        os.umask(before)
    assert len(modes) >= 7
    for path, mode in modes.items():
        assert mode == (0o700 if path.is_dir() else 0o600), path


async def test_no_text_of_a_token_is_in_the_table_a_repr_or_the_log(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = await place.table()
    issued = await tokens.standing(ROLE, "")
    assert issued.text not in repr(issued) + repr(tokens.all()) + caplog.text
    place.die()
    assert issued.text.encode() not in place.database.read_bytes()


async def test_a_disk_that_fails_is_a_storage_problem_and_no_token(place: Place) -> None:
    tokens = await place.table()
    tokens._database.close()
    with pytest.raises(StorageProblem):
        await tokens.standing(ROLE, "")
    assert tokens.all() == ()


async def test_records_go_to_disk_and_come_back_whole(place: Place) -> None:
    tokens = await place.table()
    issued = await tokens.for_process((ROLE, ChainedRole("p @ q"), OTHER), "é", Process(1, ""), keep=1.9)
    tokens.touch(issued.token)
    expected = tokens.all()
    assert await place.table() is not tokens
    assert place.opened[0].all() == expected == (replace(issued.token, last_used_at=1_800_000_000),)
