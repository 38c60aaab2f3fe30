"""One measured thing beside another, as a line of a table."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Row:
    """``figure`` and ``yardstick`` are in ``unit``."""

    what: str
    figure: float
    unit: str
    beside: str
    yardstick: float | None

    @property
    def ratio(self) -> str:
        return f"{self.figure / self.yardstick:.2f}" if self.yardstick else ""


def render(rows: Iterable[Row]) -> str:
    """A table in Markdown, so that it can stand in docs/behaviour.md as it is."""
    lines = ["| what | figure | beside | figure | ratio |", "|---|---|---|---|---|"]
    for row in rows:
        yardstick = "" if row.yardstick is None else f"{row.yardstick:.2f} {row.unit}"
        lines.append(f"| {row.what} | {row.figure:.2f} {row.unit} | {row.beside} | {yardstick} | {row.ratio} |")
    return "\n".join(lines)


def medians(measures: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median of each, taken in turns, so that a noisy moment of the machine meets all of them. One round goes
    before that is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(rounds + 1):
        for name, measure in measures.items():
            value = measure()
            if number:
                taken[name].append(value)
    return {name: statistics.median(values) for name, values in taken.items()}
