from __future__ import annotations

import json
from typing import Any

import pytest

from identity_center_simulator import Fault, ScenarioProblem
from identity_center_simulator.faults import Faults, from_document, with_members


@pytest.mark.parametrize(
    ("fault", "fits"),
    [
        (Fault("CreateToken", "reset"), True),
        (Fault("*", "reset"), True),
        (Fault("ListAccounts", "reset"), False),
        (Fault("CreateToken", "reset", match={"grantType": "refresh_token"}), True),
        (Fault("CreateToken", "reset", match={"grantType": "authorization_code"}), False),
        (Fault("CreateToken", "reset", match={"account_id": "1"}), False),
    ],
)
def test_a_fault_fits_by_operation_and_parameters(fault: Fault, fits: bool) -> None:
    assert fault.fits("CreateToken", {"grantType": "refresh_token"}) is fits


def test_the_first_that_fits_is_taken_until_it_is_spent() -> None:
    faults = Faults()
    faults.add(Fault("A", "reset", times=2))
    faults.add(Fault("*", "html"))

    taken = [faults.take(operation, {}, 0) for operation in ("A", "B", "A", "A")]

    assert [fault.kind for fault in taken if fault] == ["reset", "html", "reset", "html"]
    assert [fault.kind for fault in faults.active(0)] == ["html"]


def test_two_alike_are_spent_one_after_the_other() -> None:
    faults = Faults()
    for _ in range(2):
        faults.add(Fault("A", "reset", times=1))

    assert [faults.take("A", {}, 0) is not None for _ in range(3)] == [True, True, False]


def test_a_fault_is_over_at_its_end() -> None:
    faults = Faults()
    faults.add(Fault("A", "reset", until=10))

    assert faults.take("A", {}, 9.9) is not None
    assert faults.take("A", {}, 10) is None


def test_json_may_say_for_how_long() -> None:
    found = from_document({"operation": "A", "kind": "delay", "for": "5m", "delay": "2s", "remove": ["x"]}, now=1000)

    assert found == Fault("A", "delay", until=1300, delay=2, remove=("x",))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"operation": "A"},
        {"operation": "A", "kind": "fire"},
        {"kind": "reset"},
        {"operation": "A", "kind": "reset", "hat": 1},
        {"operation": "A", "kind": "reset", "for": "long"},
        {"operation": "A", "kind": "reset", "delay": -1},
    ],
)
def test_json_that_cannot_be_meant_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ScenarioProblem):
        from_document(document, now=0)


def test_members_are_removed_and_set_at_any_depth() -> None:
    body = json.dumps({"a": {"b": 1, "c": 2}, "d": 3}).encode()
    fault = Fault("A", "members", remove=("a.b", "d", "nothing.here"), set={"a.c": None, "e.f": "new"})

    assert json.loads(with_members(body, fault)) == {"a": {"c": None}, "nothing": {}, "e": {"f": "new"}}
