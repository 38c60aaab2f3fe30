"""The fake seal and the real one, in its file, through the same cases. A life is one run of the daemon."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from fake_storage import FakeKeyring, FakeSeal
from fakes import FakeClock
from keyfobd.adapters.keys import KeyFile, KeyringKey
from keyfobd.adapters.seal import Seal
from keyfobd.core.errors import StorageProblem
from keyfobd.core.model import (
    Account,
    CatalogueEntry,
    Instant,
    Origins,
    Registration,
    SealedSession,
    Session,
    Tokens,
)

if TYPE_CHECKING:
    from pathlib import Path

REGISTRATION = Registration("client", "client-secret", 1_800_000_000, "pkce")
TOKENS = Tokens("access-token", "refresh-token", REGISTRATION, Instant(1_790_000_000.5, 77.25), 3600.0)
DEV = SealedSession(
    Session("dev", "https://d-1234567890.awsapps.com/start", "eu-west-1", ("sso:account:access",)),
    Origins("https://oidc.eu-west-1.amazonaws.com", "https://portal.sso.eu-west-1.amazonaws.com"),
    TOKENS,
    (REGISTRATION, Registration("device", "device-secret", 1_800_000_001, "device")),
    (CatalogueEntry(Account("111122223333", "Prod", None), ("Admin", "Read@Only/…")),),
    signed_in_at=1_790_000_000.5,
)
OTHER = replace(
    DEV, session=Session("other", "https://example.awsapps.com/start", "us-east-1", legacy=True), tokens=None
)
LATER = replace(DEV, signed_in_at=DEV.signed_in_at + 100, tokens=replace(TOKENS, access_token="later"))


class Lives(Protocol):
    """One machine, on which a daemon lives several times."""

    def begin(self, *, locked: bool = False) -> Any: ...
    def unlock(self) -> None: ...
    def fill_disk(self) -> None: ...
    def make_room(self) -> None: ...


class FakeLives:
    def __init__(self) -> None:
        self.disk: dict[str, SealedSession] = {}
        self.life = FakeSeal(self.disk)

    def begin(self, *, locked: bool = False) -> FakeSeal:
        self.life = FakeSeal(self.disk)
        if locked:
            self.life.lock()
        return self.life

    def unlock(self) -> None:
        self.life.unlock()

    def fill_disk(self) -> None:
        self.life.trouble = StorageProblem("sessions.sealed cannot be written: No space left on device.")

    def make_room(self) -> None:
        self.life.trouble = None


class RealLives:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keyring = FakeKeyring()

    def begin(self, *, locked: bool = False) -> Seal:
        self.keyring.locked = locked
        return Seal(
            self.folder / "sessions.sealed",
            "auto",
            FakeClock(),
            keyring=KeyringKey(lambda: self.keyring),
            key_file=KeyFile(self.folder / "sessions.key"),
        )

    def unlock(self) -> None:
        self.keyring.locked = False

    def fill_disk(self) -> None:
        (self.folder / "sessions.sealed.new").symlink_to("/dev/full")  # refused, as every symbolic link is

    def make_room(self) -> None:
        (self.folder / "sessions.sealed.new").unlink()


@pytest.fixture(params=["fake", "real"])
def lives(request: pytest.FixtureRequest, tmp_path: Path) -> Lives:
    return FakeLives() if request.param == "fake" else RealLives(tmp_path)


def by_key(*sessions: SealedSession) -> dict[str, SealedSession]:
    return {session.key: session for session in sessions}


async def test_it_says_that_it_is_opening_until_it_is_open(lives: Lives) -> None:
    life = lives.begin()
    assert life.storage == {"kind": "opening", "detail": None}
    assert await life.open() == ()
    assert life.storage == {"kind": "keyring", "detail": None}


async def test_what_one_life_stored_the_next_one_finds(lives: Lives) -> None:
    first = lives.begin()
    await first.open()
    await first.store(by_key(DEV, OTHER))
    assert set(await lives.begin().open()) == {DEV, OTHER}


async def test_what_is_stored_replaces_all_that_was(lives: Lives) -> None:
    first = lives.begin()
    await first.open()
    await first.store(by_key(DEV, OTHER))
    await first.store(by_key(OTHER))
    assert await lives.begin().open() == (OTHER,)


async def test_what_is_stored_before_it_is_open_joins_what_was_there(lives: Lives) -> None:
    first = lives.begin()
    await first.open()
    await first.store(by_key(DEV))
    second = lives.begin()
    await second.store(by_key(OTHER))
    assert set(await second.open()) == {DEV, OTHER}
    assert set(await lives.begin().open()) == {DEV, OTHER}


async def test_a_file_whose_key_is_locked_up_is_locked_and_left_alone(lives: Lives) -> None:
    first = lives.begin()
    await first.open()
    await first.store(by_key(DEV))
    second = lives.begin(locked=True)
    assert await second.open() == ()
    assert second.storage["kind"] == "locked"
    assert "the keyring is locked" in second.storage["detail"]
    await second.store(by_key(OTHER))
    assert await lives.begin().open() == (DEV,)


async def test_a_key_that_comes_late_joins_file_and_memory(lives: Lives) -> None:
    first = lives.begin()
    await first.open()
    await first.store(by_key(DEV))
    second = lives.begin(locked=True)
    await second.open()
    await second.store(by_key(OTHER))
    assert await second.retry() == ()
    lives.unlock()
    assert set(await second.retry()) == {DEV, OTHER}
    assert second.storage["kind"] == "keyring"
    assert set(await lives.begin().open()) == {DEV, OTHER}


async def test_a_sign_in_while_locked_is_newer_than_what_the_file_has(lives: Lives) -> None:
    first = lives.begin()
    await first.open()
    await first.store(by_key(DEV))
    second = lives.begin(locked=True)
    await second.open()
    await second.store(by_key(LATER))
    lives.unlock()
    assert await second.retry() == (LATER,)


async def test_without_a_keyring_there_is_memory_until_one_comes(lives: Lives) -> None:
    life = lives.begin(locked=True)
    assert await life.open() == ()
    assert life.storage["kind"] == "memory"
    assert life.storage["detail"]
    await life.store(by_key(DEV))
    lives.unlock()
    assert await life.retry() == (DEV,)
    assert await lives.begin().open() == (DEV,)


async def test_a_sign_in_after_the_keyring_was_unlocked_is_sealed(lives: Lives) -> None:
    life = lives.begin(locked=True)
    await life.open()
    await life.store(by_key(OTHER))
    assert life.storage["kind"] == "memory"
    lives.unlock()
    await life.store(by_key(OTHER, DEV))
    assert life.storage == {"kind": "keyring", "detail": None}
    assert set(await lives.begin().open()) == {OTHER, DEV}


async def test_a_second_try_after_success_finds_nothing_new(lives: Lives) -> None:
    life = lives.begin()
    await life.open()
    await life.store(by_key(DEV))
    assert await life.retry() == ()


async def test_a_full_disk_is_said_and_memory_goes_on(lives: Lives) -> None:
    life = lives.begin()
    await life.open()
    await life.store(by_key(DEV))
    lives.fill_disk()
    with pytest.raises(StorageProblem):
        await life.store(by_key(OTHER))
    assert "cannot be written" in life.storage["detail"]
    lives.make_room()
    await life.store(by_key(DEV, OTHER))
    assert life.storage == {"kind": "keyring", "detail": None}
    assert set(await lives.begin().open()) == {DEV, OTHER}


async def test_a_key_file_can_take_the_keyring_s_place(lives: Lives) -> None:
    life = lives.begin(locked=True)
    await life.open()
    await life.store(by_key(DEV))
    await life.use_key_file()
    assert life.storage == {"kind": "key-file", "detail": None}
