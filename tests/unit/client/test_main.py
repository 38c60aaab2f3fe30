"""Dispatch, and what becomes of everything that can go wrong: one line and an exit status."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyfob import __version__, wire
from support.fake_daemon import FakeDaemon, Reply, answer, refusal, status

if TYPE_CHECKING:
    from support.machine import Machine

COMMANDS = (
    *("login", "logout", "list", "env", "exec", "credential-process", "status", "start", "stop", "restart"),
    *("token", "version"),
)


@pytest.mark.parametrize("words", [["--help"], ["-h"]])
def test_help_names_every_command(person: Machine, words: list[str]) -> None:
    ran = person.run("keyfob", *words)
    assert (ran.status, ran.err) == (0, "")
    for command in COMMANDS:
        assert f"\n    {command} " in ran.out or f"\n  {command} " in ran.out


def test_a_word_that_is_no_command_is_told_every_command(person: Machine) -> None:
    ran = person.run("keyfob", "frobnicate")
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    listed = ran.err.partition("There are: ")[2].partition(".")[0]
    assert sorted(listed.split(", ")) == sorted(COMMANDS)


@pytest.mark.parametrize(
    "command",
    ["login", "logout", "list", "env", "exec", "credential-process", "status", "start", "stop", "restart", "version",
     "token", "token list", "token revoke", "sso login", "sso logout"],
)  # fmt: skip
def test_every_command_has_help(person: Machine, command: str) -> None:
    ran = person.run("keyfob", *command.split(), "--help")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("usage: keyfob ")


def test_without_a_command_there_is_help_and_a_failure(person: Machine) -> None:
    ran = person.run("keyfob")
    assert ran.status == 2
    assert ran.out.startswith("usage: keyfob ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["bogus"], "There is no command 'bogus'. There are: login, "),
        (["staus"], "There is no command 'staus'. Did you mean status? There are: login, "),
        (["--no-start", "env"], "--no-start"),
        (["--bogus"], "--bogus"),
        (["start", "--bogus"], "unrecognized arguments: --bogus"),
        (["token"], "required"),
        (["sso"], "There is no command 'sso'. "),
        (["login", "--dev"], "--dev"),
    ],
)
def test_what_cannot_be_meant_is_one_line(person: Machine, words: list[str], says: str) -> None:
    ran = person.run("keyfob", *words)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("keyfob: ")
    assert says in ran.err
    assert ran.err.count("\n") == 1


def test_version_needs_no_daemon(person: Machine) -> None:
    for words in (["version"], ["--version"]):
        ran = person.run("keyfob", *words)
        assert (ran.status, ran.out, ran.err) == (0, f"keyfob {__version__}\n", "")


def test_version_tells_of_a_daemon_of_another(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.VERSION, answer({"version": "0.0.9", "protocol": 1, "pid": 1}))
    ran = person.run("keyfob", "version")
    assert ran.err == "keyfob: the daemon that runs is 0.0.9. Run: keyfob restart\n"


def test_a_daemon_too_many_versions_apart_is_exit_6(person: Machine, daemon: FakeDaemon) -> None:
    refused: wire.ErrorAnswer = {"code": "protocol", "message": "Too old.", "hint": "Run: keyfob restart", "exit": 6}
    daemon.reply(wire.STATUS, refusal(refused))
    ran = person.run("keyfob", "status")
    assert (ran.status, ran.out, ran.err) == (6, "", "keyfob: Too old. Run: keyfob restart\n")


def test_a_bug_is_one_line_and_with_debug_a_stack_trace(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.STATUS, answer({"daemon": {}}))
    ran = person.run("keyfob", "status")
    assert ran.status == 1
    assert ran.err == "keyfob: internal error (KeyError). Run it again with --debug and report what it prints.\n"
    for words in (["--debug", "status"], ["status", "--debug"]):
        assert "Traceback" in person.run("keyfob", *words).err


def test_an_expected_failure_has_a_stack_trace_only_with_debug(person: Machine) -> None:
    assert "Traceback" not in person.run("keyfob", "status").err
    assert "Traceback" in person.run("keyfob", "--debug", "status").err


def test_a_reader_that_has_seen_enough_is_no_failure_to_report(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.STATUS, answer(status()))
    reader, writer = os.pipe()
    os.close(reader)
    ran = person.run("keyfob", "status", stdout=writer)
    os.close(writer)
    assert (ran.status, ran.err) == (1, "")


def test_a_stderr_that_takes_nothing_changes_nothing(person: Machine) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert person.run("keyfob", "status", stderr=full).status == 6


def test_an_answer_cut_off_is_exit_6(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.STATUS, Reply(raw=b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n{}"))
    ran = person.run("keyfob", "status")
    assert ran.status == 6
    assert "went away" in ran.err
