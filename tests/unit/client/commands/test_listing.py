"""``keyfob list`` and ``keyfob token``: plain columns for people, JSON for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from keyfob import wire
from support.fake_daemon import SIGN_IN_NEEDED, FakeDaemon, answer, refusal

if TYPE_CHECKING:
    from support.machine import Machine

ACCOUNTS: list[dict[str, Any]] = [
    {"session": "work", "account_id": "111122223333", "account_name": "Sandbox", "email": "a@b", "roles": ["A", "B"]},
    {"session": "work", "account_id": "444455556666", "account_name": None, "email": None, "roles": []},
]
TOKENS: list[dict[str, Any]] = [
    {"id": "ab12", "kind": "standing", "label": "A@Sandbox", "roles": ["work/111122223333/A"],
     "created_at": "2026-11-23T12:00:00Z", "last_used_at": None, "pid": None},
    {"id": "cd34", "kind": "exec", "label": "B@Sandbox", "roles": ["work/111122223333/B"],
     "created_at": "2026-11-23T12:00:00Z", "last_used_at": "2026-11-23T12:30:00Z", "pid": 7},
]  # fmt: skip


def test_each_role_has_a_line(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.LIST, answer({"accounts": ACCOUNTS, "notes": ["as of yesterday"]}))
    ran = person.run("keyfob", "list")
    assert ran.out == (
        "SESSION  ACCOUNT ID    ACCOUNT  ROLE\n"
        "work     111122223333  Sandbox  A\n"
        "work     111122223333  Sandbox  B\n"
        "work     444455556666  -        -\n"
    )
    assert ran.err == "keyfob: as of yesterday\n"


def test_json_is_the_accounts_alone(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.LIST, answer({"accounts": ACCOUNTS, "notes": []}))
    assert json.loads(person.run("keyfob", "list", "--json").out) == ACCOUNTS


def test_no_account_is_said(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.LIST, answer({"accounts": [], "notes": []}))
    ran = person.run("keyfob", "list")
    assert (ran.status, ran.out) == (0, "")
    assert ran.err == "keyfob: no account is assigned to you in IAM Identity Center.\n"
    assert person.run("keyfob", "list", "--json").out == "[]\n"


@pytest.mark.parametrize(
    ("words", "asked"),
    [([], {"refresh": False}), (["--refresh", "work"], {"refresh": True, "session": "work"}),
     (["--sso-session", "work"], {"refresh": False, "session": "work"})],
)  # fmt: skip
def test_a_list_can_be_of_one_session_and_anew(
    person: Machine, daemon: FakeDaemon, words: list[str], asked: dict[str, Any]
) -> None:
    daemon.reply(wire.LIST, answer({"accounts": ACCOUNTS, "notes": []}))
    person.run("keyfob", "list", *words)
    assert daemon.bodies(wire.LIST) == [asked]


def test_without_a_terminal_a_needed_sign_in_is_one_line(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.LIST, refusal(SIGN_IN_NEEDED))
    ran = person.run("keyfob", "list", "--json")
    assert (ran.status, ran.out) == (3, "")
    assert ran.err == f"keyfob: {SIGN_IN_NEEDED['message']} {SIGN_IN_NEEDED['hint']}\n"


def test_tokens_have_a_line_each(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.TOKEN_LIST, answer({"tokens": TOKENS}))
    assert person.run("keyfob", "token", "list").out == (
        "ID    KIND      LAST USED             PID  ROLES\n"
        "ab12  standing  never                 -    work/111122223333/A\n"
        "cd34  exec      2026-11-23T12:30:00Z  7    work/111122223333/B\n"
    )
    assert json.loads(person.run("keyfob", "token", "list", "--json").out) == TOKENS


def test_no_token_is_said(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.TOKEN_LIST, answer({"tokens": []}))
    ran = person.run("keyfob", "token", "list")
    assert (ran.status, ran.out, ran.err) == (0, "", "keyfob: there is no endpoint token.\n")


def test_a_token_is_revoked_by_its_id_or_with_all_others(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.TOKEN_REVOKE, answer({"revoked": ["ab12"]}), answer({"revoked": ["ab12", "cd34"]}))
    assert person.run("keyfob", "token", "revoke", "ab12").err == "Revoked ab12.\n"
    assert person.run("keyfob", "token", "revoke", "--all").err == "Revoked ab12.\nRevoked cd34.\n"
    assert daemon.bodies(wire.TOKEN_REVOKE) == [{"id": "ab12"}, {"all": True}]


@pytest.mark.parametrize("words", [[], ["ab12", "--all"]])
def test_what_to_revoke_must_be_said_once(person: Machine, words: list[str]) -> None:
    ran = person.run("keyfob", "token", "revoke", *words)
    assert (ran.status, ran.out) == (2, "")
    assert "one token's ID, or --all" in ran.err
