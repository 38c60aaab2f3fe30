from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity_center_simulator import ScenarioProblem, Settings
from identity_center_simulator.settings import seconds


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (20, 20),
        (0, 0),
        (1.5, 1.5),
        ("20s", 20),
        ("15m", 900),
        ("8h", 28800),
        ("90d", 7776000),
        ("45", 45),
        ("0.5h", 1800),
    ],
)
def test_durations_are_seconds_or_carry_a_unit(written: Any, meant: float) -> None:
    assert seconds("x", written) == meant


@pytest.mark.parametrize("written", ["", "h", "soon", "-1", -1, None, [], True, "nan", "inf", "1w", float("inf")])
def test_what_is_no_duration_is_said_by_name(written: Any) -> None:
    with pytest.raises(ScenarioProblem, match=r"^x must be seconds or like 20s, 15m, 8h, 90d"):
        seconds("x", written)


@given(st.integers(0, 10**9), st.sampled_from(["", "s", "m", "h", "d"]))
def test_whole_durations_come_out_exact(number: int, unit: str) -> None:
    assert seconds("x", f"{number}{unit}") == number * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]


def test_changes_leave_the_rest_alone() -> None:
    changed = Settings().changed(
        {"session_duration": "12h", "refresh_tokens": "omitted", "identity_provider_cap": "1h"}
    )

    assert changed == Settings(session_duration=43200, refresh_tokens="omitted", identity_provider_cap=3600)


@pytest.mark.parametrize(
    "changes",
    [
        {"hat": 1},
        {"refresh_tokens": "maybe"},
        {"slow_down": "yes"},
        {"slow_down": 1},
        {"page_size": -1},
        {"page_size": 0},
        {"page_size": 101},
        {"page_size": 1.5},
        {"poll_interval": True},
        {"warm_user": 7},
        {"session_duration": None},
    ],
)
def test_a_change_that_cannot_be_meant_names_its_setting(changes: dict[str, Any]) -> None:
    with pytest.raises(ScenarioProblem, match=next(iter(changes))):
        Settings().changed(changes)


def test_what_json_says_of_the_settings_can_be_read_back() -> None:
    written = json.loads(json.dumps(dataclasses.asdict(Settings())))

    assert Settings().changed(written) == Settings()
