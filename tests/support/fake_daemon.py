"""A daemon that says what a test tells it to: the control socket's side of ``wire`` on a thread, nothing behind it."""

from __future__ import annotations

import contextlib
import json
import os
import socketserver
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyfob import wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROLE: dict[str, Any] = {
    "session": "work",
    "account_id": "111122223333",
    "account_name": "Sandbox",
    "role_name": "ReadOnly",
    "profile": None,
    "region": None,
    "label": "ReadOnly@Sandbox",
}
ENV: dict[str, Any] = {
    **ROLE,
    "url": "http://127.0.0.1:5393/role/work/111122223333/ReadOnly",
    "token": "kft_made-up",
    "token_file": "/nowhere/token",
    "token_in": "both",
    "keyfob_profile": None,
    "expires_at": "2026-11-23T14:00:00Z",
    "notes": [],
}
CREDENTIALS = {
    "Version": 1,
    "AccessKeyId": "ASIAMADEUP",
    "SecretAccessKey": "made/up+secret",
    "SessionToken": "made-up-session",
    "Expiration": "2026-11-23T14:00:00Z",
}
SIGN_IN_NEEDED: wire.ErrorAnswer = {
    "code": "sign-in-needed",
    "message": "Sign-in needed: the IAM Identity Center session work has ended.",
    "hint": "Run: keyfob login work",
    "exit": 3,
    "session": "work",
}
START_URL = "https://d-1234567890.awsapps.com/start"
DONE = {"event": "done", "session": "work", "start_url": START_URL, "notes": []}


def session_status(**changes: Any) -> dict[str, Any]:
    """A session that is signed in, but for the changes."""
    usual = {
        "name": "work",
        "start_url": START_URL,
        "region": "us-east-1",
        "state": "signed-in",
        "token_expires_at": "2026-11-23T14:00:00Z",
        "session_ends_at": None,
        "needs": None,
        "detail": None,
    }
    return usual | changes


def role_status(**changes: Any) -> dict[str, Any]:
    """A role with fresh credentials, but for the changes."""
    usual = {
        "session": "work",
        "account_id": "111122223333",
        "account_name": "Sandbox",
        "role_name": "ReadOnly",
        "expires_at": "2026-11-23T14:00:00Z",
        "renew_at": "2026-11-23T13:40:00Z",
        "last_used_at": None,
        "state": "fresh",
        "detail": None,
    }
    return usual | changes


def status(*, network: Mapping[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    """A daemon with one session, signed in, but for the changes."""
    daemon = {
        "version": "0.1.0",
        "pid": os.getpid(),
        "protocol": wire.PROTOCOL,
        "started_at": "2026-11-23T12:00:00Z",
        "endpoint": "http://127.0.0.1:5393",
        "peer_check": "on",
        "config_file": "/nowhere/.aws/config",
        "network": dict(network or {}),
        "detail": None,
    }
    usual = {
        "daemon": daemon,
        "sessions": [session_status()],
        "roles": [],
        "storage": {"kind": "keyring", "detail": None},
    }
    return usual | changes


@dataclass
class Reply:
    """What goes back: objects, one for most routes and one a line for ``login``; or bytes as they are."""

    objects: tuple[Mapping[str, Any], ...] = ()
    status: int = 200
    raw: bytes | None = None
    stays: threading.Event | None = None  # after the objects, nothing until this is set

    def head(self) -> bytes:
        """Without a length: like a long answer, it ends where the connection does."""
        return f"HTTP/1.0 {self.status} Whatever\r\nContent-Type: application/json\r\n\r\n".encode()


def answer(*objects: Mapping[str, Any]) -> Reply:
    return Reply(objects)


def refusal(error: wire.ErrorAnswer, status: int = 403) -> Reply:
    return Reply((error,), status)


@dataclass
class Asked:
    """One request that came."""

    route: str
    body: dict[str, Any]
    headers: dict[str, str]


@dataclass
class FakeDaemon:
    """``replies`` has a list for each route: one reply a request, the last one for all that follow."""

    folder: Path
    control: Path
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)
    left: threading.Event = field(default_factory=threading.Event)  # a client hung up before the end

    def reply(self, route: str, *replies: Reply) -> None:
        self.replies[route] = list(replies)

    def bodies(self, route: str) -> list[dict[str, Any]]:
        """What was asked by one route, in order."""
        return [one.body for one in self.asked if one.route == route]

    def wait_for(self, route: str) -> None:
        """Until a request for this route is being answered."""
        with self.came:
            assert self.came.wait_for(lambda: self.bodies(route), 30), f"nobody asked for {route}"

    def note(self, asked: Asked) -> None:
        with self.came:
            self.asked.append(asked)
            self.came.notify_all()

    def next_reply(self, route: str) -> Reply:
        replies = self.replies.get(route)
        if not replies:
            return refusal({"code": "failed", "message": f"The test has no reply for {route}.", "exit": 1}, 500)
        return replies.pop(0) if len(replies) > 1 else replies[0]

    def write_daemon_file(self, **changes: Any) -> None:
        """``daemon.json``. Its start time is no process's, so that nobody sends a signal to the tests themselves."""
        found = {
            "pid": os.getpid(),
            "start_time": "none",
            "control": str(self.control),
            "port": 5393,
            "version": "0.1.0",
            "protocol": wire.PROTOCOL,
            "config_file": "/nowhere/.aws/config",
        }
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / wire.DAEMON_FILE).write_text(json.dumps(found | changes), encoding="utf-8")


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    daemon: FakeDaemon


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if line := self.rfile.readline():  # else a client that only looked whether somebody is there
                asked = self._request(line.split()[1].decode())
                self.server.daemon.note(asked)
                self._send(self.server.daemon.next_reply(asked.route))

    def _request(self, route: str) -> Asked:
        headers: dict[str, str] = {}
        while line := self.rfile.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return Asked(route, json.loads(self.rfile.read(int(headers["content-length"]))), headers)

    def _send(self, reply: Reply) -> None:
        if reply.raw is not None:
            self.wfile.write(reply.raw)
            return
        self.wfile.write(reply.head())
        for one in reply.objects:
            self.wfile.write(json.dumps(one).encode() + b"\n")
        if reply.stays is not None:
            # Nothing more comes from a client: a byte's end is its leaving.
            self.rfile.read()
            self.server.daemon.left.set()


@contextlib.contextmanager
def fake_daemon(environ: Mapping[str, str]) -> Iterator[FakeDaemon]:
    """One that clients with this environment find."""
    folder = Path(wire.state_folder(environ))
    control = Path(environ["XDG_RUNTIME_DIR"]) / wire.CONTROL_SOCKET
    daemon = FakeDaemon(folder, control)
    with _Server(str(control), _Handler) as server:
        server.daemon = daemon
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        daemon.write_daemon_file()
        try:
            yield daemon
        finally:
            server.shutdown()
            thread.join()
            (folder / wire.DAEMON_FILE).unlink(missing_ok=True)
            control.unlink(missing_ok=True)
