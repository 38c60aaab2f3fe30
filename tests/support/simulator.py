"""Simulators for tests: in a test's own event loop, or as a process of its own; and a person who signs in at them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from identity_center_simulator import EXAMPLE, Clock, Scenario, Simulator, example
from support.person import press

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START_URL = "https://d-1234567890.awsapps.com/start"
REGION = "us-east-1"
ALICE, BOB = "alice", "bob"
DEVELOPMENT, PRODUCTION, NAMELESS = "111111111111", "222222222222", "333333333333"
"""Alice has AdministratorAccess (1 h), ReadOnly (12 h) and ShortLived (20 s) in Development, ReadOnly and ShortLived in
Production, and nothing in the account without a name; Bob has AdministratorAccess in Production."""


def scenario(**settings: Any) -> Scenario:
    """The simulator's own example, with settings changed."""
    found = example()
    return dataclasses.replace(found, settings=found.settings.changed(settings))


@contextlib.asynccontextmanager
async def running_simulator(*, start: float | None = None, **settings: Any) -> AsyncIterator[Simulator]:
    """A simulator in this event loop, whose clock follows the loop (virtual time included) from ``start`` on, seconds
    since 1970; without it, from now."""
    clock = Clock() if start is None else Clock(asyncio.get_running_loop().time, start=start)
    async with Simulator(scenario(**settings), clock=clock) as simulator:
        yield simulator


async def visit(url: str, user: str = ALICE, caption: str = "Allow") -> str:
    """Be the person: open the page, press the button, follow the redirect. The text of the page one ends at."""
    return await asyncio.to_thread(press, as_user(url, user), caption)


class SimulatorProcess:
    """``python -m identity_center_simulator`` on a free port: ``with SimulatorProcess() as simulator: …``.

    ``scenario_text`` is a scenario file's text; ``options`` are further ones of the command line. Ready when entered.
    """

    def __init__(self, *options: str, scenario_text: str = EXAMPLE) -> None:
        self._options = options
        self._scenario_text = scenario_text
        self._cleanup = contextlib.ExitStack()
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as cleanup:
            folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="simulator-")))
            (folder / "scenario.toml").write_text(self._scenario_text, encoding="utf-8")
            errors = cleanup.enter_context((folder / "stderr").open("w+", encoding="utf-8"))
            words = ["--port", "0", "--scenario", str(folder / "scenario.toml"), *self._options]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "identity_center_simulator", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            cleanup.callback(self._end)
            first = self._process.stdout.readline() if self._process.stdout else ""
            if not first.startswith("listening "):
                errors.seek(0)
                raise RuntimeError(f"the simulator did not start: {errors.read()}")
            self.url = first.split()[1]
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    @property
    def exports(self) -> dict[str, str]:
        """The environment that points AWS tools, and the daemon, at it."""
        names = ("AWS_ENDPOINT_URL_SSO_OIDC", "AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_STS")
        return dict.fromkeys(names, self.url)

    def stop(self) -> None:
        """End it now: from here on its port refuses connections."""
        self._end()

    # --- the person -------------------------------------------------------------------------------------------------

    def approve(self, url: str, user: str = ALICE) -> str:
        """Open a verification or authorize URL, press Allow, follow the redirect; the page one ends at."""
        return press(as_user(url, user))

    def deny(self, url: str) -> str:
        return press(url, "Deny")

    # --- the control API --------------------------------------------------------------------------------------------

    def get(self, path: str, **query: Any) -> Any:
        """``get("journal", operation="CreateToken", at_least=2)``; a wait is given up after 10 seconds (408)."""
        with open_url(f"{self.url}/simulator/{path}?{urllib.parse.urlencode(query)}") as response:
            return json.load(response)

    def post(self, path: str, **members: Any) -> Any:
        """``post("sessions/end", user="alice")``, ``post("settings", calls_per_second=0)`` …"""
        request = urllib.request.Request(
            f"{self.url}/simulator/{path}", json.dumps(members).encode(), {"Content-Type": "application/json"}
        )
        with open_url(request) as response:
            return json.load(response)

    def journal(self, operation: str | None = None, **facts: Any) -> list[dict[str, Any]]:
        """Calls so far; with ``at_least=N`` once there are so many."""
        query = facts if operation is None else {"operation": operation, **facts}
        found: list[dict[str, Any]] = self.get("journal", **query)
        return found

    def add_fault(self, operation: str, kind: str, **words: Any) -> None:
        """See ``identity_center_simulator.faults``."""
        self.post("faults", operation=operation, kind=kind, **words)

    def clear_faults(self) -> None:
        self.post("faults/clear")

    def end_sessions(self, user: str | None = None) -> None:
        """As an administrator would: refreshing fails from now on, and access tokens do not work any more."""
        self.post("sessions/end", **({} if user is None else {"user": user}))

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.communicate(timeout=20)


def as_user(url: str, user: str) -> str:
    """The same page, where that user is chosen already."""
    return f"{url}{'&' if '?' in url else '?'}{urllib.parse.urlencode({'login_hint': user})}"


def open_url(target: str | urllib.request.Request, data: bytes | None = None) -> Any:
    """Without the machine's proxies: everything here is on loopback. Raises urllib.error.HTTPError from 400 on."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(target, data, timeout=30)
