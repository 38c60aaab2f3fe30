"""Other processes: real ones, that end when the test says so."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyfobd.adapters.process_watch import carriers, ended, is_alive, process_of
from keyfobd.core.model import Process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEXT = "kfb_" + "E" * 43
DIGEST = hashlib.sha256(TEXT.encode()).digest()
FILE = Path("/run/nowhere/exec/abcd")
linux = pytest.mark.skipif(sys.platform != "linux", reason="environments are read in /proc")


@contextlib.contextmanager
def child(environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends when its standard input is closed."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, env={**os.environ, **(environment or {})}) as started:
        yield started
        assert started.stdin is not None
        started.stdin.close()


def found(one: subprocess.Popen[bytes]) -> Process:
    process = process_of(one.pid)
    assert process is not None
    return process


def open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_a_process_is_its_pid_and_its_start() -> None:
    with child() as one:
        process = found(one)
        assert process.pid == one.pid
        assert is_alive(process)
    assert not is_alive(process)
    assert process_of(one.pid) is None


@linux
def test_the_next_owner_of_a_pid_is_another_process() -> None:
    assert not is_alive(Process(os.getpid(), "1"))


async def test_the_end_of_a_process_is_noticed() -> None:
    with child() as one:
        waiting = asyncio.create_task(ended(found(one)))
        await asyncio.sleep(0)
        assert not waiting.done()
        assert one.stdin is not None
        one.stdin.close()
        async with asyncio.timeout(5):
            await waiting


async def test_a_process_that_was_killed_has_ended_too() -> None:
    with child() as one:
        waiting = asyncio.create_task(ended(found(one)))
        await asyncio.sleep(0)
        one.kill()
        async with asyncio.timeout(5):
            await waiting


async def test_a_process_that_is_gone_already_is_not_waited_for() -> None:
    with child() as one:
        process = found(one)
    async with asyncio.timeout(5):
        await ended(process)


@linux
async def test_the_next_owner_of_a_pid_is_not_waited_for() -> None:
    async with asyncio.timeout(5):
        await ended(Process(os.getpid(), "1"))


async def test_who_stops_waiting_leaves_no_descriptor_behind() -> None:
    with child() as one:
        before = open_descriptors()
        waiting = asyncio.create_task(ended(found(one)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert open_descriptors() == before


@linux
@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN": TEXT},
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(FILE)},
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "other", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(FILE)},
    ],
)
def test_who_carries_a_token_is_found(environment: dict[str, str]) -> None:
    with child(environment) as heir, child():
        assert carriers(DIGEST, FILE, os.getuid()) == (found(heir),)


@linux
@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN": TEXT + "x"},
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{FILE}x"},
        {"X_AWS_CONTAINER_AUTHORIZATION_TOKEN": TEXT},
    ],
)
def test_who_carries_another_token_is_not_found(environment: dict[str, str]) -> None:
    with child(environment):
        assert carriers(DIGEST, FILE, os.getuid()) == ()


@linux
def test_who_is_just_becoming_another_program_is_found(tmp_path: Path) -> None:
    """Its environment reads as empty in the middle of execve; this one is there most of its time."""
    restless = tmp_path / "restless"
    restless.write_text('#!/bin/sh\nexec "$0"\n', encoding="utf-8")
    restless.chmod(0o700)
    environment = {**os.environ, "AWS_CONTAINER_AUTHORIZATION_TOKEN": TEXT}
    with subprocess.Popen([restless], env=environment) as one:
        try:
            looks = [carriers(DIGEST, FILE, os.getuid()) for _ in range(100)]
        finally:
            one.kill()
    assert {tuple(process.pid for process in look) for look in looks} == {(one.pid,)}


@linux
def test_who_has_no_environment_or_no_memory_is_no_puzzle() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, env={}) as bare:
        assert carriers(DIGEST, FILE, os.getuid()) == ()
        assert bare.stdin is not None
        bare.stdin.close()
        os.waitid(os.P_PID, bare.pid, os.WEXITED | os.WNOWAIT)  # a zombie from here on
        assert carriers(DIGEST, FILE, os.getuid()) == ()


@linux
def test_other_users_processes_are_none_of_ours() -> None:
    with child({"AWS_CONTAINER_AUTHORIZATION_TOKEN": TEXT}):
        assert carriers(DIGEST, FILE, os.getuid() + 1) == ()
