"""The sealed file on a real disk: what is never written over, and in what order things are written."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fake_storage import FakeKeyring
from fakes import FakeClock
from keyfobd.adapters import sealed_file
from keyfobd.adapters.folders import Folders
from keyfobd.adapters.keys import KeyFile, KeyringKey, NoKeyring
from keyfobd.adapters.seal import NAME, Seal, standard_seal
from keyfobd.adapters.settings import Settings
from keyfobd.core.errors import StorageProblem
from keyfobd.core.model import Account, CatalogueEntry, Origins, SealedSession, Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keyfobd.adapters.key_search import Setting
    from keyfobd.adapters.keys import Keyring

    Harm = Callable[[bytes], bytes]

DEV = SealedSession(
    Session("dev", "https://d-1234567890.awsapps.com/start", "eu-west-1"),
    Origins("https://oidc.test", "https://sso.test"),
    tokens=None,
    registrations=(),
    catalogue=(),
    signed_in_at=1_790_000_000.0,
)
STORED = {DEV.key: DEV}


class Disk:
    """A state folder and a keyring, and seals over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / NAME
        self.key_file = folder / "key"
        self.keyring = FakeKeyring()
        self.there_is_a_keyring = True

    def seal(self, setting: Setting = "auto", deadline: float = 10.0) -> Seal:
        return Seal(
            self.file,
            setting,
            FakeClock(),
            keyring=KeyringKey(self._find),
            key_file=KeyFile(self.key_file),
            keyring_deadline=deadline,
        )

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def _find(self) -> Keyring:
        if not self.there_is_a_keyring:
            raise NoKeyring("no keyring answers here")
        return self.keyring


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


async def opened(disk: Disk, setting: Setting = "auto") -> Seal:
    seal = disk.seal(setting)
    await seal.open()
    return seal


async def stored(disk: Disk, setting: Setting = "auto") -> bytes:
    seal = await opened(disk, setting)
    await seal.store(STORED)
    return disk.file.read_bytes()


# --- the file


async def test_the_file_is_for_its_owner_alone_and_holds_no_name_in_clear(disk: Disk) -> None:
    content = await stored(disk)
    assert disk.file.stat().st_mode & 0o777 == 0o600
    assert b"dev" not in content
    assert disk.names() == [NAME]


async def test_a_new_key_is_made_once_and_kept(disk: Disk) -> None:
    await stored(disk)
    items = dict(disk.keyring.items)
    await stored(disk)
    assert disk.keyring.items == items
    assert len(items) == 1


@pytest.mark.parametrize(
    "harm",
    [
        lambda _: b"",
        lambda content: content[:20],
        lambda content: content[: content.index(b"\n") + 6],
        lambda content: content[:-1],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda _: b"{}",
        lambda content: content.replace(b"schema 1", b"schema 0"),
        lambda _: b"keyfob sealed sessions, schema 1\n" + bytes(64),
    ],
    ids=[
        "empty",
        "half a header",
        "header only",
        "truncated",
        "one bit",
        "something else",
        "another schema's header",
        "no key named",
    ],
)
async def test_a_broken_file_is_kept_aside_and_the_daemon_goes_on(disk: Disk, harm: Harm) -> None:
    broken = harm(await stored(disk))
    disk.file.write_bytes(broken)
    seal = disk.seal()
    assert await seal.open() == ()
    aside = disk.folder / f"{NAME}.20260921T141320Z"
    assert aside.read_bytes() == broken
    assert seal.storage["kind"] == "keyring"
    assert str(aside) in (seal.storage["detail"] or "")
    await seal.store(STORED)
    assert await disk.seal().open() == (DEV,)
    assert aside.read_bytes() == broken


async def test_two_broken_files_of_one_second_are_both_kept(disk: Disk) -> None:
    for content in (b"first", b"second"):
        disk.file.write_bytes(content)
        await opened(disk)
    kept = [path.read_bytes() for path in sorted(disk.folder.glob(NAME + ".*"))]
    assert kept == [b"first", b"second"]


async def test_sealed_content_that_is_no_session_is_kept_aside_too(disk: Disk) -> None:
    await stored(disk, "key-file")
    key = KeyFile(disk.key_file).get()
    assert key is not None
    sealed_file.write(disk.file, b'{"sessions": [{"name": 5}]}', key)
    assert await disk.seal("key-file").open() == ()
    assert len(disk.names()) == 2  # the key, and the file under its dated name


async def test_a_newer_schema_is_left_alone_and_told(disk: Disk) -> None:
    newer = b"keyfob sealed sessions, schema 2, and whatever else\n\x00\x01"
    disk.file.write_bytes(newer)
    seal = disk.seal()
    assert await seal.open() == ()
    assert seal.storage["kind"] == "memory"
    assert "newer keyfob" in (seal.storage["detail"] or "")
    await seal.store(STORED)
    await seal.retry()
    with pytest.raises(StorageProblem, match="newer keyfob"):
        await seal.use_key_file()
    assert disk.file.read_bytes() == newer
    assert disk.keyring.items == {}


async def test_a_symbolic_link_is_neither_read_nor_written_over(disk: Disk, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_bytes(b"somebody's")
    disk.file.symlink_to(target)
    seal = await opened(disk)
    assert seal.storage["kind"] == "memory"
    await seal.store(STORED)
    assert disk.file.is_symlink()
    assert target.read_bytes() == b"somebody's"


# --- the key


async def test_a_file_of_another_key_is_locked_and_no_new_key_is_made(disk: Disk) -> None:
    content = await stored(disk)
    disk.keyring.items.clear()
    seal = disk.seal()
    assert await seal.open() == ()
    assert seal.storage["kind"] == "locked"
    await seal.store({})
    assert disk.file.read_bytes() == content
    assert disk.keyring.items == {}


async def test_a_file_is_not_taken_for_broken_because_the_keyring_has_another_key(disk: Disk) -> None:
    content = await stored(disk)
    disk.keyring.items.clear()
    other = Disk(disk.folder / "other")
    other.folder.mkdir()
    other.keyring = disk.keyring
    await stored(other)
    seal = await opened(disk)
    assert seal.storage == {"kind": "locked", "detail": "the key of the sealed file is not in the keyring"}
    assert disk.file.read_bytes() == content


async def test_a_hung_keyring_is_given_up_and_asked_again_later(disk: Disk) -> None:
    await stored(disk)
    disk.keyring.go_on.clear()
    seal = disk.seal(deadline=0.01)
    assert await seal.open() == ()
    assert seal.storage["kind"] == "locked"
    assert "did not answer" in (seal.storage["detail"] or "")
    disk.keyring.go_on.set()
    patient = disk.seal()
    assert await patient.open() == (DEV,)


async def test_a_keyring_that_forgets_is_not_trusted_with_the_key(disk: Disk) -> None:
    disk.keyring.forgetful = True
    seal = await opened(disk)
    assert seal.storage["kind"] == "memory"
    assert "does not keep" in (seal.storage["detail"] or "")


async def test_a_keyring_item_that_is_no_key_is_never_replaced(disk: Disk) -> None:
    disk.keyring.items["keyfob", "sealed sessions"] = "somebody's own"
    seal = await opened(disk)
    assert seal.storage["kind"] == "memory"
    assert disk.keyring.items == {("keyfob", "sealed sessions"): "somebody's own"}


async def test_auto_takes_a_key_file_that_is_there_before_memory(disk: Disk) -> None:
    disk.there_is_a_keyring = False
    KeyFile(disk.key_file).make(os.urandom(32))
    await stored(disk)
    seal = disk.seal()
    assert await seal.open() == (DEV,)
    assert seal.storage == {"kind": "key-file", "detail": None}


async def test_auto_makes_no_key_file_by_itself(disk: Disk) -> None:
    disk.there_is_a_keyring = False
    seal = await opened(disk)
    assert seal.storage == {"kind": "memory", "detail": "no keyring answers here", "offer_key_file": True}
    await seal.store(STORED)
    assert disk.names() == []


@pytest.mark.parametrize("setting", ["keyring", "key-file", "memory"])
async def test_a_key_file_is_offered_by_the_setting_auto_alone(disk: Disk, setting: Setting) -> None:
    disk.there_is_a_keyring = False
    disk.key_file = disk.folder / "missing" / "key"  # so that none can be made
    seal = await opened(disk, setting)
    assert seal.storage["kind"] == "memory"
    assert "offer_key_file" not in seal.storage


async def test_no_key_file_is_offered_where_there_is_one_that_cannot_be_used(disk: Disk) -> None:
    disk.there_is_a_keyring = False
    disk.key_file.touch(mode=0o644)
    seal = await opened(disk)
    assert seal.storage["kind"] == "memory"
    assert "others can read" in (seal.storage["detail"] or "")
    assert "offer_key_file" not in seal.storage


async def test_no_key_file_is_offered_while_the_sealed_file_waits_for_its_keyring(disk: Disk) -> None:
    await stored(disk)
    disk.there_is_a_keyring = False
    seal = await opened(disk)
    assert seal.storage["kind"] == "locked"
    assert "offer_key_file" not in seal.storage


async def test_once_there_is_a_key_file_none_is_offered(disk: Disk) -> None:
    disk.there_is_a_keyring = False
    seal = await opened(disk)
    await seal.use_key_file()
    assert seal.storage == {"kind": "key-file", "detail": None}


async def test_a_file_sealed_with_the_key_file_is_opened_without_asking_the_keyring(disk: Disk) -> None:
    await stored(disk, "key-file")
    disk.keyring.go_on.clear()
    assert await disk.seal().open() == (DEV,)
    assert disk.keyring.asked == 0


async def test_a_key_file_that_others_can_read_is_refused(disk: Disk) -> None:
    content = await stored(disk, "key-file")
    disk.key_file.chmod(0o640)
    seal = disk.seal("key-file")
    assert await seal.open() == ()
    assert seal.storage["kind"] == "locked"
    assert f"chmod 600 {disk.key_file}" in (seal.storage["detail"] or "")
    assert disk.file.read_bytes() == content


async def test_the_setting_memory_touches_nothing(disk: Disk) -> None:
    content = await stored(disk)
    asked = disk.keyring.asked
    seal = await opened(disk, "memory")
    await seal.store({})
    assert seal.storage == {"kind": "memory", "detail": None}
    assert disk.file.read_bytes() == content
    assert disk.keyring.asked == asked


async def test_a_key_file_the_person_asks_for_puts_a_locked_file_aside(disk: Disk) -> None:
    content = await stored(disk)
    disk.keyring.locked = True
    seal = await opened(disk)
    await seal.use_key_file()
    assert seal.storage["kind"] == "key-file"
    assert disk.key_file.stat().st_mode & 0o777 == 0o600
    assert [path.read_bytes() for path in disk.folder.glob(NAME + ".*")] == [content]
    await seal.store(STORED)
    assert await disk.seal().open() == (DEV,)


async def test_a_key_file_takes_over_what_the_keyring_kept(disk: Disk) -> None:
    await stored(disk)
    seal = await opened(disk)
    await seal.use_key_file()
    disk.there_is_a_keyring = False
    assert await disk.seal().open() == (DEV,)
    assert disk.names() == ["key", NAME]


@pytest.mark.parametrize("setting", ["keyring", "memory"])
async def test_the_settings_can_rule_a_key_file_out(disk: Disk, setting: Setting) -> None:
    seal = await opened(disk, setting)
    with pytest.raises(StorageProblem, match="ruled out"):
        await seal.use_key_file()
    assert not disk.key_file.exists()


async def test_the_settings_say_where_file_and_key_lie(tmp_path: Path) -> None:
    folders = Folders(tmp_path, tmp_path, tmp_path, tmp_path)
    settings = Settings(folders=folders, aws_config_file=tmp_path / "config", storage_kind="key-file")
    for key_file in (None, tmp_path / "elsewhere"):
        seal = standard_seal(replace(settings, key_file=key_file), FakeClock())
        await seal.open()
        await seal.store(STORED)
        (tmp_path / NAME).unlink()
    assert Disk(tmp_path).names() == ["elsewhere", "sessions.key"]


async def test_of_two_as_new_the_one_in_memory_is_kept_when_the_key_comes(disk: Disk) -> None:
    await stored(disk)
    disk.keyring.locked = True
    seal = await opened(disk)
    in_memory = replace(DEV, catalogue=(CatalogueEntry(Account("111122223333"), ()),))
    await seal.store({DEV.key: in_memory})
    disk.keyring.locked = False
    assert await seal.retry() == (in_memory,)
    assert await disk.seal().open() == (in_memory,)


async def test_only_a_sign_in_asks_a_keyring_that_was_locked_again(disk: Disk) -> None:
    disk.keyring.locked = True
    seal = await opened(disk)
    asked = disk.keyring.asked
    await seal.store(STORED)
    assert disk.keyring.asked == asked + 1
    for renewed in (replace(DEV, catalogue=(CatalogueEntry(Account("111122223333"), ()),)), DEV):
        await seal.store({DEV.key: renewed})  # nobody is there to see a prompt
    await seal.store({})
    assert disk.keyring.asked == asked + 1
    assert seal.storage["kind"] == "memory"
    disk.keyring.locked = False
    await seal.store(at(DEV.signed_in_at + 60))
    assert await disk.seal().open() == tuple(at(DEV.signed_in_at + 60).values())


async def test_a_keyring_that_hangs_at_a_sign_in_is_given_up_and_keeps_nobody_else_waiting(disk: Disk) -> None:
    disk.keyring.go_on.clear()
    seal = disk.seal(deadline=0.01)
    await seal.open()
    sign_in = asyncio.create_task(seal.store(STORED))
    await asyncio.sleep(0)
    await seal.store(STORED)
    assert not sign_in.done()
    await sign_in
    assert seal.storage["kind"] == "memory"
    disk.keyring.go_on.set()


async def test_two_who_sign_in_at_once_make_one_key(disk: Disk) -> None:
    disk.keyring.locked = True
    seal = await opened(disk)
    disk.keyring.locked = False
    other = replace(DEV, session=replace(DEV.session, name="other"))
    await asyncio.gather(seal.store(STORED), seal.store({**STORED, other.key: other}))
    assert len(disk.keyring.items) == 1
    assert set(await disk.seal().open()) == {DEV, other}


# --- writing


class SlowDisk:
    """Stands in the way of each writing until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = asyncio.Event()
        self.go_on = threading.Event()
        self.contents: list[bytes] = []
        self.failures = 0  # still to come
        loop = asyncio.get_running_loop()
        write = sealed_file.write

        def slowly(path: Path, content: bytes, key: bytes) -> None:
            loop.call_soon_threadsafe(self.begun.set)
            self.go_on.wait()
            self.contents.append(content)
            if self.failures:
                self.failures -= 1
                raise StorageProblem("The disk is full.")
            write(path, content, key)

        monkeypatch.setattr(sealed_file, "write", slowly)


def at(seconds: float) -> dict[str, SealedSession]:
    session = replace(DEV, signed_in_at=seconds)
    return {session.key: session}


async def test_of_many_at_once_the_last_is_stored_and_each_waits_for_it(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = await opened(disk)
    slow = SlowDisk(monkeypatch)
    first = asyncio.create_task(seal.store(at(1)))
    await slow.begun.wait()
    later = [asyncio.create_task(seal.store(at(seconds))) for seconds in (2, 3, 4)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in later)
    slow.go_on.set()
    await asyncio.gather(first, *later)
    assert len(slow.contents) == 2  # the first, and one for all the others
    assert await disk.seal().open() == tuple(at(4).values())


async def test_the_failure_of_an_older_content_is_not_that_of_a_newer(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = await opened(disk)
    slow = SlowDisk(monkeypatch)
    slow.failures = 1
    older = asyncio.create_task(seal.store(at(1)))
    await slow.begun.wait()
    newer = asyncio.create_task(seal.store(at(2)))
    await asyncio.sleep(0)
    slow.go_on.set()
    with pytest.raises(StorageProblem):
        await older
    await newer
    assert await disk.seal().open() == tuple(at(2).values())


async def test_who_gives_up_waiting_does_not_put_an_older_content_last(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = await opened(disk)
    slow = SlowDisk(monkeypatch)
    first = asyncio.create_task(seal.store(at(1)))
    await slow.begun.wait()
    first.cancel()
    second = asyncio.create_task(seal.store(at(2)))
    await asyncio.sleep(0)
    slow.go_on.set()
    await second
    assert first.cancelled()
    assert await disk.seal().open() == tuple(at(2).values())


async def test_a_writing_that_fails_is_made_up_for_by_the_next_look(disk: Disk) -> None:
    seal = await opened(disk)
    in_the_way = disk.file.with_name(NAME + ".new")
    in_the_way.mkdir()
    with pytest.raises(StorageProblem):
        await seal.store(STORED)
    assert "cannot be written" in (seal.storage["detail"] or "")
    await seal.retry()
    in_the_way.rmdir()
    await seal.retry()
    assert seal.storage == {"kind": "keyring", "detail": None}
    assert await disk.seal().open() == (DEV,)


async def test_a_disk_that_is_full_keeps_the_old_file_and_nothing_beside_it(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    seal = await opened(disk)
    await seal.store(at(1))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageProblem):
        await seal.store(at(2))
    assert disk.names() == [NAME]
    assert await disk.seal().open() == tuple(at(1).values())


async def test_a_sign_in_while_the_keyring_is_asked_is_durable_when_it_is_done(disk: Disk) -> None:
    seal = disk.seal()
    disk.keyring.go_on.clear()
    opening = asyncio.create_task(seal.open())
    await asyncio.sleep(0)
    storing = asyncio.create_task(seal.store(STORED))
    await asyncio.sleep(0)
    assert not storing.done()
    disk.keyring.go_on.set()
    await storing
    assert await disk.seal().open() == (DEV,)
    await opening


def test_nothing_of_a_key_or_a_session_is_in_a_repr() -> None:
    key = b"k" * 32
    sealed = sealed_file.parse(sealed_file.seal(b"a secret", key))
    assert "kkkk" not in repr(sealed)
    assert sealed.open(key) == b"a secret"


class Crash(BaseException):
    """The daemon is killed."""


@pytest.mark.parametrize(
    ("call", "survivor"),
    [("open", 1), ("fsync", 1), ("replace", 1), ("fsync of the folder", 2)],
)
async def test_a_kill_at_any_step_leaves_the_old_file_or_the_new_one(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, call: str, survivor: int
) -> None:
    seal = await opened(disk)
    await seal.store(at(1))
    name, _, of_the_folder = call.partition(" ")
    real = getattr(os, name)
    calls = 0

    def dying(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == (2 if of_the_folder else 1):
            raise Crash
        return real(*args, **options)

    monkeypatch.setattr(os, name, dying)
    with pytest.raises(Crash):
        await seal.store(at(2))
    monkeypatch.undo()
    assert await disk.seal().open() == tuple(at(survivor).values())
