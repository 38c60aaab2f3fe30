"""The client's commands as a person meets them: each file in ``transcripts`` is played against real processes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.machine import Machine, machine
from support.transcript import Step, fits, play, read

if TYPE_CHECKING:
    from collections.abc import Iterator

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
TESTS = Path(__file__).parents[1]
PERSON = f"import sys; sys.path.insert(0, {str(TESTS)!r}); from support.person import press; press(sys.argv[1])"
SCENARIO = """\
[accounts.111111111111]
name = "Development"
[accounts.222222222222]
name = "Production"
[permission_sets]
AdministratorAccess = "1h"
ReadOnly = "1h"
[users.alice.assignments]
111111111111 = ["AdministratorAccess", "ReadOnly"]
222222222222 = ["ReadOnly"]
"""


@pytest.fixture
def stage() -> Iterator[Machine]:
    """A machine whose browser is somebody who presses Allow."""
    with machine() as one:
        one.simulate(SCENARIO)
        one.environ["BROWSER"] = f'{sys.executable} -c "{PERSON}" %s &'
        yield one


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_it_goes_as_it_is_written(stage: Machine, path: Path) -> None:
    steps = read(path)
    assert steps
    differences = play(stage, steps)
    assert not differences, f"{path.name}\n" + "\n".join(differences)


def test_a_transcript_that_is_wrong_does_not_pass(stage: Machine) -> None:
    steps = [Step(1, "echo a", ("b",)), Step(2, "false"), Step(3, "exit 0"), Step(4, "echo never")]
    assert play(stage, steps[:2])[0].startswith("line 1: $ echo a")
    assert play(stage, steps[:2])[1].startswith("line 2: $ false")
    assert "the shell ended at line 3" in play(stage, steps)[0]


@pytest.mark.parametrize(
    ("shown", "came", "right"),
    [
        (["until <time>."], "until 2026-01-02T03:04:05Z.", True),
        (["until <time>."], "until tomorrow.", False),
        (["a", "…", "z"], "a\nb\nc\nz", True),
        (["a", "…", "z"], "a\nz", True),
        (["a", "…"], "a\nb\nc", True),
        ([], "", True),
        ([], "a", False),
        (["a … z"], "a b z", True),
        (["a … z"], "a b\nz", False),
        (["<home>/.aws"], "/home/me/.aws", True),
        (["a.c"], "abc", False),
    ],
)
def test_placeholders_stand_for_what_they_say(shown: list[str], came: str, *, right: bool) -> None:
    assert fits(shown, came, Path("/home/me")) is right


def test_an_exit_status_and_remarks_are_no_output(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("# remark\n\n$ false\nsaid\n[1]\n\n# another\n$ true\n", encoding="utf-8")
    assert read(path) == [Step(3, "false", ("said",), 1), Step(8, "true")]


def test_output_before_anything_was_typed_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("said\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1"):
        read(path)
