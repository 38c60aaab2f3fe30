"""Which key is the sealed file's, or a first one's: asking the places the settings allow, in order."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from keyfobd.adapters import sealed_file
from keyfobd.adapters.keys import KeyWithheld, NoKeyring

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyfobd.adapters.keys import KeyFile, KeyringKey
    from keyfobd.adapters.sealed_file import Sealed
    from keyfobd.adapters.threads import Threads

Setting = Literal["auto", "keyring", "key-file", "memory"]
Place = Literal["keyring", "key-file"]
_NAMES: dict[Place, str] = {"keyring": "keyring", "key-file": "key file"}


@dataclass(frozen=True, slots=True)
class Found:
    """A key, and where it lies."""

    place: Place
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no key, and whether a key file would help: a person may be offered one."""

    why: str
    offer_key_file: bool


class KeySearch:
    """The places a key can be in. ``deadline`` in seconds: a locked keyring whose prompt nobody sees blocks for ever,
    in a thread that is then left behind."""

    def __init__(
        self, setting: Setting, keyring: KeyringKey, key_file: KeyFile, deadline: float, threads: Threads
    ) -> None:
        self.setting = setting
        self._keyring = keyring
        self._key_file = key_file
        self._deadline = deadline
        self._threads = threads

    async def find(self, sealed: Sealed | None) -> Found | Missing:
        """The key of the file; without a file a key for a first one, made if need be; or why there is none."""
        reasons = []
        no_key_file = False
        for place in self._places(sealed):
            try:
                key = await self._ask(place, sealed)
            except (KeyWithheld, NoKeyring) as error:
                reasons.append(str(error))
                continue
            if key is not None and (sealed is None or sealed.fits(key)):
                return Found(place, key)
            no_key_file = no_key_file or place == "key-file"
            if sealed is not None and (key is not None or place in ("keyring", self.setting)):
                reasons.append(f"the key of the sealed file is not in the {_NAMES[place]}")
        return Missing("; ".join(reasons), offer_key_file=sealed is None and no_key_file)

    async def key_file(self) -> Found:
        """The key file's key, made if there is none. Raises KeyWithheld."""
        key = await self._threads.run(lambda: _get_or_make(self._key_file.get, self._key_file.make), "file")
        return Found("key-file", key)

    def _places(self, sealed: Sealed | None) -> tuple[Place, ...]:
        match self.setting:
            case "memory":
                return ()
            case "keyring" | "key-file":
                return (self.setting,)
            case "auto":
                # A file tells whose key it wants: then the key file is asked first, since it cannot hang.
                return ("key-file", "keyring") if sealed else ("keyring", "key-file")

    async def _ask(self, place: Place, sealed: Sealed | None) -> bytes | None:
        """The key there. A new one is never made while there is a file that wants another."""
        if place == "keyring":
            keyring = self._keyring
            return await self._within_deadline(
                keyring.get if sealed else lambda: _get_or_make(keyring.get, keyring.put)
            )
        if sealed is None and self.setting == "key-file":
            return (await self.key_file()).key
        return await self._threads.run(self._key_file.get, "file")

    async def _within_deadline(self, call: Callable[[], bytes | None]) -> bytes | None:
        try:
            async with asyncio.timeout(self._deadline):
                return await self._threads.run(call, "keyring")
        except TimeoutError:
            why = f"the keyring did not answer within {self._deadline:g} seconds: does it wait to be unlocked?"
            raise KeyWithheld(why) from None


def _get_or_make(get: Callable[[], bytes | None], make: Callable[[bytes], None]) -> bytes:
    key = get()
    if key is None:
        key = os.urandom(sealed_file.KEY_BYTES)
        make(key)
    return key
