"""The sealed file: one line that says what it is, then AES-256-GCM.

The line names purpose, schema and the key's fingerprint; it is the associated data, so nobody can pass another file of
ours, or an older schema's, off as this one. The fingerprint tells a key that is not this file's from a file that is
broken: the one is waited for, the other is put aside.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyfobd.adapters.private_files import write_atomically
from keyfobd.core.times import rfc3339

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SCHEMA = 1
KEY_BYTES = 32
_NONCE_BYTES = 12  # what GCM is made for; random, as the key is never used more than some 10,000 times a year
_HEADER = re.compile(rb"keyfob sealed sessions, schema (?P<schema>[0-9]{1,9})(?:, key (?P<key>[0-9a-f]{16}))?[^\n]*\n")


class Broken(Exception):
    """Not a sealed file, or not the whole of one."""


class Newer(Exception):
    """A later keyfob's: not to be understood, and not to be written over."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A file as it was found."""

    header: bytes
    fingerprint: str
    content: bytes = field(repr=False)

    def fits(self, key: bytes) -> bool:
        """Whether this key sealed it."""
        return fingerprint(key) == self.fingerprint

    def open(self, key: bytes) -> bytes:
        """What was sealed. Raises Broken."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as in _cipher

        nonce, content = self.content[:_NONCE_BYTES], self.content[_NONCE_BYTES:]
        try:
            return _cipher(key).decrypt(nonce, content, self.header)
        except (InvalidTag, ValueError) as error:  # ValueError: too short for a nonce
            raise Broken("it does not open with its key") from error


def fingerprint(key: bytes) -> str:
    """Tells keys apart and nothing of them: they are random, so there is nothing to guess."""
    return hashlib.sha256(b"keyfob key fingerprint " + key).hexdigest()[:16]


def seal(content: bytes, key: bytes) -> bytes:
    """A whole file."""
    header = f"keyfob sealed sessions, schema {SCHEMA}, key {fingerprint(key)}\n".encode()
    nonce = os.urandom(_NONCE_BYTES)
    return header + nonce + _cipher(key).encrypt(nonce, content, header)


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 25 ms, which READY does not wait for

    return AESGCM(key)


def parse(content: bytes) -> Sealed:
    """Raises Broken or Newer."""
    header = _HEADER.match(content)
    if header is None:
        raise Broken("it does not begin as one")
    if int(header["schema"]) > SCHEMA:
        raise Newer(f"it was written by a newer keyfob (schema {int(header['schema'])})")
    if header["key"] is None:
        raise Broken("it names no key")
    return Sealed(header[0], header["key"].decode(), content[header.end() :])


def read(path: Path) -> Sealed | None:
    """The file, None where there is none. Raises Broken, Newer, OSError."""
    _cipher(bytes(KEY_BYTES))  # imported now, and not when an upgrade has taken its files from under the daemon
    try:
        with open(path, "rb", opener=_without_following) as file:
            return parse(file.read())
    except FileNotFoundError:
        return None


def _without_following(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


def write(path: Path, content: bytes, key: bytes) -> None:
    """Seal and store, whole and durable. Raises StorageProblem."""
    write_atomically(path, seal(content, key))


def put_aside(path: Path, wall: float) -> Path:
    """Rename the file to a dated name that nothing has yet; the new name. Raises OSError."""
    date = rfc3339(wall).replace(":", "").replace("-", "")
    names = (path.with_name(f"{path.name}.{date}{suffix}") for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
    aside = next(name for name in names if not os.path.lexists(name))
    path.rename(aside)
    return aside
