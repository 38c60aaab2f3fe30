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
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import aiohttp

from identity_center_simulator import EXAMPLE, Clock, Scenario, Simulator, example

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START_URL = "https://d-1234567890.awsapps.com/start"
REGION = "us-east-1"
ALICE, BOB = "alice", "bob"
DEVELOPMENT, PRODUCTION, NAMELESS = "111111111111", "222222222222", "333333333333"
"""Alice has AdministratorAccess (1 h), ReadOnly (12 h) and ShortLived (20 s) in Development, ReadOnly and ShortLived in
Production, and nothing in the account without a name; Bob has AdministratorAccess in Production."""

Decision = Literal["Allow", "Deny"]


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


async def visit(url: str, user: str = ALICE, decision: Decision = "Allow") -> str:
    """Be the person: open the page, press the button, follow the redirect. The text of the page one ends at."""
    async with aiohttp.ClientSession() as browser:
        async with browser.get(url) as response:
            page = await response.text()
            here = str(response.url)
        form = Form.on(page)
        if form is None:  # a warm session goes straight on
            return page
        async with browser.post(form.target(here), data=form.filled(user, decision)) as response:
            return await response.text()


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
        return self._visit(url, user, "Allow")

    def deny(self, url: str) -> str:
        return self._visit(url, ALICE, "Deny")

    # --- the control API --------------------------------------------------------------------------------------------

    def get(self, path: str, **query: Any) -> Any:
        """``get("journal", operation="CreateToken", at_least=2)``; a wait is given up after 10 seconds (408)."""
        with _open(f"{self.url}/simulator/{path}?{urllib.parse.urlencode(query)}") as response:
            return json.load(response)

    def post(self, path: str, **members: Any) -> Any:
        """``post("sessions/end", user="alice")``, ``post("settings", calls_per_second=0)`` …"""
        request = urllib.request.Request(
            f"{self.url}/simulator/{path}", json.dumps(members).encode(), {"Content-Type": "application/json"}
        )
        with _open(request) as response:
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

    def _visit(self, url: str, user: str, decision: Decision) -> str:
        with _open(url) as response:
            page: str = response.read().decode()
            form = Form.on(page)
            if form is None:
                return page
            target = form.target(response.url)
        with _open(target, urllib.parse.urlencode(form.filled(user, decision)).encode()) as response:
            ended: str = response.read().decode()
            return ended

    def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=20)


@dataclass(slots=True)
class Form:
    """The consent form of a page."""

    action: str
    fields: dict[str, str]

    @classmethod
    def on(cls, page: str) -> Form | None:
        reader = _FormReader()
        reader.feed(page)
        return None if reader.action is None else cls(reader.action, reader.fields)

    def target(self, page_url: str) -> str:
        return urllib.parse.urljoin(page_url, self.action)

    def filled(self, user: str, decision: Decision) -> dict[str, str]:
        return {**self.fields, "user": user, "decision": decision}


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form" and found.get("method") == "post":
            self.action = found["action"]
        elif tag == "input" and found.get("type") == "hidden":
            self.fields[found["name"]] = found["value"]


def _open(target: str | urllib.request.Request, data: bytes | None = None) -> Any:
    """Without the machine's proxies: everything here is on loopback. Raises urllib.error.HTTPError from 400 on."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(target, data, timeout=30)
