"""What is asked where there is a person: which role, and whether to sign in. Without one, nothing is."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import pytest

from keyfob import wire
from support.fake_daemon import DONE, ENV, SIGN_IN_NEEDED, START_URL, FakeDaemon, answer, refusal, status
from support.terminal import Terminal

if TYPE_CHECKING:
    from support.machine import Machine

AMBIGUOUS: wire.ErrorAnswer = {
    "code": "ambiguous-target",
    "message": "Two roles fit dev.",
    "hint": "Name one of these.",
    "exit": 2,
    "candidates": ["ReadOnly@Sandbox", "Admin@Sandbox"],
}
ACCOUNTS = {
    "accounts": [
        {"session": "work", "account_id": "1", "account_name": "Sandbox", "email": None, "roles": ["Admin", "Read"]},
        {"session": "work", "account_id": "2", "account_name": None, "email": None, "roles": ["Read"]},
    ],
    "notes": [],
}
DOWN, ENTER, INTERRUPT = "\x1b[B", "\r", "\x03"


@pytest.fixture
def daemon(daemon: FakeDaemon) -> FakeDaemon:
    daemon.reply(wire.ENV, answer(ENV))
    daemon.reply(wire.LOGIN, answer(DONE))
    daemon.reply(wire.STATUS, answer(status()))
    return daemon


def test_env_offers_to_sign_in_and_goes_on(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.ENV, refusal(SIGN_IN_NEEDED), answer(ENV))
    terminal = Terminal(person, "keyfob", "env", "dev")
    terminal.until("Sign in now? [Y/n]")
    terminal.press("\n")
    exit_status, out = terminal.end()
    assert exit_status == 0
    assert "export KEYFOB_ROLE='ReadOnly@Sandbox'\n" in out
    assert f"Successfully logged into Start URL: {START_URL}" in terminal.said
    assert daemon.bodies(wire.LOGIN)[0]["session"] == "work"


def test_who_says_no_gets_the_refusal(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.ENV, refusal(SIGN_IN_NEEDED))
    terminal = Terminal(person, "keyfob", "env", "dev")
    terminal.until("Sign in now? [Y/n]")
    terminal.press("n\n")
    exit_status, out = terminal.end()
    assert (exit_status, out.splitlines()[-1]) == (3, "(exit 3)")
    assert daemon.bodies(wire.LOGIN) == []


def test_it_asks_once_even_if_signing_in_did_not_help(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.ENV, refusal(SIGN_IN_NEEDED))
    terminal = Terminal(person, "keyfob", "env", "dev")
    terminal.until("[Y/n]")
    terminal.press("y\n")
    assert terminal.end()[0] == 3
    assert len(daemon.bodies(wire.LOGIN)) == 1


def test_no_login_never_asks(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.ENV, refusal(SIGN_IN_NEEDED))
    terminal = Terminal(person, "keyfob", "env", "dev", "--no-login")
    assert terminal.end()[0] == 3
    assert "[Y/n]" not in terminal.said


def test_exec_asks_before_it_becomes_the_command(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.EXEC, refusal(SIGN_IN_NEEDED), answer(ENV))
    terminal = Terminal(person, "keyfob", "exec", "dev", "--", "echo", "started")
    terminal.until("[Y/n]")
    terminal.press("y\n")
    assert terminal.end() == (0, "started\n")


def test_wait_for_login_never_asks(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.EXEC, refusal(SIGN_IN_NEEDED), answer(ENV))
    terminal = Terminal(person, "keyfob", "exec", "dev", "--wait-for-login", "--", "echo", "started")
    assert terminal.end() == (0, "started\n")
    assert "[Y/n]" not in terminal.said


def test_list_offers_to_sign_in(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.LIST, refusal(SIGN_IN_NEEDED), answer(ACCOUNTS))
    terminal = Terminal(person, "keyfob", "list")
    terminal.until("[Y/n]")
    terminal.press("y\n")
    exit_status, out = terminal.end()
    assert exit_status == 0
    assert "Sandbox" in out


def test_a_part_of_a_name_may_be_typed_and_of_several_one_is_picked(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.ENV, refusal(AMBIGUOUS), answer(ENV))
    terminal = Terminal(person, "keyfob", "env", "dev", "--no-fetch")
    terminal.until("Admin@Sandbox")
    terminal.press(DOWN + ENTER)
    exit_status, out = terminal.end()
    first, second = daemon.bodies(wire.ENV)
    assert exit_status == 0
    assert first["partial"]
    assert second == {"target": "Admin@Sandbox", "fetch": False, "config_file": str(person.config_file)}
    assert "\x1b" not in out  # the list was drawn on stderr: stdout is for the shell


def test_without_a_terminal_the_candidates_are_one_line(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.ENV, refusal(AMBIGUOUS))
    ran = person.run("keyfob", "env", "dev")
    assert ran.status == 2
    assert ran.err == "keyfob: Two roles fit dev. Name one of these: ReadOnly@Sandbox, Admin@Sandbox\n"
    assert "partial" not in daemon.bodies(wire.ENV)[0]


def test_without_target_there_is_a_list_to_pick_from(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.LIST, answer(ACCOUNTS))
    terminal = Terminal(person, "keyfob", "env")
    terminal.until("Read@2")
    terminal.press(DOWN + ENTER)
    assert terminal.end()[0] == 0
    assert re.search(r"Admin@Sandbox\s+\(work, 1\)", terminal.said)
    assert daemon.bodies(wire.ENV)[0]["target"] == "work/1/Read"


def test_before_there_is_a_list_one_may_have_to_sign_in(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.LIST, refusal(SIGN_IN_NEEDED), answer(ACCOUNTS))
    terminal = Terminal(person, "keyfob", "env")
    terminal.until("[Y/n]")
    terminal.press("\n")
    terminal.until("Read@2")
    terminal.press(ENTER)
    assert terminal.end()[0] == 0


def test_where_nothing_can_be_picked_it_is_said(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.LIST, answer({"accounts": [], "notes": []}))
    terminal = Terminal(person, "keyfob", "env")
    assert terminal.end()[0] == 1
    assert "no account with a role" in terminal.said


def test_ctrl_c_in_the_list_ends_it(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.ENV, refusal(AMBIGUOUS))
    terminal = Terminal(person, "keyfob", "env", "dev")
    terminal.until("Admin@Sandbox")
    terminal.press(INTERRUPT)
    exit_status, out = terminal.end()
    assert (exit_status, out.splitlines()[-1]) == (130, "(exit 130)")
    assert "Traceback" not in terminal.said


def test_login_lets_one_pick_of_several_sessions(person: Machine, daemon: FakeDaemon) -> None:
    several: wire.ErrorAnswer = {
        "code": "ambiguous-target", "message": "Two sessions.", "hint": "", "exit": 2, "candidates": ["home", "work"],
    }  # fmt: skip
    daemon.reply(wire.LOGIN, refusal(several), answer(DONE))
    terminal = Terminal(person, "keyfob", "login", "--no-browser")
    terminal.until("work")
    terminal.press(DOWN + ENTER)
    assert terminal.end()[0] == 0
    assert daemon.bodies(wire.LOGIN)[1]["session"] == "work"


NO_KEYRING = {"kind": "memory", "detail": "no keyring answers here", "offer_key_file": True}
LASTING = f"Successfully logged into Start URL: {START_URL}\n"


def test_without_a_keyring_the_key_file_is_offered_in_plain_words(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.LOGIN, answer({**DONE, "storage": NO_KEYRING, "notes": ["ends"]}))
    daemon.reply(wire.STORAGE, answer({"kind": "key-file", "detail": None}))
    terminal = Terminal(person, "keyfob", "login", "--no-browser")
    terminal.until("Keep it so? [Y/n]")
    terminal.press("y\n")
    assert terminal.end()[0] == 0
    assert daemon.bodies(wire.STORAGE) == [{"kind": "key-file"}]
    assert "This sign-in would end with the daemon: no keyring answers here.\n" in terminal.said
    assert "KEYFOB_STORAGE_KIND" not in terminal.said  # for those who cannot be asked
    assert "keyfob: ends" not in terminal.said


def test_who_wants_no_key_file_is_told_what_that_means(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.LOGIN, answer({**DONE, "storage": NO_KEYRING, "notes": ["it ends"]}))
    terminal = Terminal(person, "keyfob", "login", "--no-browser")
    terminal.until("[Y/n]")
    terminal.press("n\n")
    assert terminal.end()[0] == 0
    assert daemon.bodies(wire.STORAGE) == []
    assert "keyfob: it ends\n" in terminal.said
    assert terminal.said.endswith(LASTING)


def test_a_key_file_that_cannot_be_costs_no_sign_in(person: Machine, daemon: FakeDaemon) -> None:
    full: wire.ErrorAnswer = {"code": "storage", "message": "No space left.", "hint": "Make room.", "exit": 1}
    daemon.reply(wire.LOGIN, answer({**DONE, "storage": NO_KEYRING, "notes": ["it ends"]}))
    daemon.reply(wire.STORAGE, refusal(full))
    terminal = Terminal(person, "keyfob", "login", "--no-browser")
    terminal.until("[Y/n]")
    terminal.press("y\n")
    assert terminal.end()[0] == 0
    assert terminal.said.endswith(f"keyfob: No space left. Make room.\nkeyfob: it ends\n{LASTING}")
    assert "Kept." not in terminal.said


def test_ctrl_c_at_the_offer_says_that_the_sign_in_is_done(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.LOGIN, answer({**DONE, "storage": NO_KEYRING, "notes": ["it ends"]}))
    terminal = Terminal(person, "keyfob", "login", "--no-browser")
    terminal.until("[Y/n]")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end()[0] == 130
    assert terminal.said.endswith("[Y/n] \nkeyfob: Signed in to work all the same, until the daemon stops.\n")


@pytest.mark.parametrize("detail", [None, "sessions.key cannot be written: No space left on device"])
def test_where_a_key_file_would_not_help_none_is_offered(
    person: Machine, daemon: FakeDaemon, detail: str | None
) -> None:
    daemon.reply(wire.LOGIN, answer({**DONE, "storage": {"kind": "memory", "detail": detail}, "notes": ["it ends"]}))
    terminal = Terminal(person, "keyfob", "login", "--no-browser")
    assert terminal.end()[0] == 0
    assert "[Y/n]" not in terminal.said
    assert "keyfob: it ends\n" in terminal.said
