"""What each word of the control socket does. Who may ask, and how, is settled in ``control``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from keyfob import wire
from keyfobd.core.errors import KeyfobError, UsageError
from keyfobd.core.model import endpoint_path
from keyfobd.core.times import rfc3339
from keyfobd.http import statuses
from keyfobd.http.control import Words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    from keyfobd.broker import Broker, Held
    from keyfobd.core.model import EndpointToken, Flow, Process, Role
    from keyfobd.directory import Directory, Target
    from keyfobd.exec_tokens import ExecTokens
    from keyfobd.http.control import Asked, Lines
    from keyfobd.sessions import Sessions

PATIENCE = 30.0
"""Seconds that a person's command waits for credentials; a tool's request has the endpoint's deadline instead."""
PATIENCE_WITH_KEYRING = 1.0
"""Seconds that ``status`` waits for a keyring that was locked."""


class Issued(Protocol):
    """An endpoint token for its consumer."""

    @property
    def token(self) -> EndpointToken: ...
    @property
    def text(self) -> str: ...
    @property
    def file(self) -> Path: ...


class Tokens(Protocol):
    """The table of endpoint tokens."""

    def all(self) -> tuple[EndpointToken, ...]: ...
    async def standing(self, role: Role, label: str) -> Issued: ...
    async def for_process(
        self, roles: tuple[Role, ...], label: str, process: Process, keep: float | None
    ) -> Issued: ...
    async def revoke(self, token_id: str) -> bool: ...


class Storage(Protocol):
    """Where sessions are kept."""

    @property
    def storage(self) -> wire.StorageAnswer: ...
    async def use_key_file(self) -> None: ...


class OfSession(Protocol):
    """What is set for one session."""

    @property
    def use_device_code(self) -> bool: ...
    @property
    def length(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """What does not change while the daemon lives."""

    found_at: wire.DaemonFile
    started_at: float  # seconds since 1970
    network: Mapping[str, str]
    token_in: Literal["variable", "file", "both"]
    peer_check: bool
    keep: float | None  # seconds an exec token outlives its process where nothing else is said


@dataclass(frozen=True, slots=True)
class House:
    """Whom the words speak to."""

    facts: Facts
    sessions: Sessions
    broker: Broker
    tokens: Tokens
    exec_tokens: ExecTokens
    storage: Storage
    directory: Directory
    settings_of: Callable[[str], OfSession]
    process_of: Callable[[int], Process | None]
    unlock: Callable[[], Awaitable[None]]
    forget_roles: Callable[[str], None]
    stop: Callable[[], None]
    bugs: Callable[[], int]

    def session_names(self) -> list[str]:
        return [session.name for session in self.directory.sessions()]


def words(house: House) -> Words:
    """Every word, by its route."""
    roles, sessions, tokens, daemon = _Roles(house), _Sessions(house), _Tokens(house), _Daemon(house)
    answers: dict[str, Callable[[Asked], Awaitable[Mapping[str, Any]]]] = {
        wire.CREDENTIAL_PROCESS: roles.credential_process,
        wire.ENV: roles.env,
        wire.EXEC: roles.exec,
        wire.LIST: sessions.list,
        wire.LOGOUT: sessions.logout,
        wire.STATUS: daemon.status,
        wire.STOP: daemon.stop,
        wire.STORAGE: daemon.storage,
        wire.TOKEN_LIST: tokens.list,
        wire.TOKEN_REVOKE: tokens.revoke,
        wire.VERSION: daemon.version,
    }
    return Words(answers, {wire.LOGIN: sessions.login}, before=house.directory.refresh)


class _Roles:
    """``credential-process``, ``env``, ``exec``: a role for a tool."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def credential_process(self, asked: Asked) -> Mapping[str, Any]:
        target = self._house.directory.resolve(asked.body)
        held = await self._house.broker.credentials(target.role, wait=PATIENCE)
        return statuses.credential_process(held.credentials)

    async def env(self, asked: Asked) -> Mapping[str, Any]:
        target = self._house.directory.resolve(asked.body)
        held = await self._fetched(target, asked)
        issued = await self._house.tokens.standing(target.role, target.label)
        return self._answer(target, issued, held)

    async def exec(self, asked: Asked) -> Mapping[str, Any]:
        process = self._house.process_of(asked.pid) if asked.pid is not None else None
        if process is None:
            raise UsageError("exec: the process that asks cannot be seen from here.", "Use: keyfob env TARGET")
        target = self._house.directory.resolve(asked.body)
        held = await self._fetched(target, asked)
        keep = asked.body.get("keep", self._house.facts.keep)
        issued = await self._house.tokens.for_process((target.role,), target.label, process, keep)
        self._house.exec_tokens.watch(issued.token)
        return self._answer(target, issued, held)

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


class _Sessions:
    """``login``, ``logout``, ``list``: sessions and what one is entitled to."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def login(self, asked: Asked) -> Lines:
        session = self._house.directory.session(asked.body)
        flow = _flow(asked.body.get("flow"), device=self._house.settings_of(session.name).use_device_code)
        async for event in self._house.sessions.login(session.name, flow, force=bool(asked.body.get("force"))):
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
        return await self._list_all(self._house.session_names(), refresh=refresh)

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


class _Tokens:
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


class _Daemon:
    """``status``, ``stop``, ``storage``, ``version``: the daemon itself."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def status(self, _asked: Asked) -> Mapping[str, Any]:
        await self._unlocked()
        house = self._house
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
        """A person who looks has perhaps unlocked the keyring; the daemon does not try by itself, since each try can
        bring up a prompt."""
        if self._house.storage.storage["kind"] == "locked":
            await asyncio.wait({asyncio.ensure_future(self._house.unlock())}, timeout=PATIENCE_WITH_KEYRING)

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
            found.append(f"keyfob met {bugs} bug(s) of its own: keyfob logs.")
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


def _flow(wanted: object, *, device: bool) -> Flow:
    match wanted:
        case "pkce" | "device":
            return wanted
        case None:
            return "device" if device else "pkce"
        case _:
            raise UsageError("login: the flow is pkce or device.")
