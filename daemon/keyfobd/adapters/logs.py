"""The daemon's log: where it goes, and what never goes into it.

No line of ours holds a secret on purpose; the formatter is the second lock, for what comes in an exception's text.
"""

from __future__ import annotations

import logging
import logging.handlers
import re
import time
from typing import TYPE_CHECKING

from keyfobd.core.errors import StartProblem

if TYPE_CHECKING:
    from pathlib import Path

ROTATED_AT = 1_000_000  # bytes
KEPT = 2  # files besides the current one

LIBRARIES = ("aiohttp", "asyncio", "botocore", "keyring", "urllib3")
"""At DEBUG botocore and urllib3 log whole requests and answers, tokens included; they are never asked for it."""

_SECRET = re.compile(
    r"""
    (?P<name> (?:access|refresh|session|id|bearer)[_-]?token | (?:client|device)[_-]?(?:secret|code)
            | secret[_-]?access[_-]?key | code[_-]?verifier | authorization | (?<=[?&])code | token | password )
    (?P<between> ["']? \s* [=:] \s* ["']? (?:Bearer\s+)? )
    (?P<value> [^\s"',;&)}\]]+ )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_USER_OF_URL = re.compile(r"//[^/@\s]+@")
_LONG_WORD = re.compile(r"[A-Za-z0-9_+=-]{32,}")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_.-]{16,}")
_SECRET_KEY = re.compile(r"(?<![A-Za-z0-9/+=])(?=[^\s]*[0-9])(?=[^\s]*[A-Z])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_KEY_ID = re.compile(r"\bA[KS]IA[A-Z0-9]{12,}\b")


def redacted(text: str) -> str:
    """The text without what is, or looks like, a secret: named values, long random words, AWS keys, passwords of
    proxies. Rather a word too many than one too few."""
    text = _SECRET.sub(r"\g<name>\g<between>***", text)
    text = _USER_OF_URL.sub("//***@", text)
    for pattern in (_KEY_ID, _SECRET_KEY, _JWT):
        text = pattern.sub("***", text)
    return _LONG_WORD.sub(_unless_a_name, text)


def _unless_a_name(found: re.Match[str]) -> str:
    word = found.group()
    is_name = word.isidentifier() and not any(c.isdigit() for c in word) and word in (word.lower(), word.upper())
    return word if is_name else "***"


class RedactingFormatter(logging.Formatter):
    """One line a record (a traceback's lines excepted), times in UTC."""

    converter = time.gmtime  # type: ignore[assignment]  # typeshed has the default's exact signature

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """What comes from outside cannot begin a line of its own, or drive the terminal that shows it."""
        return super().formatMessage(record).translate(_VISIBLE)

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


_VISIBLE = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def log_to(file: Path | None, level: str) -> None:
    """Sets logging up once: into a rotated file, or to stderr (a terminal, systemd's journal). Raises StartProblem."""
    handler = logging.StreamHandler() if file is None else _rotated(file)
    handler.setFormatter(RedactingFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("keyfobd").setLevel(level.upper())
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
    # Its errors quote the request that could not be parsed; ours are logged by the servers themselves.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL + 1)
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # a full disk must not print a traceback for each line that is lost


def _rotated(file: Path) -> logging.Handler:
    try:
        return logging.handlers.RotatingFileHandler(
            file, maxBytes=ROTATED_AT, backupCount=KEPT, encoding="utf-8", delay=False
        )
    except OSError as error:
        raise StartProblem(
            f"The log {file} cannot be opened: {error.strerror}.",
            "Make room or mend its mode, then run: keyfob start",
        ) from None
