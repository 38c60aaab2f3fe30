"""How long from the daemon's start until its endpoint answers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from bench.table import Row, medians
from support.machine import end

if TYPE_CHECKING:
    from support.machine import Machine

ROUNDS = 7
YARDSTICK = "python -c 'import aiohttp.web'"


def until_ready(stage: Machine) -> Row:
    """From the start of the process to the line that it writes when it is ready."""

    def daemon() -> float:
        reader, writer = os.pipe()
        began = time.perf_counter()
        process = stage.popen(sys.executable, "-m", "keyfobd", "--ready-fd", str(writer), pass_fds=[writer])
        os.close(writer)
        with os.fdopen(reader, "rb") as ready:
            line = ready.readline()
        taken = time.perf_counter() - began
        end(process)
        if b'"ready"' not in line:
            raise RuntimeError(f"keyfobd did not start: {line!r}")
        return taken

    def yardstick() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import aiohttp.web"], check=True, env=stage.environ)
        return time.perf_counter() - began

    found = medians({"daemon": daemon, "yardstick": yardstick}, ROUNDS)
    return Row("keyfobd: start to ready", found["daemon"] * 1000, "ms", YARDSTICK, found["yardstick"] * 1000)
