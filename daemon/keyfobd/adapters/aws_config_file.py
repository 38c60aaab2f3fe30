"""The person's ``~/.aws/config``: read again when it changed, the last good one kept while it cannot be read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from keyfob import aws_config
from keyfobd.core.errors import ConfigProblem

if TYPE_CHECKING:
    import os
    from pathlib import Path

log = logging.getLogger(__name__)


class AwsConfigFile:
    """``config`` is the last one that could be read; ``problem`` is what keeps a newer one from it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = aws_config.parse("")
        self.problem: ConfigProblem | None = None
        self.missing = True
        self._seen: tuple[int, int, int] | None = None

    def refresh(self) -> bool:
        """Looks whether the file has changed, and reads it if so. True where ``config`` is another than before."""
        try:
            seen = _fingerprint(self.path.stat())
        except FileNotFoundError:
            return self._vanished()
        except OSError as error:
            return self._keep(f"{self.path} cannot be read: {error.strerror}.")
        if seen == self._seen:
            return False
        self._seen = seen
        return self._read()

    def _read(self) -> bool:
        try:
            config = aws_config.parse(self.path.read_text(encoding="utf-8"))
        except aws_config.ConfigError as error:
            return self._keep(f"{self.path}, line {error.line}: {error.message}.")
        except UnicodeDecodeError:
            return self._keep(f"{self.path} is not UTF-8 text.")
        except OSError as error:
            self._seen = None  # a mode that is mended shows in no time stamp of the content
            return self._keep(f"{self.path} cannot be read: {error.strerror}.")
        self.config, self.problem, self.missing = config, None, False
        return True

    def _vanished(self) -> bool:
        # Its sessions are not dropped for that: sync tools and editors take files away and put them back.
        self._seen = None
        if not self.missing:
            self._keep(f"{self.path} is gone.")
        return False

    def _keep(self, what: str) -> bool:
        """Stay with the last good one."""
        problem = ConfigProblem(what, "What it said before stays in force. Mend it, then run: keyfob status")
        if self.problem is None or self.problem.message != problem.message:
            log.warning("%s", problem.message)
        self.problem = problem
        return False


def _fingerprint(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns
