"""The daemon's process before the kernel: what others may read of it, what it may open, what it inherits."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from typing import TYPE_CHECKING

from keyfob import wire

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

KEPT_OF_AWS = frozenset({"AWS_CONFIG_FILE", "AWS_CA_BUNDLE", *wire.SERVICE_ENDPOINT_VARIABLES})
PR_SET_DUMPABLE = 4  # prctl(2)
OPEN_FILES = 8192  # a thousand tools at once, and the 512 connections that have not shown a token


def own_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without the spawning shell's AWS settings: whoever starts the daemon, it is the same daemon, and
    botocore finds no profile, keys, or endpoint that were meant for something else."""
    return {name: value for name, value in environ.items() if not name.startswith("AWS_") or name in KEPT_OF_AWS}


def take_own_environment(environ: MutableMapping[str, str]) -> None:
    """Makes it so in place, before anything reads it."""
    kept = own_environment(environ)
    for name in set(environ) - set(kept):
        del environ[name]


def harden() -> None:
    """New files are ours alone, and no core dump or debugger of the same user reads secrets out of memory."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # With this /proc/PID/environ, mem and fd belong to root, and ptrace by others of the same user is refused.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def allow_many_files() -> None:
    """Raises the soft limit of open files as far as the hard one allows: 1024 is usual, and a burst of tools needs
    more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
