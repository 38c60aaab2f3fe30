"""What the commands that run all day long import: a list, not a stop-watch (design §9)."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

ALLOWED = ("__future__", "os", "sys", "socket", "json", "errno")


def imported(tmp_path: Path, *arguments: str) -> set[str]:
    """The modules a fresh interpreter imports for this; ``-X importtime`` names each on stderr as it comes."""
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "AWS_CONFIG_FILE": str(tmp_path / "config")}
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, env=environ, check=False
    )
    lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    "command",
    [
        ["status", "--check"],
        ["env", "--no-start", "work/111122223333/ReadOnly", "--format", "bash"],
        ["exec", "--no-start", "work/111122223333/ReadOnly", "--", "true"],
        ["credential-process", "--no-start", "work/111122223333/ReadOnly"],
    ],
    ids=lambda words: words[0],
)
def test_a_hot_command_imports_little_and_nothing_heavy(tmp_path: Path, command: list[str]) -> None:
    allowed = imported(tmp_path, "-c", f"import {', '.join(ALLOWED)}, runpy")  # runpy is what -m itself brings
    ours = imported(tmp_path, "-m", "keyfob", *command)
    assert "keyfob" in ours
    assert {name for name in ours - allowed if not name.startswith("keyfob.")} == {"keyfob"}
