"""The lock that makes the daemon one, over a real folder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from keyfob import wire
from keyfobd.adapters.instance import Instance, _refusal
from keyfobd.core.errors import StartProblem

if TYPE_CHECKING:
    from pathlib import Path

FOUND_AT: wire.DaemonFile = {
    "pid": 4711,
    "start_time": "99",
    "control": "/run/user/1000/keyfob/control.sock",
    "port": 5393,
    "version": "0.1.0",
    "protocol": wire.PROTOCOL,
    "config_file": "/home/me/.aws/config",
}


def test_a_second_one_is_refused_and_told_the_pid_of_the_first(tmp_path: Path) -> None:
    first = Instance(tmp_path)
    with pytest.raises(StartProblem, match=rf"already running \(pid {os.getpid()}\)"):
        Instance(tmp_path)
    first.release()
    Instance(tmp_path).release()


def test_the_kernel_gives_the_lock_back_when_its_holder_is_killed(tmp_path: Path) -> None:
    code = (
        f"import sys, pathlib\nfrom keyfobd.adapters.instance import Instance\n"
        f"Instance(pathlib.Path({str(tmp_path)!r}))\nprint('held', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StartProblem, match=f"pid {holder.pid}"):
            Instance(tmp_path)
        holder.kill()
    Instance(tmp_path).release()


def test_clients_find_the_daemon_by_its_file_until_it_is_withdrawn(tmp_path: Path) -> None:
    instance = Instance(tmp_path)
    instance.announce(FOUND_AT)
    assert wire.read_daemon_file(str(tmp_path)) == FOUND_AT
    instance.withdraw()
    instance.withdraw()
    assert wire.read_daemon_file(str(tmp_path)) is None
    instance.release()


def test_a_folder_without_a_place_for_the_lock_is_a_start_problem(tmp_path: Path) -> None:
    with pytest.raises(StartProblem, match=r"daemon\.lock cannot be opened"):
        Instance(tmp_path / "missing")


def test_a_folder_whose_disk_knows_no_locks_is_said(tmp_path: Path) -> None:
    refusal = _refusal(tmp_path / "daemon.lock", OSError(errno.ENOLCK, "No locks available"), "")
    assert "No locks available" in refusal.message
    assert "XDG_STATE_HOME" in refusal.hint
