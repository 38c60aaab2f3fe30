"""Resident memory of the daemon."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from bench.table import Row

if TYPE_CHECKING:
    from support.machine import Machine

# Asks for the credentials of very many roles over one interpreter, as many at a time as a person's tools might.
ASK_FOR_ROLES = """\
import sys
from concurrent.futures import ThreadPoolExecutor
from keyfob import ask, wire
from keyfob.errors import ClientError

def fetch(number):
    wanted = {"account_id": str(100000000000 + number), "role_name": "ReadOnly"}
    while True:
        try:
            return ask.ask(wire.CREDENTIAL_PROCESS, wanted)
        except ClientError as error:
            if error.exit_status != wire.EXIT_UNREACHABLE:  # the limiter says: not so many at once
                raise

with ThreadPoolExecutor(8) as pool:
    print(sum(1 for _ in pool.map(fetch, range(int(sys.argv[1])))))
"""


def at_start(stage: Machine) -> Row:
    """One session signed in, no role asked for yet."""
    return Row("keyfobd: resident memory, signed in", resident(stage), "MB", "", None)


def with_roles(stage: Machine, roles: int) -> Row:
    """After so many roles were fetched and are held."""
    ran = stage.run("python", "-c", ASK_FOR_ROLES, str(roles), timeout=300)
    if ran.status or int(ran.out) != roles:
        raise RuntimeError(f"not all of {roles} roles were fetched: {ran.err}")
    return Row(f"keyfobd: resident memory, {roles} roles held", resident(stage), "MB", "", None)


def resident(stage: Machine) -> float:
    """Megabytes."""
    daemon = stage.daemon()
    if daemon is None:
        raise RuntimeError("no daemon")
    status = Path(f"/proc/{daemon['pid']}/status")
    if status.exists():
        return int(status.read_text(encoding="ascii").partition("VmRSS:")[2].split()[0]) / 1024
    asked = subprocess.run(["ps", "-o", "rss=", "-p", str(daemon["pid"])], capture_output=True, check=True)
    return int(asked.stdout) / 1024
