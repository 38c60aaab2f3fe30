"""``login``, ``logout``, ``list``: sessions and what one is entitled to."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from keyfobd.core.errors import KeyfobError, UsageError
from keyfobd.http import statuses

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from keyfob import wire
    from keyfobd.core.model import Flow
    from keyfobd.http.control import Asked, Lines
    from keyfobd.http.house import House


class SessionWords:
    """What is done with sessions."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def login(self, asked: Asked) -> Lines:
        session = self._house.directory.session(asked.body)
        flow = _flow(asked.body.get("flow"), device=self._house.settings_of(session.name).use_device_code)
        coming = self._house.sessions.login(session.name, flow, force=bool(asked.body.get("force")))
        async with aclosing(coming) as events:  # whoever leaves has left at once
            async for event in events:
                yield event

    async def logout(self, asked: Asked) -> Mapping[str, Any]:
        if asked.body.get("all"):
            names = [view.name for view in self._house.sessions.views()]
        else:
            names = [self._house.directory.session(asked.body).name]
        gone = [await self._house.sessions.logout(name) for name in names]
        for name in names:
            self._house.forget_roles(name)
        return {"sessions": gone}

    async def list(self, asked: Asked) -> Mapping[str, Any]:
        refresh = bool(asked.body.get("refresh"))
        if asked.body.get("session"):
            name = self._house.directory.session(asked.body).name
            entries = await self._house.sessions.catalogue(name, refresh=refresh)
            return {"accounts": statuses.accounts(name, entries), "notes": []}
        names = self._house.session_names()
        if not names:
            self._house.directory.session(asked.body)  # says that there is none, and what to do
        return await self._list_all(names, refresh=refresh)

    async def _list_all(self, names: Iterable[str], *, refresh: bool) -> wire.ListAnswer:
        """What can be listed; an error only where nothing can."""
        answer: wire.ListAnswer = {"accounts": [], "notes": []}
        failures: list[KeyfobError] = []
        for name in names:
            try:
                entries = await self._house.sessions.catalogue(name, refresh=refresh)
            except KeyfobError as error:
                failures.append(error)
            else:
                answer["accounts"] += statuses.accounts(name, entries)
        if failures and not answer["accounts"]:
            raise failures[0]
        answer["notes"] = [str(error) for error in failures]
        return answer


def _flow(wanted: object, *, device: bool) -> Flow:
    match wanted:
        case "pkce" | "device":
            return wanted
        case None:
            return "device" if device else "pkce"
        case _:
            raise UsageError("login: the flow is pkce or device.")
