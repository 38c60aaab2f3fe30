"""The session that the README begins with, played against real processes: what it shows is what happens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.machine import Machine, machine
from support.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

SCENARIO = """\
[accounts.111111111111]
name = "Development"
[accounts.222222222222]
name = "Production"
[permission_sets]
AdministratorAccess = "1h"
ReadOnly = "1h"
[users.alice.assignments]
111111111111 = ["AdministratorAccess"]
222222222222 = ["ReadOnly"]
"""
ELISION = "…"


@pytest.fixture
def stage() -> Iterator[Machine]:
    with machine() as one:
        one.simulate(SCENARIO)
        yield one


def session() -> list[tuple[str, list[str]]]:
    """The first console block: each line that was typed, and what it printed."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[:1]
    steps: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return steps


def pattern(shown: list[str]) -> str:
    """``…`` on a line of its own stands for any lines."""
    return "".join("(?:.*\n)*" if line == ELISION else re.escape(f"{line}\n") for line in shown)


def test_the_session_in_the_readme_goes_as_it_is_shown(stage: Machine) -> None:
    steps = session()
    assert len(steps) >= 5
    for typed, shown in steps:
        ran = stage.sign_in() if typed == "keyfob login" else stage.run("bash", "-euc", typed)
        assert ran.status == 0, f"{typed}: {ran.err}"
        assert re.fullmatch(pattern(shown), ran.out + ran.err), f"{typed} printed:\n{ran.out}{ran.err}"
