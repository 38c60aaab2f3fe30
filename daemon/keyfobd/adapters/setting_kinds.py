"""What a setting may hold: functions from what TOML or a variable says to the value, ValueError saying what it must be.

A variable is always text, so each takes text as well as TOML's own type.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
T = TypeVar("T")


def text(value: object) -> str:
    """Any text but the empty one."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be text")
    return value.strip()


def one_of(*choices: str) -> Callable[[object], str]:
    """One of some words."""

    def kind(value: object) -> str:
        if value not in choices:
            raise ValueError("must be " + ", ".join(f'"{c}"' for c in choices[:-1]) + f' or "{choices[-1]}"')
        return str(value)

    return kind


def yes_or_no(value: object) -> bool:
    """TOML's booleans, or the same words as text."""
    match value:
        case bool():
            return value
        case "true" | "1":
            return True
        case "false" | "0":
            return False
        case _:
            raise ValueError("must be true or false")


def port(value: object) -> int:
    """A TCP port an ordinary user may listen on."""
    found = _number(value)
    if found is None or found != int(found) or not 1024 <= found <= 65535:
        raise ValueError("must be a port number from 1024 to 65535")
    return int(found)


def number_between(low: float, high: float) -> Callable[[object], float]:
    """A number within bounds, the bounds included."""

    def kind(value: object) -> float:
        found = _number(value)
        if found is None or not low <= found <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return found

    return kind


def duration(value: object) -> float:
    """Seconds, or "8h", "90m", "7d", "12h30m"."""
    found = _number(value)
    if found is None and isinstance(value, str) and re.fullmatch(r"(\d+[smhd])+", value):
        found = float(sum(int(n) * _SECONDS[unit] for n, unit in re.findall(r"(\d+)([smhd])", value)))
    if found is None or not 0 < found <= 90 * _SECONDS["d"]:
        raise ValueError('must be a time of at most 90 days, such as "8h" or "7d"')
    return found


def path(value: object) -> Path:
    """An absolute path, or one from the home folder."""
    found = Path(text(value)).expanduser()
    if not found.is_absolute():
        raise ValueError("must be an absolute path")
    return found


def ca_bundle(value: object) -> Path | str:
    """A file or folder of certificates, or the word "system" for those of the operating system."""
    if value == "system":
        return "system"
    found = path(value)
    if not found.exists():
        raise ValueError(f"names {found}, which is not there")
    return found


def proxy(value: object) -> str:
    """The URL of an HTTP proxy; ``host:port`` will do, as it does for most programs."""
    found = text(value)
    found = found if "//" in found else "http://" + found
    parts = _split(found)
    if parts is None or parts[0] not in ("http", "https"):
        raise ValueError("must be the URL of an HTTP proxy, such as http://proxy.example.com:3128")
    return found


def endpoint(value: object) -> str:
    """Where a service of AWS is: an origin, without a path. Plain http only to this machine, since tokens go there."""
    found = text(value).rstrip("/")
    parts = _split(found)
    if parts is None or parts[0] not in ("http", "https") or re.search(r"[?#@\s]|//.*/", found):
        raise ValueError("must be a URL without a path, such as https://oidc.eu-west-1.amazonaws.com")
    if parts[0] == "http" and parts[1] not in _LOOPBACK:
        raise ValueError("must begin with https:// (plain http only to this machine itself)")
    return found


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine and nowhere else."""
    parts = _split(url)
    return parts is not None and parts[1] in _LOOPBACK


def _split(url: str) -> tuple[str, str] | None:
    """Scheme and host; None where there are not both."""
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            return None
    except ValueError:  # brackets or a port that are none
        return None
    return (parts.scheme, parts.hostname) if parts.hostname else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
