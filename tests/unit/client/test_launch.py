"""Starting, waking and stopping a daemon: real clients, and a stand-in for keyfobd that writes down what it sees."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keyfob import launch, wire
from keyfob.errors import NotUsable
from support.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.machine import Machine, Ran

STAND_IN = ROOT / "tests" / "support" / "stand_in_daemon.py"


class House:
    """A person's machine, where keyfob starts the stand-in."""

    def __init__(self, person: Machine, behaviour: str) -> None:
        self.person = person
        self.state = Path(wire.state_folder(person.environ))
        self.python = person.home / "python"
        self.become(behaviour)

    def become(self, behaviour: str) -> None:
        """What the next daemon does."""
        command = shlex.join([sys.executable, str(STAND_IN), behaviour])
        self.python.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        self.python.chmod(0o700)

    def command(self, *words: str) -> list[str]:
        """Keyfob as it is, but for which Python it starts a daemon with."""
        code = f"import sys; sys.executable = {str(self.python)!r}; from keyfob.__main__ import run; sys.exit(run())"
        return [sys.executable, "-c", code, *words]

    def keyfob(self, *words: str, **options: Any) -> Ran:
        return self.person.run(*self.command(*words), **options)

    def background(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        return self.person.popen(*self.command(*words), **piped, **options)

    @property
    def journal(self) -> list[str]:
        file = self.person.home / "journal"
        return file.read_text("utf-8").split() if file.exists() else []

    @property
    def given(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.person.home / "given").read_text("utf-8"))
        return found

    def fifo(self, name: str) -> Path:
        path = self.person.home / name
        os.mkfifo(path)
        return path

    def lock_is_free(self) -> bool:
        with (self.state / wire.LOCK_FILE).open("r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True


@pytest.fixture
def house(person: Machine) -> House:
    return House(person, "lives")


def ended(client: subprocess.Popen[str]) -> int:
    """How it ends, when it does."""
    with client:
        client.communicate(timeout=30)
    return client.returncode


@contextmanager
def ignored(number: signal.Signals) -> Iterator[None]:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_start_returns_when_the_daemon_says_that_it_is_ready(house: House) -> None:
    ran = house.keyfob("start")
    daemon = house.person.daemon()
    assert daemon is not None
    assert (ran.status, ran.out, ran.err) == (0, "", f"keyfobd started: pid {daemon['pid']}, http://127.0.0.1:5393\n")


def test_a_second_start_finds_the_first(house: House) -> None:
    house.keyfob("start")
    ran = house.keyfob("start")
    assert ran.status == 0
    assert ran.err.startswith("keyfobd is running: pid ")
    assert house.journal == ["start"]


def test_of_many_clients_at_once_one_starts_it(house: House) -> None:
    clients = [house.background("start") for _ in range(4)]
    assert [ended(client) for client in clients] == [0] * 4
    assert house.journal == ["start"]


def test_the_daemon_inherits_nothing_of_the_shell(house: House) -> None:
    own = {"AWS_PROFILE": "missing", "AWS_ENDPOINT_URL": "http://x", "PYTHONPATH": "/x", "KEYFOB_ROLE": "x",
           "AWS_CONFIG_FILE": "mine", "AWS_CA_BUNDLE": "/ca"}  # fmt: skip
    with ignored(signal.SIGHUP):  # as under nohup
        assert house.keyfob("start", env=own).status == 0
    given = house.given
    names = set(given["environ"])
    assert not names & {"AWS_PROFILE", "AWS_ENDPOINT_URL", "PYTHONPATH", "KEYFOB_ROLE"}
    assert given["environ"]["AWS_CONFIG_FILE"] == str(house.person.home / "mine")
    assert given["environ"]["AWS_CA_BUNDLE"] == "/ca"
    assert (given["cwd"], given["umask"], given["stdin"], given["ignored"]) == ("/", 0o077, "/dev/null", False)
    assert given["stdout"] == str(house.state / wire.LOG_FILE)
    assert given["argv"][:3] == ["-P", "-m", "keyfobd"]  # -P: no module from whatever folder one stands in


def test_the_daemon_is_nobodys_child_and_in_no_terminals_session(house: House) -> None:
    with house.background("start") as client:
        client.communicate(timeout=30)
    assert house.given["parent"] not in (client.pid, os.getpid())
    assert house.given["own_session"]


def test_files_are_for_nobody_else(house: House) -> None:
    house.keyfob("start")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (house.state, *house.state.iterdir())}
    assert {mode for name, mode in modes.items() if name in (wire.LOG_FILE, wire.START_LOCK_FILE)} == {0o600}
    assert modes[house.state.name] == 0o700


@pytest.mark.parametrize("behaviour", ["crashes", "babbles"])
def test_a_daemon_that_ends_before_it_is_ready_is_said_to(house: House, behaviour: str) -> None:
    house.become(behaviour)
    ran = house.keyfob("start")
    assert (ran.status, ran.out) == (6, "")
    assert ran.err == f"keyfob: keyfobd ended before it was ready. Its log says why: {house.state / wire.LOG_FILE}\n"


def test_a_daemon_that_cannot_start_says_why_itself(house: House) -> None:
    house.become("refuses")
    ran = house.keyfob("login")
    assert (ran.status, ran.err) == (6, "keyfob: Port 5393 is taken by nginx. Set another.\n")


def test_a_python_that_is_gone_is_said(house: House) -> None:
    house.python.unlink()
    ran = house.keyfob("start")
    assert (ran.status, ran.err) == (6, "keyfob: keyfobd cannot be started: No such file or directory.\n")


def test_ctrl_c_takes_the_half_started_daemon_with_it(house: House) -> None:
    house.become("never-ready")
    starting = house.fifo("starting")
    with house.background("start") as client:
        assert starting.read_text("utf-8") == "x"
        client.send_signal(signal.SIGINT)
        out, err = client.communicate(timeout=30)
    assert (client.returncode, out, err) == (130, "", "")
    assert house.journal == ["start", "SIGTERM", "end"]


def test_stop_returns_when_the_process_has_ended(house: House) -> None:
    house.keyfob("start")
    ran = house.keyfob("stop")
    assert (ran.status, ran.err) == (0, "keyfobd stopped.\n")
    assert house.journal == ["start", "end"]
    assert house.lock_is_free()


def test_stop_without_a_daemon_says_so(house: House) -> None:
    ran = house.keyfob("stop")
    assert (ran.status, ran.err) == (6, "keyfob: keyfobd is not running. Run: keyfob start\n")


def test_stop_ends_a_daemon_that_nobody_can_talk_with(house: House) -> None:
    house.keyfob("start")
    Path(json.loads((house.state / wire.DAEMON_FILE).read_text("utf-8"))["control"]).unlink()
    assert house.keyfob("stop").status == 0
    assert house.journal == ["start", "SIGTERM", "end"]


def test_a_start_during_a_stop_waits_for_its_end(house: House) -> None:
    house.become("lingers")
    linger = house.fifo("linger")
    house.keyfob("start")
    house.become("lives")
    stop = house.background("stop")
    with linger.open("wb"):  # opens only once the daemon is on its last step, which ends with this block
        start = house.background("start")
    assert [ended(stop), ended(start)] == [0, 0]
    assert house.journal == ["start", "lingering", "end", "start"]


def test_a_client_that_comes_before_the_end_of_a_daemon_waits_for_it(house: House) -> None:
    """Told to stop by somebody else, with no client that holds the start lock."""
    house.become("lingers")
    linger = house.fifo("linger")
    house.keyfob("start")
    house.become("lives")
    tell = f"from keyfob import ask, wire; ask.ask({wire.STOP!r}, {{}})"
    house.person.run(sys.executable, "-c", tell)
    with linger.open("wb"):
        start = house.background("start")
    assert ended(start) == 0
    assert house.journal == ["start", "lingering", "end", "start"]


def test_restart_starts_a_new_one(house: House) -> None:
    house.keyfob("start")
    assert house.keyfob("restart").status == 0
    assert house.journal == ["start", "end", "start"]


def test_restart_starts_one_where_none_runs(house: House) -> None:
    ran = house.keyfob("restart")
    assert ran.status == 0
    assert ran.err.startswith("keyfobd was not running.\nkeyfobd started: ")


@pytest.mark.parametrize("folder", [False, True], ids=["the name", "the whole folder"])
def test_a_daemon_whose_socket_has_vanished_is_woken(house: House, folder: bool) -> None:
    house.keyfob("start")
    daemon = house.person.daemon()
    assert daemon is not None
    control = Path(daemon["control"])
    control.unlink()
    if folder:
        control.parent.rmdir()
    ran = house.keyfob("version")
    assert (ran.status, ran.out, ran.err) == (0, "keyfob 0.1.0\n", "")
    assert house.journal == ["start", "SIGHUP"]


def test_a_crashed_daemon_does_not_hinder_the_next(house: House) -> None:
    house.keyfob("start")
    daemon = house.person.daemon()
    assert daemon is not None
    descriptor = os.pidfd_open(daemon["pid"])
    os.kill(daemon["pid"], signal.SIGKILL)
    os.set_blocking(descriptor, True)
    assert house.keyfob("status").status == 6
    os.close(descriptor)
    assert house.keyfob("start").status == 0
    assert house.journal == ["start", "start"]


@pytest.mark.parametrize("command", [["login"], ["list"], ["env", "x"], ["exec", "x", "--", "true"]])
def test_no_start_starts_nothing(house: House, command: list[str]) -> None:
    ran = house.keyfob(command[0], "--no-start", *command[1:])
    assert ran.status == (125 if command[0] == "exec" else 6)
    assert "keyfobd is not running. Run: keyfob start" in ran.err
    assert house.journal == []


@pytest.mark.parametrize("command", [["status"], ["status", "--check"], ["logout"], ["token", "list"], ["version"]])
def test_these_commands_start_nothing(house: House, command: list[str]) -> None:
    ran = house.keyfob(*command)
    assert ran.status == (0 if command == ["version"] else 6)
    assert house.journal == []


def test_a_state_folder_that_cannot_be_made_is_said(house: House) -> None:
    house.state.parent.parent.mkdir(parents=True)
    house.state.parent.write_text("in the way", encoding="utf-8")
    ran = house.keyfob("start")
    assert ran.status == 6
    assert ran.err.startswith(f"keyfob: The folder {house.state} cannot be made: ")
    assert ran.err.endswith("Set XDG_STATE_HOME to a folder that can be written, then run: keyfob start\n")
    assert ran.err.count("\n") == 1


# --- a lock that somebody holds, and nobody answers ---------------------------------------------------------------


@pytest.fixture
def held(person: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder whose lock is held, and this very process as a client with little patience."""
    for name, value in person.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(launch, "_PATIENCE", 0)
    folder = Path(wire.state_folder())
    folder.mkdir(mode=0o700, parents=True)
    with (folder / wire.LOCK_FILE).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


@pytest.fixture
def stubborn(held: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that the lock names, and that does not end when it is told to."""
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); input()"
    piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], text=True, **piped) as process:  # type: ignore[call-overload]  # plain options
        assert process.stdout.readline() == "ready\n"
        (held / wire.LOCK_FILE).write_text(str(process.pid), encoding="utf-8")
        yield process
        process.stdin.close()


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("start", [False, True])
def test_a_daemon_that_never_answers_is_not_started_again(start: bool) -> None:
    with pytest.raises(NotUsable, match="keyfobd is running but does not answer") as caught:
        launch.bring_up(start=start)
    assert caught.value.hint == "Run: keyfob restart"


def test_the_process_that_does_not_answer_is_named(stubborn: subprocess.Popen[str]) -> None:
    with pytest.raises(NotUsable, match=rf"keyfobd \(pid {stubborn.pid}\) is running"):
        launch.bring_up()


def test_a_daemon_that_does_not_end_is_said_to(stubborn: subprocess.Popen[str]) -> None:
    assert stubborn.poll() is None
    with pytest.raises(NotUsable, match="was told to stop and has not ended yet"):
        launch.stop()


@pytest.mark.usefixtures("held")
def test_a_process_that_nothing_names_is_left_alone() -> None:
    with pytest.raises(NotUsable, match="nothing tells which process"):
        launch.stop()


def test_a_lock_that_is_a_link_is_not_followed(held: Path) -> None:
    (held / wire.START_LOCK_FILE).symlink_to(held / "elsewhere")
    with pytest.raises(NotUsable, match=r"start\.lock cannot be opened"):
        launch.bring_up()


def test_without_pidfd_the_lock_tells_of_the_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_pid: int) -> int:
        raise OSError(38, "Function not implemented")

    house.keyfob("start")
    for name, value in house.person.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "pidfd_open", missing)
    launch.stop()
    assert house.journal == ["start", "end"]
