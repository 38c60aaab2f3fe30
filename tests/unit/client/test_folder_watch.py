"""A wait ends when a name comes or goes in a folder, and not before."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from keyfob.folder_watch import FolderWatch

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_happens_and_the_time_is_up(tmp_path: Path) -> None:
    with FolderWatch([str(tmp_path)]) as watch:
        assert not watch.wait([], 0)


@pytest.mark.parametrize("change", ["create", "rename", "delete"])
def test_a_change_since_the_beginning_ends_the_wait(tmp_path: Path, change: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "there").touch()
    with FolderWatch([str(tmp_path), str(other)]) as watch:
        match change:
            case "create":
                (other / "new").touch()
            case "rename":
                (other / "there").replace(other / "new")
            case _:
                (other / "there").unlink()
        assert watch.wait([], 30)


def test_another_descriptor_ends_it_as_well(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(writer)
    with FolderWatch([str(tmp_path)]) as watch:
        assert watch.wait([reader], 30)
    os.close(reader)


def test_a_folder_that_cannot_be_opened_is_not_watched(tmp_path: Path) -> None:
    with FolderWatch([str(tmp_path / "missing"), str(tmp_path)]) as watch:
        (tmp_path / "new").touch()
        assert watch.wait([], 30)


def test_the_signal_is_what_it_was_before(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGIO)
    with FolderWatch([str(tmp_path)]):
        assert signal.getsignal(signal.SIGIO) is not before
    assert signal.getsignal(signal.SIGIO) is before
