"""Counts the lines that child processes run, the daemon among them.

coverage.py finds its orders for a child in an environment variable. The daemon's environment is its own, made of a
short list (design §8), so the variable would not reach it; HOME does. A ``.pth`` file in the virtual environment lets
every Python with a test's HOME read the orders there.
"""

from __future__ import annotations

import os
import site
from pathlib import Path

VARIABLE = "COVERAGE_PROCESS_CONFIG"
ORDERS = ".keyfob-coverage"
# Sorted before coverage.py's own a1_coverage.pth, which then finds the variable.
PTH = "a0_keyfob_tests.pth"
LINE = (
    "import os; f = os.path.expanduser('~/" + ORDERS + "'); "
    "os.path.exists(f) and os.environ.setdefault('" + VARIABLE + "', open(f).read())\n"
)


def carry_coverage_into(home: Path) -> None:
    """From here on every Python with this HOME is measured, if this one is."""
    orders = os.environ.get(VARIABLE)
    if not orders:
        return
    (home / ORDERS).write_text(orders, encoding="utf-8")
    pth = Path(site.getsitepackages()[0], PTH)
    if not pth.exists():
        # Written whole and then renamed: other workers' children start meanwhile.
        new = pth.with_suffix(f".{os.getpid()}")
        new.write_text(LINE, encoding="utf-8")
        new.replace(pth)
