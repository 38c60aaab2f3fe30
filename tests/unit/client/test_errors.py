"""One line for a person: what is the matter, what to do, and which names to choose from."""

from __future__ import annotations

import pytest

from keyfob import wire
from keyfob.errors import ClientError, Refused


def ambiguous(hint: str, *names: str) -> Refused:
    return Refused({"code": "ambiguous-target", "message": "x fits more.", "hint": hint, "candidates": list(names)})


@pytest.mark.parametrize(
    ("refused", "line"),
    [
        (ambiguous("Name one of these.", "a", "b"), "x fits more. Name one of these: a, b"),
        (ambiguous("Name one of: a, b", "a", "b"), "x fits more. Name one of: a, b"),
        (ambiguous("Name one."), "x fits more. Name one."),
    ],
)
def test_names_to_choose_from_are_in_the_line_once(refused: Refused, line: str) -> None:
    assert str(refused) == line


def test_of_many_names_some_are_said() -> None:
    many = [f"role-{number}" for number in range(100)]
    assert str(ambiguous("Name one.", *many)).endswith("role-10, role-11, and 88 more")


def test_a_line_without_a_hint_ends_with_the_message() -> None:
    assert str(ClientError("It failed.")) == "It failed."


def test_an_answer_that_says_nothing_is_a_failure_all_the_same() -> None:
    refused = Refused({})
    assert (refused.exit_status, refused.code) == (wire.EXIT_FAILED, "failed")
    assert str(refused) == "The daemon refused, and did not say why."
