"""Which roles are in use, for the next daemon: it fetches them before anybody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from keyfobd.core.model import Role, SsoRole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from keyfobd.broker import RoleView
    from keyfobd.limiter import Clock

REMEMBERED = 7 * 86_400.0
"""Seconds for which a role that nobody asks for stays in the state file."""
FETCHED_AT_START = 86_400.0
"""Seconds since its last use within which a role is fetched at start: last evening's is, last week's is not."""
MOST_AT_START = 100
"""Tools that resolve every profile once must not make a start fetch them all."""
GRAIN = 600.0
"""Seconds to which times are rounded: the order matters, and a busy role must not cause a write each minute."""


class Views(Protocol):
    """Who serves roles."""

    def views(self) -> list[RoleView]: ...


class RolesInUse:
    """When each role was last asked for, in this life of the daemon or in one before; seconds since 1970."""

    def __init__(self, broker: Views, clock: Clock) -> None:
        self._broker = broker
        self._clock = clock
        self._asked: dict[Role, float] = {}

    def remember(self, earlier: Mapping[Role, float]) -> None:
        """What the state file says."""
        self._asked.update(earlier)

    def forget_session(self, name: str) -> None:
        """The person has signed out of it."""
        for role in [r for r in self._asked if isinstance(r, SsoRole) and r.session == name]:
            del self._asked[role]

    def now(self) -> dict[Role, float]:
        """All that are worth remembering."""
        for view in self._broker.views():
            if view.last_asked_at is not None:
                self._asked[view.role] = view.last_asked_at // GRAIN * GRAIN
        oldest = self._clock.now().wall - REMEMBERED
        self._asked = {role: asked for role, asked in self._asked.items() if asked >= oldest}
        return dict(self._asked)

    def to_fetch(self, sessions: Iterable[str]) -> list[Role]:
        """Those to be fetched at start, most recently asked for first; only of sessions that there are."""
        there = set(sessions)
        oldest = self._clock.now().wall - FETCHED_AT_START
        recent = [role for role, asked in self._asked.items() if asked >= oldest and _session(role) in there]
        return sorted(recent, key=lambda role: -self._asked[role])[:MOST_AT_START]


def _session(role: Role) -> str | None:
    return role.session if isinstance(role, SsoRole) else None
