"""``keyfob exec``: becomes a command that has a role's credentials and an endpoint token of its own."""

from __future__ import annotations

import errno
import os

from keyfob import arguments, environment, terminal, wire
from keyfob.arguments import Option
from keyfob.commands import env, role
from keyfob.errors import ClientError, Refused, Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keyfob.arguments import Arguments

OPTIONS = (
    *arguments.TARGET,
    *env.WHERE,
    Option("--wait-for-login", "", "start COMMAND even if a sign-in is needed first, and never ask for one"),
    Option("--keep", "TIME", "let the token live so long after COMMAND has ended, for launchers (8h)"),
)
_PURPOSE = """Becomes COMMAND, with a role's credentials in its environment. Its exit status is COMMAND's own;
125 says that keyfob could not start it, 126 and 127 are a shell's."""


class CannotStart(ClientError):
    """Whatever kept COMMAND from being started."""

    exit_status = wire.EXIT_CANNOT_START


class NotExecutable(ClientError):
    """COMMAND is there, and is no program we can run."""

    exit_status = wire.EXIT_NOT_EXECUTABLE


class NotFound(ClientError):
    """There is no COMMAND of that name."""

    exit_status = wire.EXIT_NOT_FOUND


def run(argv: Sequence[str]) -> int:
    """Does not return where it becomes the command. Raises ClientError."""
    found = arguments.parse("exec", argv, OPTIONS, words=1 if "--" in argv else len(argv))
    if "--help" in found:
        terminal.write_out(arguments.help_text("exec", "[TARGET] [options] -- COMMAND …", _PURPOSE, OPTIONS))
        return wire.EXIT_DONE
    if not found.rest:
        raise Usage("exec: no command after --.", "Run: keyfob exec TARGET -- COMMAND")
    try:
        environ = _change(found).applied_to(os.environ)
    except Usage:
        raise
    except ClientError as error:
        raise CannotStart(error.message, error.hint) from error
    _become(found.rest, environ)
    return wire.EXIT_CANNOT_START


def _change(found: Arguments) -> environment.Change:
    keep = arguments.duration(found.get("--keep")) if "--keep" in found else None
    return env.keys(found) if "--keys" in found else env.with_endpoint(found, _asked(found, keep))


def _asked(found: Arguments, keep: int | None) -> wire.EnvAnswer:
    request = role.wanted(found)
    if "--no-fetch" in found:
        request["fetch"] = False
    if keep is not None:
        request["keep"] = keep
    start, waits = "--no-start" not in found, "--wait-for-login" in found
    may_ask = not waits and "--no-login" not in found and terminal.interactive()
    try:
        answer = role.answered(wire.EXEC, request, start=start, may_ask=may_ask)
    except Refused as refused:
        if not waits or refused.code != "sign-in-needed":
            raise
        terminal.note(f"{refused} It starts all the same and waits for that.")
        answer = role.answered(wire.EXEC, {**request, "fetch": False}, start=start, may_ask=False)
    return answer  # type: ignore[return-value]  # the contract of wire


def _become(command: list[str], environ: Mapping[str, str]) -> None:
    import signal  # noqa: PLC0415 - only here, where its millisecond no longer delays an error

    # Python ignores these for itself, and a program inherits what is ignored.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environ)  # noqa: S606 - no shell is the point
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"{command[0]}: there is no such command.") from error
    except OSError as error:
        if error.errno == errno.E2BIG:
            raise CannotStart(f"{command[0]}: arguments and environment are too long.") from error
        reason = "it is no program, and has no #! line" if error.errno == errno.ENOEXEC else error.strerror
        raise NotExecutable(f"{command[0]} cannot be run: {reason}.") from error
    except ValueError as error:
        raise CannotStart(f"{command[0]!r} cannot be started: {error}.") from error
