"""``credential-process``, ``env``, ``exec``, ``token list|revoke``: a role for a tool, and the tickets to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from keyfobd.core.errors import AmbiguousTarget, KeyfobError, NotYet, UnknownTarget, UsageError
from keyfobd.core.model import endpoint_path
from keyfobd.core.times import rfc3339
from keyfobd.http import statuses

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from keyfob import wire
    from keyfobd.broker import Held
    from keyfobd.directory import Target
    from keyfobd.http.control import Asked
    from keyfobd.http.house import House, Issued

PATIENCE = 30.0
"""Seconds that a person's command waits for credentials; a tool's request has the endpoint's deadline instead."""
LISTING_PATIENCE = 25.0
"""Seconds that a person's command waits for accounts to be listed, all sessions together. With ``PATIENCE`` it stays
below the minute that the client waits for an answer; at five calls a second it is enough for some hundred accounts."""


class RoleWords:
    """``credential-process``, ``env``, ``exec``: a role for a tool."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def credential_process(self, asked: Asked) -> Mapping[str, Any]:
        target = await self._meant(asked)
        held = await self._house.broker.credentials(target.role, wait=PATIENCE)
        return statuses.credential_process(held.credentials)

    async def env(self, asked: Asked) -> Mapping[str, Any]:
        target = await self._meant(asked)
        held = await self._fetched(target, asked)
        issued = await self._house.tokens.standing(target.role, target.label)
        return self._answer(target, issued, held)

    async def exec(self, asked: Asked) -> Mapping[str, Any]:
        process = self._house.process_of(asked.pid) if asked.pid is not None else None
        if process is None:
            raise UsageError("exec: the process that asks cannot be seen from here.", "Use: keyfob env TARGET")
        target = await self._meant(asked)
        held = await self._fetched(target, asked)
        keep = asked.body.get("keep", self._house.facts.keep)
        issued = await self._house.tokens.for_process((target.role,), target.label, process, keep)
        self._house.exec_tokens.watch(issued.token)
        return self._answer(target, issued, held)

    async def _meant(self, asked: Asked) -> Target:
        """The role that the words name. Accounts have names only once they were listed: right after a sign-in that is
        waited for, and before the first one a name is no mistake but a reason to sign in."""
        resolve = self._house.directory.resolve
        try:
            return resolve(asked.body)
        except AmbiguousTarget:
            raise
        except UnknownTarget:
            trouble = await self._trouble_with_listing()
        try:
            return resolve(asked.body)
        except AmbiguousTarget:
            raise
        except UnknownTarget as unknown:
            raise trouble or unknown from None

    async def _trouble_with_listing(self) -> KeyfobError | None:
        """Lists what was never listed. What is still being listed, or keeps the very first listing from being made,
        says more of a name that is not found than that it is unknown."""
        house = self._house
        unlisted = [name for name in house.session_names() if not house.sessions.known_catalogue(name)]
        tried = await asyncio.gather(*(self._try_to_list(name) for name in unlisted))
        failures = [failure for failure in tried if failure is not None]
        nothing_listed = len(failures) == len(house.session_names())
        late = [failure for failure in failures if isinstance(failure, NotYet)]
        return next(iter(late or (failures if nothing_listed else [])), None)

    async def _try_to_list(self, name: str) -> KeyfobError | None:
        try:
            async with asyncio.timeout(LISTING_PATIENCE):  # the listing itself goes on
                await self._house.sessions.catalogue(name)
        except KeyfobError as error:
            return error
        except TimeoutError:
            return NotYet(f"The accounts of {name} are still being listed.", "To wait for them, run: keyfob list")
        return None

    async def _fetched(self, target: Target, asked: Asked) -> Held | None:
        """Tools never meet a cold role: it is fetched before they hear of it, unless that is not wanted."""
        if asked.body.get("fetch", True) is False:
            return None
        return await self._house.broker.credentials(target.role, wait=PATIENCE)

    def _answer(self, target: Target, issued: Issued, held: Held | None) -> wire.EnvAnswer:
        facts = self._house.facts
        return {
            "session": target.role.session,
            "account_id": target.role.account_id,
            "account_name": target.account_name,
            "role_name": target.role.role_name,
            "profile": target.profile,
            "region": target.region,
            "label": target.label,
            "url": f"http://127.0.0.1:{facts.found_at['port']}{endpoint_path(target.role)}",
            "token": issued.text,
            "token_file": str(issued.file),
            "token_in": facts.token_in,
            "keyfob_profile": target.keyfob_profile,
            "expires_at": rfc3339(held.credentials.expiration) if held is not None else None,
            "notes": list(self._notes(target, held)),
        }

    def _notes(self, target: Target, held: Held | None) -> Iterable[str]:
        view = next((v for v in self._house.sessions.views() if v.name == target.role.session), None)
        if held is not None and view is not None and view.state in ("offline", "sign-in-needed"):
            until = rfc3339(held.credentials.expiration)
            cause = "IAM Identity Center cannot be reached" if view.state == "offline" else "the session has ended"
            yield f"{cause}; the credentials at hand are good until {until}."


class TokenWords:
    """``token list|revoke``: endpoint tokens."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def list(self, _asked: Asked) -> Mapping[str, Any]:
        return {"tokens": [statuses.token(token) for token in self._house.tokens.all()]}

    async def revoke(self, asked: Asked) -> Mapping[str, Any]:
        there = [token.id for token in self._house.tokens.all()]
        wanted = there if asked.body.get("all") else [str(asked.body.get("id", ""))]
        if not set(wanted) <= set(there):
            raise UsageError(f"There is no endpoint token {wanted[0]!r}.", "Run: keyfob token list")
        for token_id in wanted:
            await self._house.tokens.revoke(token_id)
        return {"revoked": wanted}
