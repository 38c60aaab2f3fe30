"""A program in ``keyfobd``'s place: it does what a client sees of a daemon's life, and writes down what it was given.

Run with a behaviour as its first word; all that a client adds comes after it.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

from keyfob import wire

STATE = Path(wire.state_folder())
CONTROL = Path(os.environ["XDG_RUNTIME_DIR"]) / "stand-in" / wire.CONTROL_SOCKET


def note(word: str) -> None:
    """A line in a journal that the test reads."""
    with (Path.home() / "journal").open("a", encoding="utf-8") as journal:
        journal.write(f"{word}\n")


def given() -> dict[str, object]:
    """What a daemon inherits."""
    umask = os.umask(0o077)
    return {
        "argv": sys.argv[2:],
        "environ": dict(os.environ),
        "cwd": str(Path.cwd()),
        "umask": umask,
        "stdin": str(Path("/proc/self/fd/0").readlink()),
        "stdout": str(Path("/proc/self/fd/1").readlink()),
        "own_session": os.getsid(0) != os.getsid(os.getppid()) or os.getppid() == 1,
        "parent": os.getppid(),
        "ignored": signal.getsignal(signal.SIGHUP) is signal.SIG_IGN,
    }


def listener() -> socket.socket:
    CONTROL.parent.mkdir(mode=0o700, exist_ok=True)
    CONTROL.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(CONTROL))
    bound.listen()
    return bound


def announce() -> wire.DaemonFile:
    """``daemon.json``, in one step as the real one."""
    found: wire.DaemonFile = {
        "pid": os.getpid(),
        "start_time": wire.process_start_time(os.getpid()),
        "control": str(CONTROL),
        "port": 5393,
        "version": "0.1.0",
        "protocol": wire.PROTOCOL,
        "config_file": "/nowhere",
    }
    fresh = STATE / "daemon.json.new"
    fresh.write_text(json.dumps(found), encoding="utf-8")
    fresh.replace(STATE / wire.DAEMON_FILE)
    return found


def answered(control: socket.socket) -> str:
    """Answers one request; its route."""
    connection, _ = control.accept()
    with connection, connection.makefile("rb") as reader:
        words = reader.readline().split()
        if not words:  # somebody looked whether we are there
            return ""
        body = json.dumps({"version": "0.1.0", "protocol": wire.PROTOCOL, "pid": os.getpid()}).encode()
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + body)
        return words[1].decode()


def live(ready: int, *, lingers: bool) -> None:
    """From the lock to the end."""
    lock = os.open(STATE / wire.LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    waking, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    control = listener()
    os.write(ready, json.dumps({"ready": announce()}).encode() + b"\n")
    os.close(ready)
    while True:
        readable, _, _ = select.select([control.fileno(), waking], [], [])
        if waking in readable:
            number = signal.Signals(os.read(waking, 1)[0])
            note(number.name)
            if number is signal.SIGTERM:
                return
            control.close()
            control = listener()
            announce()
        elif answered(control) == wire.STOP:
            break
    CONTROL.unlink()
    (STATE / wire.DAEMON_FILE).unlink()
    if lingers:
        note("lingering")
        (Path.home() / "linger").read_bytes()  # a FIFO: until the test opens its other end


def main() -> NoReturn:
    behaviour = sys.argv[1]
    ready = int(sys.argv[sys.argv.index("--ready-fd") + 1])
    note("start")
    (Path.home() / "given").write_text(json.dumps(given()), encoding="utf-8")
    match behaviour:
        case "crashes":
            os._exit(1)
        case "babbles":
            os.write(ready, b"Hello!\n")
        case "refuses":
            error = {"code": "start", "message": "Port 5393 is taken by nginx.", "hint": "Set another.", "exit": 6}
            os.write(ready, json.dumps({"error": error}).encode() + b"\n")
        case "never-ready":
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
            with (Path.home() / "starting").open("w", encoding="utf-8") as told:
                told.write("x")
            note(signal.Signals(signal.sigwait([signal.SIGTERM, signal.SIGINT])).name)
        case _:
            live(ready, lingers=behaviour == "lingers")
    note("end")
    os._exit(0)


if __name__ == "__main__":
    main()
