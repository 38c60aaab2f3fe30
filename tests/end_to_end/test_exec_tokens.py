"""How long an exec token lives, with real processes: as long as its command, and those it handed its environment to."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from support.machine import PATIENCE, Machine, machine
from support.person import DIRECT

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="environments of other processes are read in /proc")

TARGET = "ReadOnly@222222222222"
TELL = 'echo "$AWS_CONTAINER_CREDENTIALS_FULL_URI $AWS_CONTAINER_AUTHORIZATION_TOKEN"'
MANY = 10_000
"""Looks at something that is about to change; each takes a request or a process, so they end long after it has."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Machine]:
    """A machine where somebody has signed in."""
    with machine() as one:
        one.simulate()
        assert one.sign_in().status == 0
        yield one


@contextlib.contextmanager
def command(stage: Machine, script: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A command under ``keyfob exec`` that goes on until its stdin is closed, and the words of its first line."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with stage.popen("keyfob", "exec", TARGET, "--", "sh", "-c", script, **pipes) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()
        finally:
            process.kill()


def answered(url: str, token: str) -> int:
    """The status of one request with a token."""
    request = urllib.request.Request(url, headers={"Authorization": token})
    try:
        with DIRECT.open(request, timeout=PATIENCE) as answer:
            assert json.load(answer)["AccessKeyId"]
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def is_revoked(url: str, token: str) -> bool:
    return any(answered(url, token) == 401 for _ in range(MANY))


def kill(pid: int) -> None:
    """Returns when it is dead, which is a little after the signal."""
    gone = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([gone], [], [], PATIENCE)[0]
    os.close(gone)


def token_files(stage: Machine) -> list[str]:
    return [path.name for path in (stage.home / "run" / "keyfob").glob("*/exec/*")]


def test_a_token_ends_with_its_command(stage: Machine) -> None:
    with command(stage, f"{TELL}; read end") as (process, (url, token)):
        assert answered(url, token) == 200
        process.communicate("end\n")
        assert is_revoked(url, token)
        assert any(not token_files(stage) for _ in range(MANY))


def test_a_token_ends_when_its_command_is_killed(stage: Machine) -> None:
    with command(stage, f"{TELL}; read end") as (process, (url, token)):
        assert answered(url, token) == 200
        process.kill()
        assert is_revoked(url, token)


def test_a_token_goes_on_with_what_the_command_left_behind(stage: Machine) -> None:
    with command(stage, f"sleep {PATIENCE * 10} >/dev/null & echo $! $({TELL})") as (process, (child, url, token)):
        process.wait(PATIENCE)
        assert all(answered(url, token) == 200 for _ in range(50))
        os.kill(int(child), signal.SIGKILL)
        assert is_revoked(url, token)


def test_a_token_lives_through_a_crash_of_the_daemon_and_ends_with_its_command_all_the_same(stage: Machine) -> None:
    with command(stage, f"{TELL}; read end") as (process, (url, token)):
        daemon = stage.daemon()
        assert daemon is not None
        kill(daemon["pid"])
        assert stage.run("keyfob", "start").status == 0
        assert answered(url, token) == 200
        process.communicate("end\n")
        assert is_revoked(url, token)


def test_a_token_whose_command_ended_while_there_was_no_daemon_is_revoked_by_the_next(stage: Machine) -> None:
    with command(stage, f"{TELL}; read end") as (process, (url, token)):
        daemon = stage.daemon()
        assert daemon is not None
        kill(daemon["pid"])
        process.communicate("end\n")
        assert stage.run("keyfob", "start").status == 0
        assert is_revoked(url, token)


def test_a_token_that_is_kept_outlives_its_command(stage: Machine) -> None:
    ran = stage.run("keyfob", "exec", TARGET, "--keep", "8h", "--", "sh", "-c", TELL)
    url, token = ran.out.split()
    assert all(answered(url, token) == 200 for _ in range(50))
