"""Where the key of the sealed file lies: in the operating system's keyring, or in a file of one's own. Blocking."""

from __future__ import annotations

import base64
import binascii
import logging
import os
import stat
import sys
from typing import TYPE_CHECKING, Protocol

from keyfobd.adapters.private_files import write_atomically
from keyfobd.adapters.sealed_file import KEY_BYTES
from keyfobd.core.errors import StorageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

log = logging.getLogger(__name__)

SERVICE = "keyfob"
ITEM = "sealed sessions"
_LONGEST_FILE = 4096


class NoKeyring(Exception):
    """There is none that may be used; says why."""


class KeyWithheld(Exception):
    """There may be a key, but it is not given now: locked, refused, or not fit to be used; says why."""


class Keyring(Protocol):
    """What is used of keyring's backends."""

    def get_password(self, service: str, username: str) -> str | None: ...
    def set_password(self, service: str, username: str, password: str) -> None: ...


class KeyringKey:
    """The key as one item of the keyring: one prompt on macOS, and no limit of size anywhere."""

    def __init__(self, find: Callable[[], Keyring]) -> None:
        self._find = find

    def get(self) -> bytes | None:
        """None where the keyring is open and has no key. Raises NoKeyring, KeyWithheld."""
        keyring = self._find()
        try:
            text = keyring.get_password(SERVICE, ITEM)
        except Exception as error:  # backends raise whatever the libraries below them do
            raise KeyWithheld(_why(error)) from error
        if text is None:
            return None
        try:
            return _decoded(text)
        except ValueError as error:
            raise KeyWithheld("the keyring's item is not a key of keyfob's") from error

    def put(self, key: bytes) -> None:
        """Store a key and read it again, since some keyrings forget silently. Raises NoKeyring, KeyWithheld."""
        keyring = self._find()
        try:
            keyring.set_password(SERVICE, ITEM, base64.b64encode(key).decode())
            kept = keyring.get_password(SERVICE, ITEM)
        except Exception as error:
            raise KeyWithheld(_why(error)) from error
        if kept is None or _decoded(kept) != key:
            raise KeyWithheld("the keyring does not keep what is stored in it")


class KeyFile:
    """The key in a private file: as safe as the AWS CLI's own cache, no safer."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self) -> bytes | None:
        """None where there is no file. Raises KeyWithheld, also for a file that others can read."""
        try:
            with open(self.path, "rb", opener=_without_following) as file:
                self._check(os.fstat(file.fileno()))
                content = file.read(_LONGEST_FILE)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeyWithheld(f"{self.path} cannot be read: {error.strerror}") from error
        try:
            return _decoded(content.decode("ascii").strip())
        except ValueError as error:
            raise KeyWithheld(f"{self.path} holds no key: {KEY_BYTES} bytes in base64 are expected") from error

    def make(self, key: bytes) -> None:
        """Write a key where there is none. Raises KeyWithheld."""
        try:
            write_atomically(self.path, base64.b64encode(key) + b"\n")
        except StorageProblem as problem:
            raise KeyWithheld(problem.message.rstrip(".")) from problem

    def _check(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise KeyWithheld(f"{self.path} is not a file")
        if found.st_uid not in (0, os.getuid()):  # root's: a credential that systemd hands over
            raise KeyWithheld(f"{self.path} belongs to somebody else")
        if found.st_mode & 0o077:
            raise KeyWithheld(f"others can read {self.path}: chmod 600 {self.path}")


def operating_system_keyring() -> Keyring:
    """The keyring of this desktop. Asks D-Bus. Raises NoKeyring."""
    keyring = first_usable(allowed_keyrings(sys.platform))
    if keyring is None:
        raise NoKeyring(no_keyring(sys.platform, os.environ))
    return keyring


def no_keyring(platform: str, environ: Mapping[str, str]) -> str:
    """Why there is none, as a person would say it; what the libraries said is in the log."""
    if platform.startswith("linux") and not environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return "no keyring answers here, since there is no D-Bus session"
    return "no keyring answers here"


def allowed_keyrings(platform: str) -> tuple[type[Keyring], ...]:
    """The keyrings that are asked, by class: keyring's own choice may be a plaintext file (keyrings.alt), or whatever
    a variable or a configuration file names."""
    from keyring.backends import SecretService, kwallet, macOS  # noqa: PLC0415 - 30 ms, for which READY does not wait

    return (macOS.Keyring,) if platform == "darwin" else (SecretService.Keyring, kwallet.DBusKeyring)


def first_usable(kinds: Iterable[type[Keyring]]) -> Keyring | None:
    """One of the first kind that works here."""
    for kind in kinds:
        try:
            _ = kind.priority  # type: ignore[attr-defined]  # keyring's property of a class: raises where it cannot work
        except Exception as error:  # noqa: BLE001 - RuntimeError by contract, D-Bus's own errors in practice
            log.info("%s.%s cannot be used: %s", kind.__module__, kind.__name__, _said(error))
        else:
            return kind()
    return None


def _without_following(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would wait for its writer


def _decoded(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if len(key) != KEY_BYTES:
        raise ValueError("not as long as a key")
    return key


def _why(error: Exception) -> str:
    if type(error).__name__ in ("KeyringLocked", "LockedException", "PromptDismissedException"):
        return "the keyring is locked"
    log.warning("the keyring answers with an error: %s: %s", type(error).__name__, _said(error))
    return "the keyring answers with an error"


def _said(error: Exception) -> str:
    """An error's own words in one line; D-Bus's come in several."""
    return " ".join(str(error).split()) or type(error).__name__
