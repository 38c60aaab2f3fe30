"""Other processes: when one ends, and which of ours carry an endpoint token in their environment."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import select
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob import wire
from keyfobd.core.model import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = b"AWS_CONTAINER_AUTHORIZATION_TOKEN="
_TOKEN_FILE = b"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="
MOST_READS = 5000
"""Of one environment: some hundred milliseconds, where loading a program takes less than one."""
SURELY_EMPTY = 3
"""So many reads in a row that found none."""


def process_of(pid: int) -> Process | None:
    """The process that has ``pid`` now; None where there is none."""
    start_time = wire.process_start_time(pid)
    return Process(pid, start_time) if start_time or _exists(pid) else None


def is_alive(known: Process) -> bool:
    """Whether that very process is still there: a pid is used again, but not with the same start time."""
    return process_of(known.pid) == known


async def ended(known: Process) -> None:
    """Wait until a process is gone; return at once where it is gone already.

    Raises OSError where the system does not let us watch it (an old kernel, a sandbox).
    """
    try:
        with _watch(known.pid) as descriptor:
            # Asked after the watch began, lest it be the pid's next owner that is watched.
            if is_alive(known):
                await _readable(descriptor)
    except ProcessLookupError:
        return


def carriers(digest: bytes, token_file: Path, own_uid: int) -> tuple[Process, ...]:
    """Which processes of ours were started with a token in their environment: behind ``nohup``, in a tmux server, by a
    launcher that forked. The token is known by its SHA-256 and its file.

    Reads all of ``/proc``, some 20 µs a process: not for the event loop. None where there is no ``/proc``.
    """
    file_mark = _TOKEN_FILE + os.fsencode(token_file)
    found = (process_of(pid) for pid in _pids_of(own_uid) if _carries(_environment(pid), digest, file_mark))
    return tuple(process for process in found if process is not None)


@contextlib.contextmanager
def _watch(pid: int) -> Iterator[int]:
    """A descriptor that becomes readable when the process ends."""
    if sys.platform == "darwin":
        with contextlib.closing(select.kqueue()) as queue:
            event = select.kevent(
                pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD | select.KQ_EV_ONESHOT, select.KQ_NOTE_EXIT
            )
            queue.control([event], 0)
            yield queue.fileno()
    else:
        descriptor = os.pidfd_open(pid)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_reader(descriptor, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(descriptor)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True


def _pids_of(uid: int) -> Iterator[int]:
    with contextlib.suppress(OSError), os.scandir("/proc") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # gone since the folder was read
                if entry.name.isdecimal() and entry.stat().st_uid == uid:
                    yield int(entry.name)


def _environment(pid: int) -> list[bytes]:
    """What a process was started with. In the middle of execve it reads as empty, for as long as the new program takes
    to load: then it is read again, or a command's child would be missed just when it begins."""
    environ, stat = Path(f"/proc/{pid}/environ"), Path(f"/proc/{pid}/stat")
    seen_empty = 0
    try:
        for _ in range(MOST_READS):
            if read := environ.read_bytes():
                return read.split(b"\0")
            seen_empty = seen_empty + 1 if _has_none(stat.read_bytes()) else 0
            if seen_empty == SURELY_EMPTY:
                return []
            os.sched_yield()
    except OSError:  # gone, or not to be looked into (ssh-agent, a browser's sandbox)
        return []
    return []


def _has_none(stat: bytes) -> bool:
    """Whether an empty environment looks like one (proc(5), fields 23, 50, 51): no memory is a kernel thread or a
    zombie; else it begins where it ends. A program being loaded has no end of it yet, and then, for less than a
    microsecond, has it where it begins."""
    fields = stat.rpartition(b")")[2].split()
    size, begin, end = fields[20], fields[47], fields[48]
    return size == b"0" or begin == end != b"0"


def _carries(environment: list[bytes], digest: bytes, file_mark: bytes) -> bool:
    return any(
        entry == file_mark
        or (entry.startswith(_TOKEN) and hashlib.sha256(entry.removeprefix(_TOKEN)).digest() == digest)
        for entry in environment
    )
