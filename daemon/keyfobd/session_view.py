"""A session as ``status`` shows it: one word for how it is, one for what it needs, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from keyfobd.core.model import Instant
    from keyfobd.held_session import HeldSession

SessionState = Literal["signed-out", "signing-in", "signed-in", "offline", "sign-in-needed", "locked"]
Needs = Literal["login", "unlock", "network", "configure"]

_NEEDS: dict[SessionState, Needs | None] = {
    "signed-out": "login",
    "signing-in": None,
    "signed-in": None,
    "offline": "network",
    "sign-in-needed": "login",
    "locked": "unlock",
}


@dataclass(frozen=True, slots=True)
class SessionView:
    """Times in seconds since 1970."""

    name: str
    start_url: str
    region: str
    state: SessionState
    token_expires_at: float | None
    needs: Needs | None
    detail: str | None
    signed_in_at: float | None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a session does not know of itself."""

    now: Instant
    signing_in: bool
    locked: bool  # the sealed file cannot be opened yet


def view_of(held: HeldSession, around: Circumstances) -> SessionView:
    """How it is now."""
    state = _state(held, around)
    tokens = held.tokens
    return SessionView(
        name=held.session.name,
        start_url=held.session.start_url,
        region=held.session.region,
        state=state,
        token_expires_at=around.now.wall + tokens.remaining(around.now) if tokens is not None else None,
        needs="configure" if held.elsewhere is not None else _NEEDS[state],
        detail=_detail(held, state),
        signed_in_at=held.record.signed_in_at if held.record is not None and tokens is not None else None,
    )


def _state(held: HeldSession, around: Circumstances) -> SessionState:
    if around.signing_in and (held.tokens is None or held.ended):
        return "signing-in"
    if held.ended or held.elsewhere is not None:
        return "sign-in-needed"
    if held.tokens is None:
        return "locked" if around.locked else "signed-out"
    return "offline" if held.trouble is not None else "signed-in"


def _detail(held: HeldSession, state: SessionState) -> str | None:
    if state == "offline":
        return held.trouble
    if held.elsewhere is not None:
        return str(held.elsewhere)
    return str(held.sign_in_needed()) if state == "sign-in-needed" else None
