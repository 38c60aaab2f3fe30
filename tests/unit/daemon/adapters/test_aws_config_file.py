"""The person's config file, changed under the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyfob.aws_config import sso_sessions
from keyfobd.adapters.aws_config_file import AwsConfigFile

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "[sso-session corp]\nsso_start_url = https://d-1234567890.awsapps.com/start\nsso_region = eu-west-1\n"


@pytest.fixture
def file(tmp_path: Path) -> AwsConfigFile:
    (tmp_path / "config").write_text(GOOD)
    return AwsConfigFile(tmp_path / "config")


def test_it_is_read_when_it_changed_and_not_before(file: AwsConfigFile) -> None:
    assert file.refresh()
    assert set(sso_sessions(file.config)) == {"corp"}
    assert not file.refresh()
    file.path.write_text(GOOD + GOOD.replace("corp", "lab"))
    assert file.refresh()
    assert set(sso_sessions(file.config)) == {"corp", "lab"}


@pytest.mark.parametrize("broken", [b"[sso-session corp\nx", b"key = value\n", b"\xff\xfe[a]\n"])
def test_one_that_cannot_be_parsed_leaves_the_last_good_one_and_is_said(file: AwsConfigFile, broken: bytes) -> None:
    file.refresh()
    file.path.write_bytes(broken)
    assert not file.refresh()
    assert set(sso_sessions(file.config)) == {"corp"}
    assert file.problem is not None
    assert str(file.path) in file.problem.message
    file.path.write_text(GOOD)
    assert file.refresh()
    assert file.problem is None


def test_the_line_of_the_mistake_is_named(file: AwsConfigFile) -> None:
    file.path.write_text(GOOD + "nonsense\n")
    file.refresh()
    assert file.problem is not None
    assert "line 4" in file.problem.message


def test_one_that_vanishes_signs_nobody_out(file: AwsConfigFile) -> None:
    file.refresh()
    file.path.unlink()
    assert not file.refresh()
    assert set(sso_sessions(file.config)) == {"corp"}
    assert file.problem is not None
    assert "is gone" in file.problem.message


def test_one_that_never_was_is_no_problem_until_it_comes(tmp_path: Path) -> None:
    file = AwsConfigFile(tmp_path / "config")
    assert not file.refresh()
    assert file.missing
    assert file.problem is None
    file.path.write_text(GOOD)
    assert file.refresh()
    assert not file.missing


def test_a_file_that_cannot_be_opened_is_a_problem(tmp_path: Path) -> None:
    file = AwsConfigFile(tmp_path)
    assert not file.refresh()
    assert file.problem is not None


def test_a_file_in_a_place_that_cannot_be_entered_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    file = AwsConfigFile(tmp_path / "file" / "config")
    assert not file.refresh()
    assert file.problem is not None


def test_a_problem_is_logged_once(file: AwsConfigFile, caplog: pytest.LogCaptureFixture) -> None:
    file.refresh()
    file.path.unlink()
    file.refresh()
    file.refresh()
    assert len(caplog.records) == 1
