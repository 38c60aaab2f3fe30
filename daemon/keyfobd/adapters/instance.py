"""One daemon per user and machine: the lock that is held for life, and the file by which clients find its holder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from typing import TYPE_CHECKING

from keyfob import wire
from keyfobd.adapters.private_files import write_atomically
from keyfobd.core.errors import StartProblem

if TYPE_CHECKING:
    from pathlib import Path


class Instance:
    """Holds the lock from construction to the end of the process: the kernel gives it back however that comes, so
    that no crash can hinder the next start. Raises StartProblem where another daemon holds it."""

    def __init__(self, state_folder: Path) -> None:
        self._folder = state_folder
        path = state_folder / wire.LOCK_FILE
        try:
            self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StartProblem(
                f"{path} cannot be opened: {error.strerror}.",
                "Mend its mode or owner, or set XDG_STATE_HOME to a folder that can be written, then run: keyfob start",
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._lock, 20, 0).decode("ascii", "replace").strip()
            os.close(self._lock)
            raise _refusal(path, error, holder) from None
        try:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:  # on a full disk there is no room even for this
            os.close(self._lock)
            raise StartProblem(
                f"{path} cannot be written: {error.strerror}.", "Make room, then run: keyfob start"
            ) from None

    def announce(self, found_at: wire.DaemonFile) -> None:
        """Writes ``daemon.json``. Raises StorageProblem."""
        write_atomically(self._folder / wire.DAEMON_FILE, json.dumps(found_at).encode())

    def withdraw(self) -> None:
        """Removes ``daemon.json``. The lock file stays: to remove it would let two others hold one lock each."""
        with contextlib.suppress(OSError):
            (self._folder / wire.DAEMON_FILE).unlink()

    def release(self) -> None:
        """Gives the lock back before the process ends (tests)."""
        os.close(self._lock)


def _refusal(path: Path, error: OSError, holder: str) -> StartProblem:
    if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
        return StartProblem(
            f"{path} cannot be locked: {error.strerror}.",
            "Name a folder on a local disk in XDG_STATE_HOME, then run: keyfob start",
        )
    who = f" (pid {holder})" if holder.isdigit() else ""
    return StartProblem(f"keyfobd is already running{who}.", "To begin anew, run: keyfob restart")
