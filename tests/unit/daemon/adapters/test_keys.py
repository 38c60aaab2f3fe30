"""Where a key lies: which keyrings may be used, and what a key file must be."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import SecretService, kwallet, macOS
from keyring.compat import properties

from fake_storage import FakeKeyring
from keyfobd.adapters.keys import (
    KeyFile,
    KeyringKey,
    KeyWithheld,
    NoKeyring,
    allowed_keyrings,
    first_usable,
    no_keyring,
    operating_system_keyring,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = bytes(range(32))


def keyring_with(item: str | None) -> KeyringKey:
    fake = FakeKeyring()
    if item is not None:
        fake.items["keyfob", "sealed sessions"] = item
    return KeyringKey(lambda: fake)


# --- the keyring


def test_a_key_that_was_put_is_got_again() -> None:
    key = keyring_with(None)
    assert key.get() is None
    key.put(KEY)
    assert key.get() == KEY


@pytest.mark.parametrize("item", ["", "not base64!", base64.b64encode(KEY[:-1]).decode(), "é"])
def test_an_item_that_is_no_key_is_withheld(item: str) -> None:
    with pytest.raises(KeyWithheld, match="not a key of keyfob's"):
        keyring_with(item).get()


class Broken(FakeKeyring):
    """Fails as libraries below keyring do: with an error of their own, in several lines."""

    def get_password(self, service: str, username: str) -> str | None:
        raise OSError(f"DBus error\n  for {service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise OSError(f"DBus error\n  for {service}/{username}" + password[:0])


@pytest.mark.parametrize("act", [KeyringKey.get, lambda key: key.put(KEY)])
def test_whatever_a_backend_raises_is_told_in_plain_words_and_logged_in_its_own(
    act: Callable[[KeyringKey], object], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KeyWithheld) as caught:
        act(KeyringKey(Broken))
    assert str(caught.value) == "the keyring answers with an error"
    assert "OSError: DBus error for keyfob/sealed sessions" in caplog.text


def test_a_keyring_by_any_other_name_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class PlaintextKeyring(KeyringBackend):
        priority = 100

        def get_password(self, service: str, username: str) -> str | None:
            raise AssertionError((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            raise AssertionError((service, username, password))

    keyring.set_keyring(PlaintextKeyring())  # type: ignore[no-untyped-call]  # keyring's own __init__
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    with pytest.raises(NoKeyring, match=r"^no keyring answers here$"):
        operating_system_keyring()


@pytest.mark.parametrize(
    ("platform", "kinds"),
    [("darwin", (macOS.Keyring,)), ("linux", (SecretService.Keyring, kwallet.DBusKeyring))],
)
def test_keyrings_are_allowed_by_their_class(platform: str, kinds: tuple[type, ...]) -> None:
    assert allowed_keyrings(platform) == kinds


class Unusable(FakeKeyring):
    @properties.classproperty
    def priority(cls) -> float:  # noqa: N805 - as keyring's own backends have it
        raise RuntimeError("the daemon is\n not running")


def test_the_first_keyring_that_works_is_taken() -> None:
    assert type(first_usable([Unusable, FakeKeyring])) is FakeKeyring


def test_without_one_that_works_each_one_s_reason_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        assert first_usable([Unusable, Unusable]) is None
    assert caplog.text.count("the daemon is not running") == 2


@pytest.mark.parametrize(
    ("platform", "environ", "why"),
    [
        ("linux", {}, "no keyring answers here, since there is no D-Bus session"),
        ("linux", {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/x"}, "no keyring answers here"),
        ("darwin", {}, "no keyring answers here"),
    ],
)
def test_why_there_is_none_is_said_in_a_person_s_words(platform: str, environ: dict[str, str], why: str) -> None:
    assert no_keyring(platform, environ) == why


# --- the key file


def test_a_key_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "key")
    assert file.get() is None
    file.make(KEY)
    assert file.get() == KEY
    assert file.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o666])
def test_a_key_file_that_is_not_private_is_withheld(tmp_path: Path, mode: int) -> None:
    file = KeyFile(tmp_path / "key")
    file.make(KEY)
    file.path.chmod(mode)
    with pytest.raises(KeyWithheld, match=f"others can read {file.path}: chmod 600 {file.path}"):
        file.get()


@pytest.mark.parametrize("content", [b"", b"\xff" * 44, b"short", base64.b64encode(KEY) * 2, KEY])
def test_a_key_file_without_a_key_is_withheld(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyWithheld, match="holds no key"):
        KeyFile(path).get()


def test_a_key_file_that_an_administrator_provides_may_be_read_only(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(base64.b64encode(KEY) + b"\r\n")
    path.chmod(0o400)
    assert KeyFile(path).get() == KEY


def test_neither_links_nor_folders_nor_pipes_are_key_files(tmp_path: Path) -> None:
    made = KeyFile(tmp_path / "key")
    made.make(KEY)
    (tmp_path / "link").symlink_to(made.path)
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "folder", "pipe"):
        with pytest.raises(KeyWithheld, match=r"cannot be read|is not a file"):
            KeyFile(tmp_path / name).get()


def test_a_key_file_of_somebody_else_is_withheld(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "key")
    file.make(KEY)
    found = list(file.path.stat())
    found[4] = 54321  # st_uid
    with pytest.raises(KeyWithheld, match="belongs to somebody else"):
        file._check(os.stat_result(found))


def test_a_folder_that_cannot_be_written_holds_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(KeyWithheld, match="cannot be written"):
        KeyFile(tmp_path / "missing" / "key").make(KEY)
