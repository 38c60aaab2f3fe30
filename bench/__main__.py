"""`make bench`: what keyfob costs, each figure beside one of something known, measured in the same run.

Prints a table and asserts nothing: figures depend on the machine, ratios a little less. How each was taken stands in
``docs/behaviour.md``.
"""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING

from bench import commands, fetch, memory, start
from bench.table import Row, render
from support.machine import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.machine import Machine

ROLES = 1000
SCENARIO = (
    "[settings]\ncalls_per_second = 0\n"
    + "".join(f'[accounts.{100000000000 + n}]\nname = "Account {n}"\n' for n in range(ROLES))
    + '[permission_sets]\nReadOnly = "12h"\n[users.alice.assignments]\n'
    + "".join(f'{100000000000 + n} = ["ReadOnly"]\n' for n in range(ROLES))
)
TARGET = "ReadOnly@100000000000"


def main() -> int:
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores\n")
    with machine() as stage:
        stage.environ["KEYFOB_LIMITS_CALLS_PER_SECOND"] = "20"
        stage.simulate(SCENARIO)
        print(render(rows(stage)))
    return 0


def rows(stage: Machine) -> Iterator[Row]:
    yield start.until_ready(stage)
    signed_in = stage.sign_in()
    if signed_in.status:
        sys.exit(f"bench: keyfob login: {signed_in.err}")
    yield memory.at_start(stage)
    yield from fetch.warm(stage, TARGET)
    yield from commands.against_python(stage, TARGET)
    yield memory.with_roles(stage, ROLES)


if __name__ == "__main__":
    sys.exit(main())
