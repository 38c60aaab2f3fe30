"""Whom the words of the control socket speak to: what each needs, and what all of them know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from keyfob import wire
    from keyfobd.broker import Broker
    from keyfobd.core.model import EndpointToken, Process, Role
    from keyfobd.directory import Directory
    from keyfobd.exec_tokens import ExecTokens
    from keyfobd.sessions import Sessions


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
