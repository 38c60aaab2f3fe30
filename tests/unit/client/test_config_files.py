"""Where the caller's files are, whatever stands in their place, and what becomes of files that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from keyfob import config_files, wire
from keyfob.config_files import CONFIG, CREDENTIALS
from keyfob.errors import ClientError
from support.fake_daemon import ENV

if TYPE_CHECKING:
    from support.machine import Machine

ANSWER = cast("wire.EnvAnswer", ENV)


@pytest.fixture(autouse=True)
def in_process(person: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is this very process."""
    for name, value in person.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(person.home)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, ".aws/config"), ("", ".aws/config"), ("~/mine", "mine"), ("$HOME/mine", "mine"), ("mine", "mine")],
)
def test_a_path_is_absolute_and_expanded_as_botocore_does(person: Machine, value: str | None, expected: str) -> None:
    environ = {} if value is None else {CONFIG: value}
    assert config_files.path_of(CONFIG, environ) == str(person.home / expected)
    assert config_files.path_of(CREDENTIALS, environ) == str(person.home / ".aws" / "credentials")


def hidden(environ: dict[str, str], region: str = "") -> dict[str, str]:
    """What is set where ``[default]`` would win."""
    found, why = config_files.keep_default_from_winning(ANSWER, environ, region=region, keep_config=False)
    assert "[default] in" in why
    return found


def test_behind_a_stand_in_is_what_it_replaced(person: Machine) -> None:
    person.config_file.write_text("[default]\nrole_arn = x\n", encoding="utf-8")
    stand_ins = hidden({})
    assert config_files.replaced(stand_ins) == {CONFIG: None, CREDENTIALS: None}
    assert config_files.path_of(CONFIG, stand_ins) == str(person.config_file)
    mine = hidden({CONFIG: str(person.config_file)})
    assert config_files.replaced(mine)[CONFIG] == str(person.config_file)


def test_shells_that_need_the_same_share_a_file_and_others_do_not(person: Machine) -> None:
    person.config_file.write_text("[default]\nrole_arn = x\n", encoding="utf-8")
    assert hidden({}) == hidden({})
    assert hidden({}, "eu-west-1")[CONFIG] != hidden({}, "eu-west-2")[CONFIG]
    assert hidden({}, "eu-west-1")[CREDENTIALS] == hidden({}, "eu-west-2")[CREDENTIALS]


def test_a_stand_in_that_is_gone_stood_for_the_usual_file(person: Machine) -> None:
    person.config_file.write_text("[default]\nrole_arn = x\n", encoding="utf-8")
    stand_ins = hidden({CONFIG: str(person.config_file)})
    Path(stand_ins[CONFIG]).unlink()
    assert config_files.path_of(CONFIG, stand_ins) == str(person.config_file)


def test_what_is_set_by_the_person_is_no_stand_in() -> None:
    assert config_files.replaced({CONFIG: "/mine", CREDENTIALS: wire.state_folder()}) == {}


def test_a_stand_in_that_cannot_be_written_is_said(person: Machine) -> None:
    person.config_file.write_text("[default]\nrole_arn = x\n", encoding="utf-8")
    folder = Path(wire.state_folder())
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way", encoding="utf-8")
    with pytest.raises(ClientError, match="cannot be written"):
        hidden({})


@pytest.mark.parametrize("path", [".", "missing", ".aws/config/below"])
def test_what_is_no_file_is_an_empty_one_as_to_botocore(path: str) -> None:
    assert not config_files.read(path).sections


def test_a_file_that_cannot_be_read_is_said(person: Machine) -> None:
    loop = person.home / "loop"
    loop.symlink_to(loop)
    with pytest.raises(ClientError, match="loop cannot be read: Too many levels of symbolic links"):
        config_files.read(str(loop))
