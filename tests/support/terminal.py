"""A person's terminal: a command with a pseudo-terminal for what it asks and says, and keys pressed in time."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.machine import Machine

PATIENCE = 30
"""Seconds after which a command that neither says nor asks anything counts as hung."""


class Terminal:
    """Runs a command with stdin and stderr at a terminal and stdout in a pipe, as in ``eval "$(keyfob env)"``."""

    def __init__(self, person: Machine, *command: str, **environ: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = person.popen(
            *command,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            start_new_session=True,
            env={"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", **environ},
        )
        os.close(theirs)
        self.said = ""

    def until(self, text: str) -> None:
        """Reads what it says until this was said."""
        while text not in self.said:
            assert self._read(), f"it ended without {text!r}: {self.said}"

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def end(self) -> tuple[int, str]:
        """Exit status and stdout, when it has ended; ``said`` then holds all that it said."""
        while self._read():
            pass
        out, _ = self.process.communicate(timeout=PATIENCE)
        os.close(self._ours)
        return self.process.returncode, out

    def _read(self) -> bool:
        assert select.select([self._ours], [], [], PATIENCE)[0], f"it says nothing more after: {self.said}"
        with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
            if data := os.read(self._ours, 4096):
                self.said += data.decode(errors="replace").replace("\r\n", "\n")
                return True
        return False
