"""What the commands cost that run all day long, beside an interpreter that does nothing."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from bench.table import Row, medians

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.machine import Machine

ROUNDS = 15


def against_python(stage: Machine, target: str) -> Iterator[Row]:
    """By ``python -m keyfob``: a console script adds the same few milliseconds to whatever it starts."""
    words = {
        "keyfob env TARGET": ("-m", "keyfob", "env", target),
        "keyfob exec TARGET -- true": ("-m", "keyfob", "exec", target, "--", "true"),
        "keyfob credential-process TARGET": ("-m", "keyfob", "credential-process", target),
        "keyfob status --check": ("-m", "keyfob", "status", "--check"),
    }
    bare = "python -c pass"
    found = medians({bare: _timed(stage, "-c", "pass")} | {n: _timed(stage, *w) for n, w in words.items()}, ROUNDS)
    for name in words:
        yield Row(name, found[name] * 1000, "ms", bare, found[bare] * 1000)


def _timed(stage: Machine, *words: str) -> Callable[[], float]:
    def measure() -> float:
        began = time.perf_counter()
        ran = stage.run(sys.executable, *words)
        taken = time.perf_counter() - began
        if ran.status:
            raise RuntimeError(f"{words} ended with {ran.status}: {ran.err}")
        return taken

    return measure
