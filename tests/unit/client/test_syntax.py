"""Each format, read back by what it is meant for: the shells themselves, a JSON parser, a reader of .env files."""

from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfob import syntax
from keyfob.environment import Change
from support import shells

ANY = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
SHELLS = ["sh", "bash"]  # tests/system has zsh and fish


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_reads_back_every_value_whatever_is_in_it(shell: str) -> None:
    shells.reads_back(shell, "bash")


@settings(max_examples=20, deadline=None)
@given(st.lists(ANY, min_size=20, max_size=20))
def test_sh_reads_back_any_text(values: list[str]) -> None:
    wanted = {f"V{number}": value for number, value in enumerate(values)}
    _, found = shells.evaluated("sh", syntax.render(Change(wanted), "bash"), {})
    assert {name: found.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("shell", SHELLS)
def test_what_fails_closed_unsets_and_then_fails_with_its_status(shell: str) -> None:
    shells.fails_closed(shell, "bash")


def test_a_failing_eval_stops_a_script_that_stops_at_errors() -> None:
    text = syntax.failing(Change({}, ["A"]), "bash", 3)
    ran = subprocess.run(["sh", "-ec", 'eval "$1"; echo went on', "sh", text], capture_output=True, check=False)
    assert (ran.returncode, ran.stdout) == (3, b"")


@pytest.mark.parametrize("form", ["dotenv", "json", "terragrunt"])
def test_data_formats_print_nothing_when_they_fail(form: str) -> None:
    assert syntax.failing(Change({}, ["A"]), form, 3) == ""


def test_powershell_doubles_every_quote_it_knows() -> None:
    text = syntax.render(Change({"A": "it's ‘so’"}, ["B"]), "powershell")
    assert text == "$Env:B = $null\n$Env:A = 'it''s ‘‘so’’'\n"
    assert syntax.failing(Change({}, ["B"]), "powershell", 3).splitlines()[-1].startswith("$global:LASTEXITCODE = 3;")


def test_fish_ends_each_command_since_eval_joins_lines() -> None:
    text = syntax.render(Change({"A": "it's \\"}, ["B"]), "fish")
    assert text == "set -eg B;\nset -gx A 'it\\'s \\\\';\ntrue;\n"


@given(st.dictionaries(st.sampled_from(["A", "B", "C"]), ANY))
def test_json_holds_what_is_set_and_what_is_unset(values: dict[str, str]) -> None:
    assert json.loads(syntax.render(Change(values, ["Z"]), "json")) == {"set": values, "unset": ["Z"]}


def test_terragrunt_has_a_place_for_keys_and_one_for_the_rest() -> None:
    change = Change({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t", "B": "b"})
    assert json.loads(syntax.render(change, "terragrunt")) == {
        "awsCredentials": {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "s", "SESSION_TOKEN": "t"},
        "envs": {"B": "b"},
    }


def test_terragrunt_has_no_keys_where_there_are_none() -> None:
    assert json.loads(syntax.render(Change({"B": "b"}, ["C"]), "terragrunt")) == {"envs": {"B": "b"}}


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("http://127.0.0.1:5393/role/a_2d", "A=http://127.0.0.1:5393/role/a_2d"),
        ("a b", "A='a b'"),
        ("$x#", "A='$x#'"),
        ("it's", 'A="it\'s"'),
        ("'\n$\"\\", 'A="\'\\n\\$\\"\\\\"'),
        ("", "A="),
    ],
)
def test_dotenv_quotes_only_where_it_must(value: str, line: str) -> None:
    assert syntax.render(Change({"A": value}, ["B"]), "dotenv").splitlines()[-1] == line


def test_dotenv_says_that_loopback_is_not_reached_from_a_container() -> None:
    assert "keyfob env --keys" in syntax.render(Change({"A": "http://127.0.0.1:1/"}), "dotenv")
    assert "#" not in syntax.render(Change({"A": "x"}), "dotenv")


@pytest.mark.parametrize(
    ("shell", "form"),
    [("/bin/bash", "bash"), ("/usr/bin/zsh", "zsh"), ("/opt/fish", "fish"), ("/bin/pwsh", "powershell"),
     ("/bin/dash", "bash"), ("", "bash")],
)  # fmt: skip
def test_the_format_is_by_the_shell(shell: str, form: str) -> None:
    assert syntax.for_shell(shell) == form
