"""One request over the Unix socket: what goes there, and one clear line for whatever does not come back."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from keyfob import ask, wire
from keyfob.errors import NotRunning, NotUsable, Refused
from support.fake_daemon import SIGN_IN_NEEDED, FakeDaemon, Reply, answer, refusal

if TYPE_CHECKING:
    from support.machine import Machine


@pytest.fixture(autouse=True)
def in_process(person: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is this very process."""
    for name, value in person.environ.items():
        monkeypatch.setenv(name, value)


def test_a_request_carries_its_body_and_the_protocol(daemon: FakeDaemon) -> None:
    daemon.reply(wire.ENV, answer({"url": "x"}))
    assert ask.ask(wire.ENV, {"target": "dev"}) == {"url": "x"}
    (asked,) = daemon.asked
    assert (asked.route, asked.body) == (wire.ENV, {"target": "dev"})
    assert asked.headers[wire.PROTOCOL_HEADER.lower()] == str(wire.PROTOCOL)


def test_an_answer_with_a_length_is_read_to_that_length(daemon: FakeDaemon) -> None:
    daemon.reply(wire.ENV, Reply(raw=b"HTTP/1.0 200 OK\r\ncontent-LENGTH: 2\r\n\r\n{}"))
    assert ask.ask(wire.ENV, {}) == {}


def test_a_long_answer_comes_line_by_line(daemon: FakeDaemon) -> None:
    daemon.reply(wire.LOGIN, answer({"event": "waiting"}, {"event": "done"}))
    assert [line["event"] for line in ask.ask_lines(wire.LOGIN, {})] == ["waiting", "done"]


def test_to_stop_reading_is_to_leave(daemon: FakeDaemon) -> None:
    reply = answer({"event": "waiting"})
    reply.stays = daemon.left
    daemon.reply(wire.LOGIN, reply)
    lines = ask.ask_lines(wire.LOGIN, {})
    assert next(iter(lines)) == {"event": "waiting"}
    lines.close()  # type: ignore[attr-defined]  # a generator
    assert daemon.left.wait(10)


def test_a_refusal_keeps_what_the_daemon_said(daemon: FakeDaemon) -> None:
    daemon.reply(wire.ENV, refusal({**SIGN_IN_NEEDED, "candidates": ["a", "b"]}))
    with pytest.raises(Refused) as caught:
        ask.ask(wire.ENV, {})
    refused = caught.value
    assert str(refused) == f"{SIGN_IN_NEEDED['message']} {SIGN_IN_NEEDED['hint']}"
    assert (refused.code, refused.exit_status, refused.session) == ("sign-in-needed", 3, "work")
    assert refused.candidates == ["a", "b"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.0",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n{",
        b"HTTP/1.0 200 OK\r\n\r\n[]",
        b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.0 500 No\r\n\r\n<html>",
    ],
)
def test_what_is_no_answer_counts_as_none(daemon: FakeDaemon, raw: bytes) -> None:
    daemon.reply(wire.ENV, Reply(raw=raw))
    with pytest.raises(NotUsable, match="went away") as caught:
        ask.ask(wire.ENV, {})
    assert wire.LOG_FILE in caught.value.hint


def test_a_daemon_that_says_nothing_does_not_keep_anybody_for_ever(daemon: FakeDaemon) -> None:
    daemon.reply(wire.ENV, Reply(stays=daemon.left))
    with pytest.raises(NotUsable, match="does not answer"):
        ask.ask(wire.ENV, {}, patience=0.01)


def test_without_a_daemon_file_there_is_no_daemon() -> None:
    with pytest.raises(NotRunning):
        ask.ask(wire.ENV, {})


def test_a_daemon_file_that_was_left_behind_is_no_daemon(daemon: FakeDaemon) -> None:
    daemon.write_daemon_file(control=f"{daemon.control}.gone")
    with pytest.raises(NotRunning):
        ask.ask(wire.ENV, {})


def test_a_socket_that_nobody_listens_on_is_no_daemon(daemon: FakeDaemon) -> None:
    path = f"{daemon.control}.left"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    daemon.write_daemon_file(control=path)
    with pytest.raises(NotRunning):
        ask.ask(wire.ENV, {})


def test_what_is_no_socket_is_said(daemon: FakeDaemon) -> None:
    daemon.write_daemon_file(control=f"{daemon.control.parent}/{'long' * 50}")
    with pytest.raises(NotUsable, match="cannot be connected to"):
        ask.ask(wire.ENV, {})


class Forbidden(socket.socket):
    """A socket as a sandbox lets one have it."""

    def connect(self, address: object) -> None:
        del address
        raise PermissionError(1, "Operation not permitted")


@pytest.mark.usefixtures("daemon")
def test_a_sandbox_is_called_one_and_never_not_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket", Forbidden)
    with pytest.raises(NotUsable, match=r"may not connect to keyfobd at .*: a sandbox"):
        ask.ask(wire.ENV, {})


def test_a_daemon_file_that_may_not_be_read_is_not_an_absent_one(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path, flags)

    monkeypatch.setattr("os.open", forbidden)
    with pytest.raises(NotUsable, match=r"may not read .*daemon\.json"):
        ask.ask(wire.ENV, {})
    assert daemon.asked == []


def test_a_state_folder_that_may_not_be_looked_at_is_not_an_absent_one(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(path: str) -> os.stat_result:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("os.stat", forbidden)
    with pytest.raises(NotUsable, match="may not look at"):
        ask.ask(wire.ENV, {})
    assert daemon.asked == []


@pytest.mark.usefixtures("daemon")
def test_a_folder_of_somebody_elses_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    uid = os.getuid() + 54321
    monkeypatch.setattr("os.getuid", lambda: uid)
    with pytest.raises(NotUsable, match=r"belongs to .*nobody else's daemon"):
        ask.ask(wire.ENV, {})


@pytest.mark.usefixtures("daemon")
def test_a_socket_that_another_user_serves_gets_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "_peer_uid", lambda _control: os.getuid() + 54321)
    with pytest.raises(NotUsable, match="is served by uid"):
        ask.ask(wire.ENV, {})
