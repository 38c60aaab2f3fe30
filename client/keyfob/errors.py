"""What can go wrong for a person at the command line: each error is one line, a hint, and an exit status."""

from __future__ import annotations

from keyfob import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class ClientError(Exception):
    """``message`` says what is the matter, ``hint`` ends in the command to run; the process ends with ``exit_status``.

    ``code`` is the daemon's where it comes from there (design §8), ``candidates`` and ``session`` go with it.
    """

    exit_status = wire.EXIT_FAILED
    code = "failed"
    candidates: Sequence[str] = ()
    session = ""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class Usage(ClientError):
    """A command line that cannot be meant."""

    exit_status = wire.EXIT_USAGE
    code = "usage"


class NotRunning(ClientError):
    """There is no daemon, and none is to be started."""

    exit_status = wire.EXIT_NOT_RUNNING
    code = "not-running"

    def __init__(self, message: str = "keyfobd is not running.", hint: str = "Run: keyfob start") -> None:
        super().__init__(message, hint)


class NotUsable(ClientError):
    """There is a daemon, but this process cannot or must not talk with it, or it does not start."""

    exit_status = wire.EXIT_NOT_RUNNING
    code = "not-usable"


class Refused(ClientError):
    """The daemon's own answer that it could not do what it was asked for."""

    def __init__(self, answer: wire.ErrorAnswer) -> None:
        super().__init__(answer.get("message", "The daemon refused, and did not say why."), answer.get("hint", ""))
        self.code = answer.get("code", "failed")
        self.exit_status = answer.get("exit", wire.EXIT_FAILED)
        self.candidates = answer.get("candidates", ())
        if self.code == "ambiguous-target" and not all(name in self.hint for name in self.candidates):
            self.hint = f"{self.hint.rstrip('.: ')}: {_some(self.candidates)}"
        self.session = answer.get("session", "")


def _some(names: Sequence[str], most: int = 12) -> str:
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])
