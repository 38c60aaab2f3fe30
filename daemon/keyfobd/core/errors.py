"""One base; each error knows its code, what an SDK is answered, how a command ends, and what a person can do.

An expected failure is one of these, raised or held as a value; everything else is a bug.
"""

from __future__ import annotations

from typing import ClassVar, Self

from keyfob import wire


class KeyfobError(Exception):
    """``message`` is one line that says what is the matter; ``hint`` is one line that ends in the command to run."""

    code: ClassVar[str] = "failed"
    http_status: ClassVar[int] = 403  # 401 and 403: a person must act; 503: a retry within seconds can help
    exit_status: ClassVar[int] = wire.EXIT_FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def bare(self) -> Self:
        """Itself, without the frames it came through. An error that is kept, and raised at each request, would grow by
        a frame each time, and keep alive whatever those frames hold, tokens among it."""
        self.__context__ = self.__cause__ = None
        return self.with_traceback(None)


# --- what a person asked for -------------------------------------------------------------------------------------


class UsageError(KeyfobError):
    """A request that cannot be meant."""

    code = "usage"
    exit_status = wire.EXIT_USAGE


class UnknownTarget(UsageError):
    """Nothing goes by that name; ``candidates`` are the nearest."""

    code = "unknown-target"

    def __init__(self, message: str, hint: str = "", candidates: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.candidates = candidates


class AmbiguousTarget(UnknownTarget):
    """More than one thing goes by that name; each of ``candidates`` fits one alone."""

    code = "ambiguous-target"


class ConfigProblem(KeyfobError):
    """``~/.aws/config`` or the settings cannot be used."""

    code = "config"


class ConfigMismatch(KeyfobError):
    """The caller's ``~/.aws/config`` is another than the daemon's."""

    code = "config-mismatch"
    exit_status = wire.EXIT_NOT_RUNNING


class ProtocolMismatch(KeyfobError):
    """Client and daemon are too many versions apart."""

    code = "protocol"
    exit_status = wire.EXIT_NOT_RUNNING


# --- what keeps a role from being served -------------------------------------------------------------------------


class SignInNeeded(KeyfobError):
    """The session has not begun, or it is over: a person must sign in."""

    code = "sign-in-needed"
    http_status = 401
    exit_status = wire.EXIT_SIGN_IN_NEEDED

    def __init__(self, session: str, message: str = "") -> None:
        super().__init__(
            message or f"Sign-in needed: the IAM Identity Center session {session} has ended.",
            f"Run: keyfob login {session}",
        )
        self.session = session


class Locked(KeyfobError):
    """The sealed sessions cannot be opened until the keyring is."""

    code = "locked"


class NotPermitted(KeyfobError):
    """Identity Center says: not assigned (403 "No access")."""

    code = "not-permitted"
    exit_status = wire.EXIT_NOT_PERMITTED


class Unreachable(KeyfobError):
    """Identity Center did not answer, or not with sense. Never a reason to sign anybody out."""

    code = "unreachable"
    http_status = 503
    exit_status = wire.EXIT_UNREACHABLE
    usual_hint: ClassVar[str] = "Check the network, then run: keyfob status"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint or self.usual_hint)

    def of_session(self, name: str) -> Self:
        """The same, for a person, who thinks in sessions and not in hosts."""
        said = self.message
        if not said.startswith("IAM Identity Center"):
            said = f"IAM Identity Center (session {name}): {said[:1].lower()}{said[1:]}"
        return type(self)(said, self.hint)


class Busy(Unreachable):
    """Identity Center asks for fewer calls (429, SlowDown)."""

    code = "throttled"
    usual_hint = "Wait a minute, then run: keyfob status"


class NotYet(Unreachable):
    """The work goes on, but the request cannot wait for it: ask again."""

    code = "not-yet"
    usual_hint = "Ask again in a second; meanwhile, run: keyfob status"


class OriginsChanged(KeyfobError):
    """The session's endpoints resolve to other hosts than the ones it was signed in at: nothing is sent."""

    code = "origins-changed"


class InternalError(KeyfobError):
    """A bug of ours, met by one renewal or one request."""

    code = "internal"
    http_status = 503


# --- what Identity Center answers to those who speak with it ------------------------------------------------------


class TokenRejected(KeyfobError):
    """401 from the portal: this access token is not known there, or not yet."""

    code = "token-rejected"


class GrantRefused(KeyfobError):
    """InvalidGrant: the refresh token or the code is not good (any more)."""

    code = "grant-refused"


class RegistrationGone(KeyfobError):
    """InvalidClient: the client registration is not known (any more)."""

    code = "registration-gone"


class SignInPending(KeyfobError):
    """The device code is not yet approved."""

    code = "sign-in-pending"


class SignInSlower(KeyfobError):
    """Polled too fast: five seconds more between polls (RFC 8628 §3.5)."""

    code = "sign-in-slower"


class SignInFailed(KeyfobError):
    """The sign-in ended without one: denied, expired, cancelled, or refused."""

    code = "sign-in-failed"
    exit_status = wire.EXIT_SIGN_IN_NEEDED


# --- the daemon itself --------------------------------------------------------------------------------------------


class StorageProblem(KeyfobError):
    """The state folder or the sealed file cannot be read or written."""

    code = "storage"


class StartProblem(KeyfobError):
    """The daemon cannot start, and why."""

    code = "start"
    exit_status = wire.EXIT_NOT_RUNNING
