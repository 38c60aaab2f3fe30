"""The state file over a real folder."""

from __future__ import annotations

import json
import logging
import stat
from typing import TYPE_CHECKING

import pytest

from keyfobd.adapters.state import MOST_ROLES, State, StateFile
from keyfobd.core.errors import StorageProblem
from keyfobd.core.model import ChainedRole, Role, SsoRole

if TYPE_CHECKING:
    from pathlib import Path

READER = SsoRole("corp", "111111111111", "Reader")
ADMIN = SsoRole("corp", "222222222222", "Admin")
CHAINED = ChainedRole("prod-deploy")


def test_what_is_stored_is_loaded(tmp_path: Path) -> None:
    state = State(5393, {READER: 1000.0, ADMIN: 2000.0, CHAINED: 1500.0})
    StateFile(tmp_path).store(state)
    assert StateFile(tmp_path).load() == state


def test_the_file_stays_small_and_keeps_what_was_used_last(tmp_path: Path) -> None:
    many: dict[Role, float] = {
        SsoRole("corp", f"{number:012}", "Reader"): float(number) for number in range(MOST_ROLES + 1)
    }
    StateFile(tmp_path).store(State(5393, many))
    kept = StateFile(tmp_path).load().roles
    assert len(kept) == MOST_ROLES
    assert min(kept.values()) == 1.0


def test_without_a_file_nothing_is_remembered(tmp_path: Path) -> None:
    assert StateFile(tmp_path).load() == State()


def test_the_file_is_ours_alone_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    file.store(State(5393))
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file.path]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"schema": 1}',
        b'{"schema": 1, "port": 99999, "roles": []}',
        b'{"schema": 1, "port": "5393", "roles": []}',
        b'{"schema": 1, "port": null, "roles": [{"session": "corp"}]}',
        b"\xff\xfe",
    ],
)
def test_a_file_that_cannot_be_understood_is_kept_aside_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    file = StateFile(tmp_path)
    file.path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert file.load() == State()
    assert (tmp_path / "state.json.unreadable").read_bytes() == content
    assert "state.json.unreadable" in caplog.text
    file.store(State(5393))
    assert StateFile(tmp_path).load().port == 5393


@pytest.mark.parametrize("rest", [{"port": 5393, "roles": []}, {"ports": [5393]}])
def test_a_newer_schema_is_never_written_over(tmp_path: Path, rest: dict[str, object]) -> None:
    file = StateFile(tmp_path)
    newer = json.dumps({"schema": 2, **rest})
    file.path.write_text(newer)
    file.load()
    file.store(State(6000))
    assert file.path.read_text() == newer


def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    file.store(State(5393, {READER: 1000.0}))
    before = file.path.stat().st_ino
    file.store(State(5393, {READER: 1000.0}))
    assert file.path.stat().st_ino == before


def test_a_folder_that_cannot_be_written_is_a_storage_problem(tmp_path: Path) -> None:
    with pytest.raises(StorageProblem, match=r"state\.json"):
        StateFile(tmp_path / "missing").store(State(5393))


def test_a_file_that_cannot_be_read_is_said_and_not_taken_for_broken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = StateFile(tmp_path)
    file.path.mkdir()
    assert file.load() == State()
    assert "cannot be read" in caplog.text
    assert file.path.is_dir()
