"""Leaving a session: the tokens go first, durably, then Identity Center is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from keyfobd.core.errors import KeyfobError, SignInNeeded, TokenRejected
from keyfobd.limiter import Priority, Urgency

if TYPE_CHECKING:
    from keyfob.wire import LoggedOut
    from keyfobd.core.model import Session, Tokens
    from keyfobd.held_session import HeldSession


class Portal(Protocol):
    """Where a session is ended."""

    async def logout(self, session: Session, access_token: str) -> None: ...


async def leave(held: HeldSession, portal: Portal) -> LoggedOut:
    """Forget the tokens, then end the session at Identity Center: that may hang, and the person wants out. What could
    not be done is in the answer."""
    answer: LoggedOut = {
        "name": held.session.name,
        "start_url": held.session.start_url,
        "portal": "was-not-signed-in",
        "detail": "",
    }
    tokens: Tokens | None = None
    try:
        tokens = await held.access_token()  # one that has expired ends nothing at the portal
    except SignInNeeded:
        pass
    except KeyfobError as error:
        answer["portal"], answer["detail"] = "not-reached", error.message
    await held.forget()
    if tokens is not None:
        await _tell(held, portal, tokens, answer)
    return answer


async def _tell(held: HeldSession, portal: Portal, tokens: Tokens, answer: LoggedOut) -> None:
    try:
        await held.limited(
            Urgency(Priority.ASKED), lambda token: portal.logout(held.session, token), tokens.access_token
        )
    except TokenRejected:
        pass
    except KeyfobError as error:
        answer["portal"], answer["detail"] = "not-reached", error.message
    else:
        answer["portal"] = "signed-out"
    held.trouble = None  # nobody is signed in who could be offline
