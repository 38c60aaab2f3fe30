"""The state file: the port that was chosen, and the roles in use. No secrets; losing it costs a new port at worst."""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from keyfobd.adapters.private_files import write_atomically
from keyfobd.core.model import ChainedRole, Role, SsoRole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA = 1
NAME = "state.json"
MOST_ROLES = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """What outlives the daemon besides the sealed sessions and the endpoint tokens. ``roles``: when each was last asked
    for, in seconds since 1970."""

    port: int | None = None
    roles: Mapping[Role, float] = field(default_factory=dict)


class StateFile:
    """``state.json`` in the state folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._stored: State | None = None
        self._read_only = False

    def load(self) -> State:
        """What was stored last, or nothing. A file that cannot be understood is kept aside and said in the log, a newer
        schema's is left as it is and never written over."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return State()
        except OSError as error:
            log.warning("%s cannot be read: %s", self.path, error.strerror)
            return State()
        try:
            found = json.loads(content)
            self._read_only = found["schema"] > SCHEMA
            self._stored = _state(found)
        except (ValueError, KeyError, TypeError, AttributeError):
            self._set_aside()
            return State()
        return self._stored

    def store(self, state: State) -> None:
        """Writes what changed, whole and durable. Raises StorageProblem."""
        if self._read_only or state == self._stored:
            return
        write_atomically(self.path, json.dumps(_document(state), indent=1).encode())
        self._stored = state

    def _set_aside(self) -> None:
        if self._read_only:
            log.warning("%s was written by a newer keyfob; it is not used and not changed", self.path)
            return
        aside = self.path.with_name(NAME + ".unreadable")
        log.warning("%s cannot be understood; it is kept as %s", self.path, aside.name)
        with contextlib.suppress(OSError):
            self.path.replace(aside)


def _state(found: dict[str, Any]) -> State:
    port = found["port"]
    if port is not None and not (isinstance(port, int) and 0 < port < 65536):
        raise ValueError("port")
    return State(port, {_role(entry): float(entry["last_asked_at"]) for entry in found["roles"]})


def _role(entry: dict[str, Any]) -> Role:
    if "profile" in entry:
        return ChainedRole(str(entry["profile"]))
    return SsoRole(str(entry["session"]), str(entry["account_id"]), str(entry["role_name"]))


def _document(state: State) -> dict[str, Any]:
    recent = sorted(state.roles.items(), key=lambda used: -used[1])[:MOST_ROLES]
    roles = [{**_named(role), "last_asked_at": round(asked)} for role, asked in recent]
    return {"schema": SCHEMA, "port": state.port, "roles": roles}


def _named(role: Role) -> dict[str, str]:
    match role:
        case ChainedRole(profile):
            return {"profile": profile}
        case SsoRole(session, account_id, role_name):
            return {"session": session, "account_id": account_id, "role_name": role_name}
