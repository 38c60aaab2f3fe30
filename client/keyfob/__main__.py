"""The ``keyfob`` command: finds who does it, and turns what went wrong into one line and an exit status."""

from __future__ import annotations

import os
import sys

from keyfob import wire
from keyfob.errors import ClientError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def run() -> int:
    """What the console script calls; returns the exit status."""
    argv, debug = _without_debug(sys.argv[1:])
    try:
        return _dispatched(argv)
    except KeyboardInterrupt:
        if debug:
            raise
        return wire.EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return wire.EXIT_FAILED
    except ClientError as error:
        if debug:
            raise
        _say(str(error))
        return error.exit_status
    except Exception as error:
        if debug:
            raise
        _say(f"internal error ({type(error).__name__}). Run it again with --debug and report what it prints.")
        return wire.EXIT_FAILED


def _dispatched(argv: Sequence[str]) -> int:
    # `keyfob sso login` and `keyfob sso logout`: the AWS CLI's own words.
    words = list(argv[1:] if argv[:1] == ["sso"] and argv[1:2] in (["login"], ["logout"]) else argv)
    hot = _HOT.get(words[0]) if words else None
    if hot is not None:
        return hot(words[1:])
    if words[:1] == ["status"] and "--check" in words and not {"--help", "-h"} & set(words):
        return _check(words[1:])
    from keyfob.commands import parser  # noqa: PLC0415 - argparse is for those who have the time

    return parser.run(["version" if word == "--version" else word for word in words[:1]] + words[1:])


def _without_debug(argv: Sequence[str]) -> tuple[list[str], bool]:
    """``--debug`` may stand anywhere among keyfob's own words."""
    end = argv.index("--") if "--" in argv else len(argv)
    own = [word for word in argv[:end] if word != "--debug"]
    return [*own, *argv[end:]], len(own) < end


def _env(argv: Sequence[str]) -> int:
    from keyfob.commands import env  # noqa: PLC0415 - each hot command imports its own alone

    return env.run(argv)


def _exec(argv: Sequence[str]) -> int:
    from keyfob.commands import execute  # noqa: PLC0415 - the same

    return execute.run(argv)


def _credential_process(argv: Sequence[str]) -> int:
    from keyfob.commands import credential_process  # noqa: PLC0415 - the same

    return credential_process.run(argv)


def _check(argv: Sequence[str]) -> int:
    from keyfob.commands import check  # noqa: PLC0415 - the same

    return check.run(argv)


_HOT: dict[str, Callable[[Sequence[str]], int]] = {
    "env": _env,
    "exec": _exec,
    "credential-process": _credential_process,
}


def _say(line: str) -> None:
    from keyfob import terminal  # noqa: PLC0415 - only for those who fail

    terminal.note(line)


if __name__ == "__main__":
    sys.exit(run())
