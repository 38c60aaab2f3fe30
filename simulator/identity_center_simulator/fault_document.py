"""A fault from JSON, as the control API takes it: nothing is taken that could not do what it says."""

from __future__ import annotations

import dataclasses
import difflib
import re
from typing import TYPE_CHECKING, Any, get_args

from identity_center_simulator import operations
from identity_center_simulator.faults import Fault, Kind
from identity_center_simulator.settings import ScenarioProblem, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HEADER_VALUE = re.compile(r"[!-~]+")
"""``code`` and ``location`` travel in headers."""


def from_document(document: Mapping[str, Any], now: float) -> Fault:
    """A fault from JSON, with ``for`` (seconds, or "5m") in place of ``until``; raises ScenarioProblem."""
    words = dict(document)
    if "for" in words:
        words["until"] = now + seconds("for", words.pop("for"))
    known = {each.name for each in dataclasses.fields(Fault)}
    unknown = sorted(words.keys() - known)
    if unknown:
        raise ScenarioProblem(f"a fault has no {unknown[0]!r}; it has: {', '.join(sorted(known))}, for")
    if words.get("kind") not in get_args(Kind):
        raise ScenarioProblem(f"kind is one of {', '.join(get_args(Kind))}, not {words.get('kind')!r}")
    _check_operation(words.get("operation"))
    for name, value in words.items():
        right, says = _RIGHT.get(name, _ANYTHING)
        if not right(value):
            raise ScenarioProblem(f"{name} must be {says}, not {value!r}")
    for name in words.keys() & {"delay", "seconds"}:
        words[name] = seconds(name, words[name])
    fault = Fault(**{**words, "remove": tuple(words.get("remove", ()))})
    _check_effect(fault)
    return fault


def _check_operation(name: Any) -> None:
    if not isinstance(name, str):
        raise ScenarioProblem("a fault needs an operation, or *")
    if name == "*" or name in operations.NAMES:
        return
    nearest = difflib.get_close_matches(name, operations.NAMES, n=1, cutoff=0)
    raise ScenarioProblem(f"there is no operation {name!r}; the nearest is {nearest[0]}")


def _check_effect(fault: Fault) -> None:
    """Raises ScenarioProblem where a fault would be spent and change nothing, or be of no service's making."""
    operation = fault.operation
    if fault.kind == "members":
        if not fault.remove and not fault.set:
            raise ScenarioProblem("members needs something to remove or to set")
        if operation not in operations.JSON_ANSWERS | {"*"}:
            raise ScenarioProblem(f"the answer to {operation} is not JSON and has no members to change")
    if fault.kind == "error":
        if operation in operations.FEDERATION | operations.PAGES | {operations.UNKNOWN}:
            raise ScenarioProblem(f"{operation} is of no service that refuses by a code; use the kind status or html")
        if fault.set and operation not in operations.OIDC | operations.PORTAL | {"*"}:
            raise ScenarioProblem(f"{operation} refuses in XML, which has no members to set")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_matching(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _is_count(value: Any) -> bool:
    return value is None or (type(value) is int and value > 0)


def _is_time(value: Any) -> bool:
    return value is None or type(value) in {int, float}


def _is_status(value: Any) -> bool:
    return value is None or (type(value) is int and 200 <= value <= 599)


def _is_header_value(value: Any) -> bool:
    return isinstance(value, str) and HEADER_VALUE.fullmatch(value) is not None


_ANYTHING: tuple[Callable[[Any], bool], str] = (lambda _: True, "")
_RIGHT: dict[str, tuple[Callable[[Any], bool], str]] = {
    "match": (_is_matching, "an object of texts"),
    "times": (_is_count, "a whole number from 1 on"),
    "until": (_is_time, "seconds since 1970"),
    "status": (_is_status, "a status from 200 to 599"),
    "body": (_is_text, "a text"),
    "code": (_is_header_value, "an exception's name"),
    "message": (lambda value: value is None or isinstance(value, str), "a text"),
    "location": (_is_header_value, "a URL"),
    "remove": (_is_texts, "a list of paths"),
    "set": (lambda value: isinstance(value, dict), "an object of paths and values"),
}
