"""keyfob's folders: where they are, and that nobody else can get at them."""

from __future__ import annotations

import os
import stat
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from platformdirs import PlatformDirs

from keyfob import wire
from keyfobd.adapters.folders import LONGEST_SOCKET_PATH, Folders, check, prepare, standard_folders
from keyfobd.core.errors import StartProblem


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(
        config=tmp_path / "config" / "keyfob",
        state=tmp_path / "state" / "keyfob" / "machine",
        runtime=tmp_path / "run" / "keyfob" / "1a2b3c4d",
        log=tmp_path / "state" / "keyfob" / "machine",
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_that_are_not_there_are_made_for_the_owner_alone(folders: Folders) -> None:
    before = os.umask(0)
    try:
        prepare(folders)
    finally:
        os.umask(before)
    made = (folders.state, folders.state.parent, folders.runtime, folders.runtime.parent, folders.log)
    assert [mode(folder) for folder in made] == [0o700] * 5
    assert not folders.config.exists()  # nothing to put there


def test_preparing_twice_changes_nothing(folders: Folders) -> None:
    prepare(folders)
    prepare(folders)


@pytest.mark.parametrize("which", ["state", "runtime", "runtime's parent"])
def test_a_folder_that_others_can_enter_is_refused_with_the_cure(folders: Folders, which: str) -> None:
    folder = {"state": folders.state, "runtime": folders.runtime}.get(which, folders.runtime.parent)
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)
    folder.chmod(0o755)
    with pytest.raises(StartProblem) as caught:
        prepare(folders)
    assert caught.value.message == f"The folder {folder} is open to other users (mode 0755)."
    assert caught.value.hint == f"Run: chmod 700 {folder}"


def test_a_config_folder_may_be_read_by_others_and_not_be_written(folders: Folders) -> None:
    folders.config.mkdir(parents=True)
    folders.config.chmod(0o755)
    prepare(folders)
    folders.config.chmod(0o775)
    with pytest.raises(StartProblem, match="open to other users"):
        prepare(folders)


def test_a_symbolic_link_is_no_folder_of_ours(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folders.runtime.parent.mkdir(parents=True, mode=0o700)
    folders.runtime.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartProblem, match=f"The folder {folders.runtime} is a symbolic link."):
        prepare(folders)


def test_a_file_in_a_folder_s_place_is_told(folders: Folders) -> None:
    folders.runtime.parent.mkdir(parents=True, mode=0o700)
    folders.runtime.write_text("")
    with pytest.raises(StartProblem, match=f"{folders.runtime} cannot be made: File exists"):
        prepare(folders)


def test_a_parent_that_cannot_be_written_is_told(folders: Folders) -> None:
    folders.runtime.parent.parent.write_text("")
    with pytest.raises(StartProblem, match=r"cannot be made: (File exists|Not a directory)") as caught:
        prepare(folders)
    assert caught.value.hint == "Set XDG_RUNTIME_DIR to a folder that can be written, then run: keyfob start"


def test_a_state_folder_that_cannot_be_made_names_the_variable_that_moves_it(folders: Folders) -> None:
    folders.state.parent.parent.write_text("")
    with pytest.raises(StartProblem, match="cannot be made") as caught:
        prepare(folders)
    assert caught.value.hint == "Set XDG_STATE_HOME to a folder that can be written, then run: keyfob start"


def test_a_folder_of_another_user_is_refused(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(folders)
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 12345)
    with pytest.raises(StartProblem, match=rf"belongs to .*uid {own}.*, not to uid {own + 12345}"):
        check(folders.state, forbidden=0o077)


def test_a_parent_in_which_anybody_can_replace_the_folder_is_refused(folders: Folders) -> None:
    prepare(folders)
    folders.runtime.parent.parent.chmod(0o777)
    with pytest.raises(StartProblem, match="anybody can replace keyfob"):
        prepare(folders)
    folders.runtime.parent.parent.chmod(0o1777)  # as /tmp is
    prepare(folders)


def test_a_socket_path_that_no_kernel_takes_is_told_before_anything_is_made(folders: Folders, tmp_path: Path) -> None:
    room = LONGEST_SOCKET_PATH - len(os.fsencode(tmp_path)) - len("//control.sock")
    tmp_path.chmod(0o700)  # it is the folder above, which is ours alone as well
    longest = replace(folders, runtime=tmp_path / ("x" * room))
    assert len(os.fsencode(longest.control_socket)) == LONGEST_SOCKET_PATH
    prepare(longest)
    too_long = replace(folders, runtime=tmp_path / ("y" * (room + 1)))
    with pytest.raises(StartProblem) as caught:
        prepare(too_long)
    assert f"is {LONGEST_SOCKET_PATH + 1} bytes long; {LONGEST_SOCKET_PATH} may be" in caught.value.message
    assert "XDG_RUNTIME_DIR" in caught.value.hint
    assert not too_long.runtime.exists()


ENVIRONMENTS: list[dict[str, str]] = [
    {},
    {"XDG_STATE_HOME": "/somewhere/state"},
    {"XDG_STATE_HOME": ""},
    {"XDG_STATE_HOME": "  "},
    {"XDG_STATE_HOME": "relative/state"},
    {"XDG_STATE_HOME": "~/state"},
    {"XDG_STATE_HOME": " /somewhere/state "},
    {"XDG_STATE_HOME": "/somewhere/state/"},
    {"HOME": "/home/somebody"},
    {"HOME": "/home/somebody", "XDG_STATE_HOME": "/var/lib/somebody"},
]


@pytest.mark.parametrize("environ", ENVIRONMENTS)
def test_wire_finds_the_state_folder_where_platformdirs_does(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert Path(wire.state_folder()).parent == Path(PlatformDirs("keyfob", appauthor=False).user_state_dir)
    assert standard_folders().state == Path(wire.state_folder())


def test_without_xdg_runtime_dir_there_is_a_folder_still_and_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert standard_folders().runtime.parent.name == "keyfob"
    assert caught == []


@pytest.mark.skipif(Path(f"/run/user/{os.getuid()}").exists(), reason="the person's own would be used")
def test_a_temporary_folder_that_was_put_there_for_us_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"runtime-{os.getuid()}").symlink_to("/nonexistent")
    with pytest.raises(StartProblem, match="no safe folder for sockets") as caught:
        standard_folders()
    assert "XDG_RUNTIME_DIR" in caught.value.hint


def test_each_state_folder_has_a_runtime_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    runtime = []
    for home in ("/home/one", "/home/two", "/home/one"):
        monkeypatch.setenv("XDG_STATE_HOME", home)
        runtime.append(standard_folders().runtime)
    first, second, again = runtime
    assert first == again != second
    assert len(first.name) == 8  # a socket's path has little room
