"""``status``, ``stop``, ``storage``, ``version``: the daemon itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from keyfob import wire
from keyfobd.core.errors import UsageError
from keyfobd.core.times import rfc3339
from keyfobd.http import statuses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfobd.http.control import Asked
    from keyfobd.http.house import House

PATIENCE_WITH_KEYRING = 1.0
"""Seconds that ``status`` waits for a keyring that was locked."""


PATIENCE_WITH_OPENING = 0.5
"""Seconds that ``status`` waits for the sealed file just after the start: a key file takes milliseconds."""


class DaemonWords:
    """What is asked of the daemon itself."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._unlocking: asyncio.Future[None] | None = None

    async def status(self, asked: Asked) -> Mapping[str, Any]:
        if asked.body.get("check") is not True:
            await self._unlocked()
        house = self._house
        await house.sessions.settled(PATIENCE_WITH_OPENING)
        names = {name: house.sessions.known_catalogue(name) for name in house.session_names()}
        answer: wire.StatusAnswer = {
            "daemon": self._daemon(),
            "sessions": [
                statuses.session_status(view, house.settings_of(view.name).length) for view in house.sessions.views()
            ],
            "roles": statuses.role_statuses(house.broker.views(), statuses.account_names(names)),
            "storage": house.storage.storage,
        }
        return answer

    async def _unlocked(self) -> None:
        """A person who looks has perhaps unlocked the keyring; the daemon does not try by itself, nor for a shell's
        prompt (``--check``), since each try can bring up a dialog."""
        if self._house.storage.storage["kind"] != "locked":
            return
        if self._unlocking is None or self._unlocking.done():
            self._unlocking = asyncio.ensure_future(self._house.unlock())
        await asyncio.wait({self._unlocking}, timeout=PATIENCE_WITH_KEYRING)

    def _daemon(self) -> wire.DaemonStatus:
        facts = self._house.facts
        return {
            "version": facts.found_at["version"],
            "pid": facts.found_at["pid"],
            "protocol": facts.found_at["protocol"],
            "started_at": rfc3339(facts.started_at),
            "endpoint": f"http://127.0.0.1:{facts.found_at['port']}",
            "peer_check": "uid" if facts.peer_check else "none: the endpoint token alone is the gate",
            "config_file": facts.found_at["config_file"],
            "network": dict(facts.network),
            "detail": self._detail(),
        }

    def _detail(self) -> str | None:
        found = [self._house.directory.problem]
        if bugs := self._house.bugs():
            log_file = f"{wire.state_folder()}/{wire.LOG_FILE}"
            found.append(f"keyfobd met {bugs} bug(s) of its own; its log says where: {log_file}")
        return " ".join(one for one in found if one) or None

    async def stop(self, _asked: Asked) -> Mapping[str, Any]:
        self._house.stop()
        return {}

    async def storage(self, asked: Asked) -> Mapping[str, Any]:
        if asked.body.get("kind") != "key-file":
            raise UsageError("storage: only a key file can be chosen at run time.")
        await self._house.storage.use_key_file()
        return self._house.storage.storage

    async def version(self, _asked: Asked) -> Mapping[str, Any]:
        found_at = self._house.facts.found_at
        return {"version": found_at["version"], "protocol": found_at["protocol"], "pid": found_at["pid"]}
