"""What a machine must have for a test, told in a way that says how to get it."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def missing(names: Iterable[str]) -> list[str]:
    """What of these is not here. A name is a program on the PATH, or ``root``, or ``linux``."""
    return [lack for name in names if (lack := _lack(name))]


def _lack(name: str) -> str:
    match name:
        case "root":
            return "" if os.geteuid() == 0 else "not run as root"
        case "linux":
            return "" if sys.platform == "linux" else "not on Linux"
        case _:
            return "" if shutil.which(name) else f"no {name}"
