from __future__ import annotations

import json
from typing import Any

import pytest

from identity_center_simulator import Fault, ScenarioProblem
from identity_center_simulator.fault_document import from_document
from identity_center_simulator.faults import Faults, with_members


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
    found = from_document({"operation": "Logout", "kind": "delay", "for": "5m", "delay": "2s"}, now=1000)

    assert found == Fault("Logout", "delay", until=1300, delay=2)


def test_json_may_say_everything() -> None:
    words = {"times": 2, "until": 5, "status": 503, "code": "X", "message": None, "location": "/", "body": ""}
    found = from_document({"operation": "*", "kind": "error", "remove": ["x"], "match": {"a": "b"}, **words}, now=0)

    assert found == Fault("*", "error", {"a": "b"}, 2, 5, status=503, code="X", location="/", remove=("x",))


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "kind is one of"),
        ({"operation": "Logout"}, "kind is one of"),
        ({"operation": "Logout", "kind": "fire"}, "kind is one of"),
        ({"operation": "Logout", "kind": []}, "kind is one of"),
        ({"kind": "reset"}, "a fault needs an operation"),
        ({"operation": ["Logout"], "kind": "reset"}, "a fault needs an operation"),
        ({"operation": "CreateTokens", "kind": "reset"}, "the nearest is CreateToken"),
        ({"operation": "getrolecredentials", "kind": "reset"}, "the nearest is GetRoleCredentials"),
        ({"operation": "*", "kind": "reset", "hat": 1}, "has no 'hat'"),
        ({"operation": "*", "kind": "reset", "for": "long"}, "for must be seconds"),
        ({"operation": "*", "kind": "reset", "delay": -1}, "delay must be seconds"),
        ({"operation": "*", "kind": "reset", "times": "2"}, "times must be a whole number"),
        ({"operation": "*", "kind": "reset", "times": True}, "times must be a whole number"),
        ({"operation": "*", "kind": "reset", "times": 0}, "times must be a whole number"),
        ({"operation": "*", "kind": "reset", "until": "soon"}, "until must be seconds"),
        ({"operation": "*", "kind": "reset", "match": {"a": 1}}, "match must be an object of texts"),
        ({"operation": "*", "kind": "reset", "match": "a"}, "match must be an object of texts"),
        ({"operation": "*", "kind": "status", "status": "503"}, "status must be"),
        ({"operation": "*", "kind": "status", "status": 100}, "status must be"),
        ({"operation": "*", "kind": "status", "body": {}}, "body must be a text"),
        ({"operation": "*", "kind": "error", "code": "a\r\nb: c"}, "code must be"),
        ({"operation": "*", "kind": "error", "message": 1}, "message must be a text"),
        ({"operation": "*", "kind": "redirect", "location": "a\nb"}, "location must be a URL"),
        ({"operation": "*", "kind": "members", "remove": "abc"}, "remove must be a list"),
        ({"operation": "*", "kind": "members", "set": ["a"]}, "set must be an object"),
        ({"operation": "*", "kind": "members"}, "something to remove or to set"),
        ({"operation": "AssumeRole", "kind": "members", "remove": ["a"]}, "is not JSON"),
        ({"operation": "Logout", "kind": "members", "set": {"a": 1}}, "is not JSON"),
        ({"operation": "AssumeRole", "kind": "error", "set": {"a": 1}}, "refuses in XML"),
        ({"operation": "Authorize", "kind": "error"}, "of no service that refuses by a code"),
    ],
)
def test_json_that_cannot_be_meant_is_refused(document: dict[str, Any], says: str) -> None:
    with pytest.raises(ScenarioProblem, match=says):
        from_document(document, now=0)


def test_changed_members_spare_and_do_not_spend_themselves_on_answers_without_any() -> None:
    faults = Faults()
    faults.add(Fault("*", "members", set={"x": 1}, times=1))

    taken = [faults.take(operation, {}, 0) is not None for operation in ("AssumeRole", "Logout", "ListAccounts")]

    assert taken == [False, False, True]


def test_members_are_removed_and_set_at_any_depth() -> None:
    body = json.dumps({"a": {"b": 1, "c": 2}, "d": 3}).encode()
    fault = Fault("A", "members", remove=("a.b", "d", "nothing.here"), set={"a.c": None, "e.f": "new"})

    assert json.loads(with_members(body, fault)) == {"a": {"c": None}, "e": {"f": "new"}}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("list.0.id", {"list": [{"id": 7}, {"id": 2}], "text": "x"}),
        ("list.1", {"list": [{"id": 1}, 7], "text": "x"}),
        ("list.2.id", {"list": [{"id": 1}, {"id": 2}], "text": "x"}),
        ("list.id", {"list": [{"id": 1}, {"id": 2}], "text": "x"}),
        ("text.id", {"list": [{"id": 1}, {"id": 2}], "text": "x"}),
        ("list.0.id.deeper", {"list": [{"id": 1}, {"id": 2}], "text": "x"}),
    ],
)
def test_paths_lead_into_lists_by_number_and_beyond_them_nowhere(path: str, found: dict[str, Any]) -> None:
    body = json.dumps({"list": [{"id": 1}, {"id": 2}], "text": "x"}).encode()

    assert json.loads(with_members(body, Fault("*", "members", set={path: 7}))) == found


@pytest.mark.parametrize(
    ("path", "found"),
    [("list.0.id", [{}, 2]), ("list.1", [{"id": 1}]), ("list.2", [{"id": 1}, 2]), ("no.0", [{"id": 1}, 2])],
)
def test_what_is_in_a_list_can_be_removed(path: str, found: list[Any]) -> None:
    body = json.dumps({"list": [{"id": 1}, 2]}).encode()

    assert json.loads(with_members(body, Fault("*", "members", remove=(path,)))) == {"list": found}
