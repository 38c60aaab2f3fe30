"""Options read by hand: as argparse would, and one clear line where they cannot be meant."""

from __future__ import annotations

import pytest

from keyfob import arguments
from keyfob.arguments import Option
from keyfob.errors import Usage

KNOWN = (
    Option("--region", "REGION", "a value"),
    Option("--keys", "", "a flag"),
    Option("--format", "FORMAT", "one of some", ("bash", "fish")),
)


def parse(*argv: str) -> arguments.Arguments:
    return arguments.parse("env", argv, KNOWN, words=1)


def test_options_stand_before_and_after_the_word() -> None:
    found = parse("--region", "eu-west-1", "target", "--keys")
    assert (found.get("--region"), found.words, "--keys" in found, found.rest) == ("eu-west-1", ["target"], True, None)


def test_a_value_may_come_after_an_equals_sign_and_hold_one() -> None:
    assert parse("--region=a=b").get("--region") == "a=b"


def test_nothing_after_two_dashes_is_ours() -> None:
    assert parse("x", "--", "--keys", "--", "-h").rest == ["--keys", "--", "-h"]


def test_h_asks_for_help() -> None:
    assert "--help" in parse("-h")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--bogus"], "no option --bogus"),
        (["-x"], "no option -x"),
        (["--region"], "--region needs REGION"),
        (["--region="], "--region needs REGION"),
        (["--keys=yes"], "--keys takes no value"),
        (["--format", "tcsh"], "bash, fish, not tcsh"),
        (["one", "two"], "two is one word too many"),
    ],
)
def test_what_cannot_be_meant_is_said(argv: list[str], says: str) -> None:
    with pytest.raises(Usage, match=says):
        parse(*argv)


def test_help_names_every_option_with_its_choices() -> None:
    text = arguments.help_text("env", "[TARGET]", "Does it.", KNOWN)
    assert text.startswith("usage: keyfob env [TARGET]\n\nDoes it.\n")
    assert "  --format FORMAT  one of some (bash, fish)\n" in text
    assert "--help" in text


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("8h", 28800), ("2d", 172800)])
def test_a_duration_has_a_unit_or_is_in_seconds(text: str, seconds: int) -> None:
    assert arguments.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "-1", "1.5h", "8 h", "8w", "٣h", "9999999999h"])
def test_other_durations_are_none(text: str) -> None:
    with pytest.raises(Usage):
        arguments.duration(text)
