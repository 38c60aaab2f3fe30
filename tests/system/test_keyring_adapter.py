"""The seal over a real Secret Service: unlocked, locked, absent. Needs the Debian packages dbus-daemon (or dbus) and
gnome-keyring, as packages.txt has them."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
import secretstorage

from fakes import FakeClock
from keyfobd.adapters.keys import KeyFile, KeyringKey, operating_system_keyring
from keyfobd.adapters.seal import NAME, Seal
from keyfobd.core.model import Origins, SealedSession, Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.needs("dbus-daemon", "gnome-keyring-daemon", "linux"),
    # keyring's SecretService leaves its connection to the garbage collector when the collection is locked.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

DEV = SealedSession(
    Session("dev", "https://d-1234567890.awsapps.com/start", "eu-west-1"),
    Origins("https://oidc.test", "https://sso.test"),
    tokens=None,
    registrations=(),
    catalogue=(),
    signed_in_at=1_790_000_000.0,
)


@pytest.fixture(autouse=True)
def collect_what_keyring_leaves() -> Iterator[None]:
    yield
    gc.collect()


@contextlib.contextmanager
def running(*words: str, told: str = "", environ: dict[str, str]) -> Iterator[str]:
    """A process while the block runs; the first line it prints."""
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environ,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(told)
        process.stdin.close()
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A session bus and an unlocked keyring of this test's own; no display, so that no prompt can be shown."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_RUNTIME_DIR": str(tmp_path),
    }
    with running("dbus-daemon", "--session", "--nofork", "--print-address", environ=environ) as address:
        environ["DBUS_SESSION_BUS_ADDRESS"] = address
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        keyring = ("gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets")
        with running(*keyring, told="a password", environ=environ):
            yield


def seal(folder: Path) -> Seal:
    return Seal(
        folder / NAME,
        "auto",
        FakeClock(),
        keyring=KeyringKey(operating_system_keyring),
        key_file=KeyFile(folder / "key"),
    )


def lock() -> None:
    """As the screen lock or the person does."""
    with contextlib.closing(secretstorage.dbus_init()) as connection:
        secretstorage.get_default_collection(connection).lock()


@pytest.mark.usefixtures("desktop")
async def test_an_unlocked_keyring_keeps_the_key(tmp_path: Path) -> None:
    first = seal(tmp_path)
    assert await first.open() == ()
    assert first.storage == {"kind": "keyring", "detail": None}
    await first.store({DEV.key: DEV})
    assert await seal(tmp_path).open() == (DEV,)


@pytest.mark.usefixtures("desktop")
async def test_a_locked_keyring_locks_the_file_and_leaves_it_alone(tmp_path: Path) -> None:
    first = seal(tmp_path)
    await first.open()
    await first.store({DEV.key: DEV})
    content = (tmp_path / NAME).read_bytes()
    lock()
    second = seal(tmp_path)
    assert await second.open() == ()
    assert second.storage == {"kind": "locked", "detail": "the keyring is locked"}
    await second.store({})
    assert (tmp_path / NAME).read_bytes() == content


@pytest.mark.usefixtures("desktop")
async def test_a_locked_keyring_and_no_file_is_memory(tmp_path: Path) -> None:
    await seal(tmp_path / "another").open()  # makes the collection that is locked then
    lock()
    life = seal(tmp_path)
    assert await life.open() == ()
    assert life.storage == {"kind": "memory", "detail": "the keyring is locked", "offer_key_file": True}


async def test_without_a_bus_there_is_no_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/nothing")
    life = seal(tmp_path)
    assert await life.open() == ()
    assert life.storage["kind"] == "memory"
    assert (life.storage["detail"] or "").startswith("no keyring answers here")


async def test_a_plaintext_keyring_that_is_installed_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/nothing")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    life = seal(tmp_path)
    await life.open()
    assert life.storage["kind"] == "memory"
