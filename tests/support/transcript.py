"""Transcripts: what a person types, what it prints, how it ends, played against real processes.

    # a remark
    $ keyfob status
    keyfobd is not running. Run: keyfob start
    [6]

A line after ``$`` is typed into one bash that lives for the whole transcript. What follows is what it prints, stdout
and stderr as they come, and a status other than 0 in brackets. ``<time>``, ``<pid>`` and the other names below stand
for what differs from run to run, ``…`` for any text within a line, or for any lines where it stands alone.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from support.machine import Machine

ANY = "…"
PLACEHOLDERS = {
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "<pid>": r"\d+",
    "<port>": r"\d+",
    "<url>": r"http://127\.0\.0\.1:\d+/\S*",
    "<token>": r"kfb_[A-Za-z0-9_-]{43}",
    "<id>": r"[0-9a-f]{8}",
    "<key>": r"ASIA[A-Z0-9]{16}",
}
_MARK = "=-= done"


@dataclass(frozen=True, slots=True)
class Step:
    """One line that is typed, with what is to come of it; ``line`` is where it stands."""

    line: int
    typed: str
    shown: tuple[str, ...] = ()
    status: int = 0


@dataclass(slots=True)
class _Reader:
    steps: list[Step] = field(default_factory=list)

    def take(self, number: int, line: str) -> None:
        if line.startswith("$ "):
            self.steps.append(Step(number, line[2:]))
        elif line.startswith("#") or not self.steps:
            if line.strip() and not line.startswith("#"):
                raise ValueError(f"line {number}: output before anything was typed")
        else:
            self.steps[-1] = _with_line(self.steps[-1], line)


def read(path: Path) -> list[Step]:
    """The steps of a transcript. An empty line before the next ``$`` or ``#`` only sets them apart."""
    reader = _Reader()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        reader.take(number, line.rstrip())
    return [_trimmed(step) for step in reader.steps]


def play(stage: Machine, steps: Sequence[Step]) -> list[str]:
    """Type everything, and say for each step that went otherwise how it went; nothing where all went as written."""
    script = "".join(f"{step.typed}\nprintf '\\n{_MARK} %d\\n' $?\n" for step in steps)
    ran = stage.run("bash", "--norc", "-c", script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    came = [*re.split(rf"\n{_MARK} (\d+)\n", ran.out)]
    outcomes = list(zip(came[0::2], map(int, came[1::2]), strict=False))
    if len(outcomes) != len(steps):
        return [f"the shell ended at line {steps[len(outcomes)].line}: {came[-1]}"]
    return [
        _difference(step, out, status)
        for step, (out, status) in zip(steps, outcomes, strict=True)
        if status != step.status or not fits(step.shown, out, stage.home)
    ]


def fits(shown: Sequence[str], out: str, home: Path) -> bool:
    """Whether the output is as it is written down; ``<home>`` is the HOME of the machine."""
    names = PLACEHOLDERS | {"<home>": re.escape(str(home))}
    lines = ["(?:.*\n)*" if line == ANY else f"{_line_pattern(line, names)}\n" for line in shown]
    text = out.rstrip("\n")
    return re.fullmatch("".join(lines), f"{text}\n" if text else "") is not None


def _line_pattern(line: str, names: dict[str, str]) -> str:
    parts = re.split(f"({'|'.join(map(re.escape, [*names, ANY]))})", line)
    return "".join(".*" if part == ANY else names.get(part, re.escape(part)) for part in parts)


def _with_line(step: Step, line: str) -> Step:
    status = re.fullmatch(r"\[(\d+)\]", line)
    if status is not None:
        return Step(step.line, step.typed, step.shown, int(status[1]))
    return Step(step.line, step.typed, (*step.shown, line), step.status)


def _trimmed(step: Step) -> Step:
    shown = list(step.shown)
    while shown and not shown[-1]:
        shown.pop()
    return Step(step.line, step.typed, tuple(shown), step.status)


def _difference(step: Step, out: str, status: int) -> str:
    came = out.rstrip("\n") + (f"\n[{status}]" if status else "")
    wanted = "\n".join(step.shown) + (f"\n[{step.status}]" if step.status else "")
    return f"line {step.line}: $ {step.typed}\n--- written\n{wanted}\n--- came\n{came}\n"
