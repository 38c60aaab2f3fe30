"""What a test here needs of the machine, and the list of what had to be left out for want of it.

Nothing here skips in silence: every test that did not run is named at the end, with the reason, and in
``.build/left-out.txt``. CI installs ``packages.txt`` and fails if that list is not empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.requirements import missing
from support.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Generator

LEFT_OUT = ROOT / ".build" / "left-out.txt"
_left_out = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_left_out] = {}
    config.addinivalue_line("markers", "needs(*names): programs on the PATH that the test runs, or 'root'")


def pytest_runtest_setup(item: pytest.Item) -> None:
    lacking = [lack for mark in item.iter_markers("needs") for lack in missing(mark.args)]
    if lacking:
        pytest.skip(", ".join(lacking))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        # A skip's longrepr is (file, line, reason).
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        item.config.stash[_left_out][item.nodeid] = reason.removeprefix("Skipped: ")
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = config.stash[_left_out]
    lines = [f"left out: {name} ({why})" for name, why in left_out.items()]
    LEFT_OUT.parent.mkdir(exist_ok=True)
    LEFT_OUT.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for line in lines or ["nothing was left out"]:
        terminalreporter.write_line(line)
