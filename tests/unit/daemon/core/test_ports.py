"""Which port the endpoint has."""

from __future__ import annotations

import pytest

from keyfobd.core.errors import StartProblem
from keyfobd.core.ports import USUAL, decided_port, ports_to_try


@pytest.mark.parametrize(
    ("inherited", "setting", "remembered", "decided"),
    [
        (None, None, None, None),
        (None, None, 6000, 6000),
        (None, 7000, None, 7000),
        (None, 7000, 7000, 7000),
        (8000, None, None, 8000),
        (8000, 8000, 8000, 8000),
    ],
)
def test_what_is_named_must_be_had(
    inherited: int | None, setting: int | None, remembered: int | None, decided: int | None
) -> None:
    assert decided_port(inherited=inherited, setting=setting, remembered=remembered) == decided


@pytest.mark.parametrize(
    ("inherited", "setting", "remembered"), [(None, 7000, 6000), (8000, 7000, None), (8000, None, 6000)]
)
def test_two_that_disagree_are_a_start_problem_that_names_both(
    inherited: int | None, setting: int | None, remembered: int | None
) -> None:
    with pytest.raises(StartProblem) as caught:
        decided_port(inherited=inherited, setting=setting, remembered=remembered)
    for port in {inherited, setting, remembered} - {None}:
        assert str(port) in caught.value.message


def test_the_usual_port_is_tried_first_and_none_that_the_kernel_hands_out() -> None:
    assert ports_to_try(32768)[0] == USUAL
    assert max(ports_to_try(5400)) == 5399


def test_where_the_ephemeral_range_begins_low_the_usual_port_is_tried_all_the_same() -> None:
    assert list(ports_to_try(1024)) == [USUAL]
