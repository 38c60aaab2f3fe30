"""docs/simulator.md says what is so."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import get_args

from identity_center_simulator import Settings, parse
from identity_center_simulator.faults import Kind

TEXT = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")


def rows(after: str) -> list[list[str]]:
    """The cells of the first table after some words."""
    table = re.search(r"(?:^\|.*\n)+", TEXT[TEXT.index(after) :], re.MULTILINE)
    assert table
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table[0].splitlines()[2:]]


def test_its_scenario_can_be_read() -> None:
    text = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)

    assert text
    assert parse(text[1]).users["alice"].assignments["333333333333"] == ()


def test_it_has_every_setting_with_its_default() -> None:
    found = {cells[0].strip("`"): cells[1].strip("`").strip('"') for cells in rows("Settings, in a scenario")}
    changes = {name: None if text == "none" else _value(text) for name, text in found.items()}

    assert list(found) == [field.name for field in dataclasses.fields(Settings)]
    assert Settings().changed(changes) == Settings()


def test_it_has_every_kind_of_fault() -> None:
    found = [kind for cells in rows("| kind | what happens |") for kind in re.findall(r"`([a-z-]+)`", cells[0])]

    assert sorted(found) == sorted(get_args(Kind))


def _value(text: str) -> object:
    return {"false": False, "true": True}.get(text, int(text) if text.isdecimal() else text)
