"""A machine to try keyfob on: a HOME of its own, IAM Identity Center simulated beside it, and every command run as a
real process in an environment that holds nothing of ours. The end-to-end tests, the demo and the benchmarks share it.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from identity_center_simulator import EXAMPLE
from keyfob import wire
from support.coverage_in_children import carry_coverage_into
from support.person import press
from support.simulator import SimulatorProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
PATIENCE = 30
"""Seconds after which a command counts as hung. Nothing here comes near it."""

CONFIG = """\
[sso-session work]
sso_start_url = https://d-1234567890.awsapps.com/start
sso_region = us-east-1
sso_registration_scopes = sso:account:access
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


class Machine:
    """One person's machine. ``environ`` is all that a shell of theirs has."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environ = fresh_environment(home)
        self.simulator: SimulatorProcess | None = None
        self.config_file = home / ".aws" / "config"
        self.config_file.parent.mkdir()
        self.config_file.write_text(CONFIG, encoding="utf-8")
        carry_coverage_into(home)

    def simulate(self, scenario: str = EXAMPLE) -> SimulatorProcess:
        """Start Identity Center; every command from here on is pointed at it. ``scenario`` is TOML."""
        self.simulator = SimulatorProcess(scenario_text=scenario).__enter__()  # until ``close``
        self.environ |= self.simulator.exports
        return self.simulator

    def popen(self, *command: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Start a command; keyfob's own are found beside this Python, and so is ``aws``."""
        environ = self.environ | options.pop("env", {})
        return subprocess.Popen(command, env=environ, text=True, cwd=self.home, **options)

    def run(self, *command: str | Path, timeout: float = PATIENCE, **options: Any) -> Ran:
        """Run a command to its end, without a terminal."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        with self.popen(*command, **options) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except BaseException:
                process.kill()
                raise
        return Ran(process.returncode, out, err)

    def sign_in(self, *words: str) -> Ran:
        """``keyfob login``, with somebody who presses Allow on the page that it shows."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self.popen("keyfob", "login", "--no-browser", *words, **pipes) as login:
            assert login.stderr is not None
            said = ""
            try:
                for line in login.stderr:
                    said += line
                    if address := re.search(r"http://\S+", line):
                        press(address[0])
                out, _ = login.communicate(timeout=PATIENCE)
            except BaseException:
                login.kill()
                raise
        return Ran(login.returncode, out, said)

    def daemon(self) -> wire.DaemonFile | None:
        """What the daemon wrote of itself."""
        return wire.read_daemon_file(wire.state_folder(self.environ))

    def close(self) -> None:
        """End what was started, by its own handle: the daemon by its control socket, else by pid and start time."""
        if daemon := self.daemon():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.run("keyfob", "stop")
            if wire.process_start_time(daemon["pid"]) == daemon["start_time"] != "":
                os.kill(daemon["pid"], signal.SIGKILL)
        if self.simulator:
            self.simulator.__exit__()


def fresh_environment(home: Path) -> dict[str, str]:
    """As after a login, with nothing of the caller's AWS, keyfob, proxy or desktop settings. No keyring is asked: the
    one of the person who runs this is theirs."""
    runtime = home / "run"
    runtime.mkdir(mode=0o700)
    return {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)]),
        "LANG": "C.UTF-8",
        "SHELL": "/bin/bash",
        "XDG_RUNTIME_DIR": str(runtime),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "KEYFOB_STORAGE_KIND": "key-file",
        "KEYFOB_ENDPOINT_PORT": str(free_port()),
    }


def free_port() -> int:
    """A port of its own for each machine: a daemon comes back to the one it had, which must not be another's meanwhile.
    Below the range that the kernel takes ports from by itself."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(20000, 32000)))  # noqa: S311 - no secret
            port: int = probe.getsockname()[1]
            return port


def end(process: subprocess.Popen[Any]) -> None:
    """Ask a process to end, and make it if it does not."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def machine() -> Iterator[Machine]:
    """A machine that is gone afterwards, and all that ran on it. Its HOME has a short name: a Unix socket's path ends
    at 104 bytes on macOS."""
    home = Path(tempfile.mkdtemp(prefix="kf-"))
    try:
        one = Machine(home)
        try:
            yield one
        finally:
            one.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)
