"""The person's terminal: notes and questions on stderr, results on stdout."""

from __future__ import annotations

import errno
import os
import sys

from keyfob.errors import ClientError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def say(line: str) -> None:
    """One line on stderr; lost where nobody can read it."""
    _show(f"{line}\n")


def _show(text: str) -> None:
    # Not by sys.stderr: what it could not write it tries again at exit, and then the exit status is 120.
    try:  # noqa: SIM105 - hot commands import no contextlib
        os.write(2, os.fsencode(text))
    except OSError:
        pass


def note(line: str) -> None:
    """One line of keyfob's own among the output of others."""
    say(f"keyfob: {line}")


def write_out(text: str) -> None:
    """A result on stdout, bytes of the environment that are no UTF-8 included. Raises ClientError, BrokenPipeError."""
    try:
        data = os.fsencode(text)
        while data:
            data = data[os.write(1, data) :]
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # whoever reads has seen enough: __main__ ends quietly
        raise ClientError(f"The result cannot be written: {error.strerror}.") from error


def interactive() -> bool:
    """Whether there is a person to ask: stdout may well be a pipe, as in ``eval "$(keyfob env)"``."""
    return os.isatty(0) and os.isatty(2)


def confirm(question: str) -> bool:
    """Yes or no; Enter means yes, the end of input no."""
    _show(f"{question} [Y/n] ")
    line = sys.stdin.readline()
    return line.strip().lower() in ("y", "yes") or line == "\n"


def choose(question: str, choices: Sequence[str]) -> str:
    """One of ``choices``, picked from a list that narrows as one types. Raises KeyboardInterrupt."""
    import questionary  # noqa: PLC0415 - 100 ms, and only for a person who is about to think
    from prompt_toolkit.output import create_output  # noqa: PLC0415 - the same

    ask = questionary.select(
        question,
        choices=list(choices),
        use_search_filter=True,
        use_jk_keys=False,
        output=create_output(stdout=sys.stderr),  # stdout is for the result
    )
    return str(ask.unsafe_ask())
