"""Shells that read back what keyfob prints for them."""

from __future__ import annotations

import os
import shutil
import subprocess

from keyfob import syntax
from keyfob.environment import Change

HARD = ["", " ", "a'b", "'", "''", "\\", "\\'", '"$HOME`id`$(id)!', "a\nb", "\n", "ünï", "#x", "~", "-n", "’curly‘"]
"""Values that a careless quoting gets wrong."""


def evaluated(shell: str, text: str, environ: dict[str, str]) -> tuple[int, dict[str, str]]:
    """How the shell ends that evaluates the text, and the environment it gives to a child of its."""
    env = shutil.which("env") or "env"
    script = {"fish": f"cat | source; set status_ $status; {env} -0; exit $status_"}.get(
        shell, f'eval "$(cat; echo)"; status_=$?; {env} -0; exit $status_'
    )
    path = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    ran = subprocess.run(
        [shell, "-c", script], input=os.fsencode(text), env=path | environ, capture_output=True, check=False
    )
    pairs = (entry.partition(b"=") for entry in ran.stdout.split(b"\0") if entry)
    return ran.returncode, {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def reads_back(shell: str, form: str) -> None:
    """Every value comes out as it went in, and what is unset is gone."""
    values = {f"V{number}": value for number, value in enumerate([*HARD, os.fsdecode(b"\xff\xfe")])}
    text = syntax.render(Change(values, ["GONE", "NEVER_WAS"]), form)
    status, found = evaluated(shell, text, {"GONE": "x", "STAYS": "y"})
    assert status == 0
    assert {name: found.get(name) for name in values} == values
    assert "GONE" not in found
    assert found["STAYS"] == "y"


def fails_closed(shell: str, form: str) -> None:
    """What fails unsets first, and then ends with its status; what only unsets is no failure."""
    change = Change({}, ["AWS_PROFILE", "NEVER_WAS"])
    for text, expected in ((syntax.failing(change, form, 3), 3), (syntax.render(change, form), 0)):
        status, found = evaluated(shell, text, {"AWS_PROFILE": "x"})
        assert status == expected
        assert "AWS_PROFILE" not in found
