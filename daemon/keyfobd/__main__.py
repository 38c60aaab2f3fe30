"""``keyfobd``: flags, settings, logging; the only place that prints or exits."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from keyfob import __version__, wire
from keyfobd import lifecycle
from keyfobd.adapters.logs import log_to
from keyfobd.adapters.process import allow_many_files, harden, take_own_environment
from keyfobd.core.errors import InternalError, KeyfobError, StartProblem, StorageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

log = logging.getLogger("keyfobd")


@dataclass(frozen=True, slots=True)
class Announcer:
    """Tells whoever started the daemon that it is ready, or why it is not: a client through the descriptor it gave, a
    person in one line."""

    descriptor: int | None

    def ready(self, found_at: wire.DaemonFile) -> None:
        if self.descriptor is not None:
            self._send({"ready": found_at})
        else:
            print(  # noqa: T201 - the one line for a person in the foreground
                f"keyfobd {__version__} answers at http://127.0.0.1:{found_at['port']} (pid {found_at['pid']})",
                flush=True,
            )

    def failed(self, error: KeyfobError) -> None:
        answer: wire.ErrorAnswer = {
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
            "exit": error.exit_status,
        }
        self._send({"error": answer})  # first: stderr may be a file on a disk that is full, which may be the cause
        with contextlib.suppress(OSError):
            print(f"keyfobd: {error}", file=sys.stderr)  # noqa: T201 - why there is no daemon, in one line

    def _send(self, message: Mapping[str, Any]) -> None:
        if self.descriptor is None:
            return
        with contextlib.suppress(OSError):  # whoever asked may have gone; a daemon that works goes on
            os.write(self.descriptor, json.dumps(message).encode() + b"\n")
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


def main(argv: Sequence[str]) -> int:
    """The daemon's life; its exit status."""
    arguments = _parser().parse_args(argv)
    announcer = Announcer(arguments.ready_fd)
    try:
        take_own_environment(os.environ)
        harden()
        allow_many_files()
        prepared = lifecycle.prepare(os.environ)
        level = "debug" if arguments.debug else prepared.settings.log_level
        # A client that starts the daemon gives it no terminal; systemd and people have a place for stderr.
        log_to(prepared.settings.folders.log / wire.LOG_FILE if arguments.ready_fd is not None else None, level)
        asyncio.run(lifecycle.serve_until_stopped(prepared, announcer.ready, _exit_at_once))
    except StorageProblem as problem:
        return _refused(StartProblem(problem.message, "Make room or mend its mode, then run: keyfob start"), announcer)
    except KeyfobError as error:
        return _refused(error, announcer)
    except Exception as bug:
        log.exception("keyfobd ends because of a bug")
        announcer.failed(
            InternalError(
                f"keyfobd met a bug of its own ({type(bug).__name__}).",
                "To see it here, run: keyfobd --debug",
            )
        )
        return wire.EXIT_FAILED
    return wire.EXIT_DONE


def _refused(error: KeyfobError, announcer: Announcer) -> int:
    """An expected failure, in one line each for the log and for whoever asked; its exit status."""
    if announcer.descriptor is not None and log.hasHandlers():  # else the line on stderr is the log's as well
        log.error("%s", error)
    announcer.failed(error)
    return error.exit_status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keyfobd",
        description="Holds IAM Identity Center sessions and serves role credentials on loopback. "
        "`keyfob start` runs it in the background; without options it runs in the foreground until it is interrupted.",
        allow_abbrev=False,
    )
    parser.add_argument("--ready-fd", type=int, metavar="N", help="write one JSON line there when ready, or why not")
    parser.add_argument("--debug", action="store_true", help="log more; secrets stay out of the log all the same")
    parser.add_argument("--version", action="version", version=f"keyfobd {__version__}")
    return parser


def _exit_at_once() -> NoReturn:
    """A second signal: whoever sends it does not want to wait for anything."""
    os._exit(wire.EXIT_INTERRUPTED)


def run() -> NoReturn:
    """The console script. It ends without the interpreter's own ending, in which a call that hangs in a thread, or in
    a C library of the keyring, could hold up the end of the process."""
    status = main(sys.argv[1:])
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    run()
