"""``keyfob credential-process``: JSON on stdout or one line on stderr, and never a question."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from keyfob import wire
from support.fake_daemon import CREDENTIALS, SIGN_IN_NEEDED, FakeDaemon, answer, refusal
from support.terminal import Terminal

if TYPE_CHECKING:
    from support.machine import Machine


def test_it_prints_what_credential_process_wants(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.CREDENTIAL_PROCESS, answer(CREDENTIALS))
    ran = person.run("keyfob", "credential-process", "work/111122223333/ReadOnly")
    assert (ran.status, json.loads(ran.out), ran.err) == (0, CREDENTIALS, "")
    assert daemon.bodies(wire.CREDENTIAL_PROCESS)[0]["target"] == "work/111122223333/ReadOnly"


def test_on_failure_stdout_stays_empty(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.CREDENTIAL_PROCESS, refusal(SIGN_IN_NEEDED))
    ran = person.run("keyfob", "credential-process", "dev")
    assert (ran.status, ran.out) == (3, "")
    assert ran.err == f"keyfob: {SIGN_IN_NEEDED['message']} {SIGN_IN_NEEDED['hint']}\n"


def test_even_at_a_terminal_it_asks_nothing(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.CREDENTIAL_PROCESS, refusal(SIGN_IN_NEEDED))
    terminal = Terminal(person, "keyfob", "credential-process", "dev")
    assert terminal.end() == (3, "")
    assert "[Y/n]" not in terminal.said
    assert "partial" not in daemon.bodies(wire.CREDENTIAL_PROCESS)[0]


def test_help_names_its_use(person: Machine) -> None:
    assert "~/.aws/config" in person.run("keyfob", "credential-process", "--help").out
