"""Signing in as state machines: what happened comes in, what to do next comes out.

Authorization code with PKCE (RFC 7636), the default: the person is shown ``authorize_url``; the browser comes back to a
loopback address with a code; the code is exchanged, with a second and a third try where the answer was lost.

    AwaitingCode --code--> Exchange --answer--> SignedIn | Exchange (again) | Ended

Device authorization (RFC 8628), for places without a browser: the person is shown a URL and a code elsewhere, and the
token is asked for again and again, at the pace that Identity Center names, until the code's own end.

    Poll --pending--> Poll (after interval) --slower--> Poll (5 s longer) --answer--> SignedIn | Ended

An unanswered call ends neither: the network may be back before the code has run out.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from keyfobd.core.errors import GrantRefused, KeyfobError, SignInFailed, SignInPending, SignInSlower, Unreachable
from keyfobd.core.model import DeviceAuthorization, Instant, Registration, Session, Tokens, elapsed

AUTHORIZATION_TIMEOUT = 600.0
"""Seconds until a person must have answered in the browser; the AWS CLI waits as long, and so does a device code."""
SLOWER_BY = 5.0
"""Seconds that slow_down adds between polls (RFC 8628 §3.5)."""
EXCHANGE_TRIES = 3
ENTROPY = 64
"""Bytes that ``pkce`` needs: 32 for the verifier, 32 for the state."""
RUN_LOGIN = "Run: keyfob login"


@dataclass(frozen=True, slots=True)
class Pkce:
    """The three secrets of one authorization: who knows the verifier asked for the code; the state ties the answer."""

    verifier: str = field(repr=False)
    challenge: str
    state: str = field(repr=False)


def pkce(entropy: bytes) -> Pkce:
    """Made of 64 random bytes, as RFC 7636 §4.1 and §4.2 say."""
    if len(entropy) != ENTROPY:
        raise ValueError(f"PKCE needs {ENTROPY} random bytes, not {len(entropy)}")
    verifier = _base64url(entropy[:32])
    return Pkce(verifier, _base64url(hashlib.sha256(verifier.encode()).digest()), _base64url(entropy[32:]))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def authorize_url(endpoint: str, session: Session, registration: Registration, redirect_uri: str, secrets: Pkce) -> str:
    """What the person's browser is sent to. ``scopes`` in the plural is what the AWS CLI sends."""
    query = {
        "response_type": "code",
        "client_id": registration.client_id,
        "redirect_uri": redirect_uri,
        "state": secrets.state,
        "code_challenge_method": "S256",
        "scopes": " ".join(session.scopes),
        "code_challenge": secrets.challenge,
    }
    return f"{endpoint}?{urlencode(query)}"


# --- what to do next ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exchange:
    """Exchange the authorization code, ``after`` so many seconds."""

    tries: int = 1
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Poll:
    """Ask for the device code's token, ``after`` so many seconds."""

    authorization: DeviceAuthorization
    begun: Instant
    after: float
    unanswered: int = 0  # calls in a row


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Done."""

    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Ended:
    """Over, without a sign-in."""

    error: KeyfobError


Answer = Tokens | KeyfobError


def after_exchange(state: Exchange, answer: Answer) -> Exchange | SignedIn | Ended:
    """The code is good once: an unanswered exchange is tried again, since the request may never have arrived; refused
    then, it has been used up by the one whose answer was lost."""
    match answer:
        case Tokens():
            return SignedIn(answer)
        case Unreachable() if state.tries < EXCHANGE_TRIES:
            return Exchange(state.tries + 1, after=float(state.tries))
        case GrantRefused():
            return Ended(SignInFailed("Identity Center did not accept the authorization code.", RUN_LOGIN))
        case _:
            return Ended(answer)


def first_poll(authorization: DeviceAuthorization, now: Instant) -> Poll:
    """Nobody has approved a code that was shown a moment ago."""
    return Poll(authorization, now, authorization.interval)


def after_poll(state: Poll, answer: Answer, now: Instant) -> Poll | SignedIn | Ended:
    """One answer further, or the end of the code's time."""
    match answer:
        case Tokens():
            return SignedIn(answer)
        case SignInPending():
            following = replace(state, after=state.authorization.interval, unanswered=0)
        case SignInSlower():
            slower = replace(state.authorization, interval=state.authorization.interval + SLOWER_BY)
            following = replace(state, authorization=slower, after=slower.interval, unanswered=0)
        case Unreachable():
            pause = max(state.authorization.interval, min(2.0**state.unanswered, 10.0))
            following = replace(state, after=pause, unanswered=min(state.unanswered + 1, 10))
        case GrantRefused():
            return Ended(SignInFailed("Identity Center did not accept the device code.", RUN_LOGIN))
        case _:
            return Ended(answer)
    if elapsed(state.begun, now) + following.after > state.authorization.lifetime:
        return Ended(SignInFailed("Nobody approved the sign-in before its code expired.", RUN_LOGIN))
    return following
