"""``keyfob status``: one sentence first, then the rest; ``--check`` says it by exit status alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from keyfob import wire
from keyfob.commands.check import verdict
from keyfob.commands.status import as_text, sentence
from keyfob.errors import Usage
from support.fake_daemon import FakeDaemon, answer, role_status, session_status, status

if TYPE_CHECKING:
    from support.machine import Machine


def sessions(**states: str) -> dict[str, Any]:
    return status(sessions=[session_status(name=name, state=state) for name, state in states.items()])


@pytest.mark.parametrize(
    ("states", "says"),
    [
        ({}, "No session is configured: ~/.aws/config has no sso-session. Run: aws configure sso"),
        ({"a": "signed-out"}, "Not signed in. Run: keyfob login a"),
        ({"a": "signed-in", "b": "signed-in", "c": "signed-in"}, "Signed in to a, b and c."),
        ({"a": "signed-in", "b": "signed-out"}, "Signed in to a."),
        ({"a": "signed-in", "b": "sign-in-needed"}, "Sign-in needed: b ended. Run: keyfob login b"),
        ({"a": "offline", "b": "signed-in"}, "Offline: Identity Center is not reached for a;"),
        ({"a": "locked"}, "Locked: a cannot be opened until the keyring is."),
        ({"a": "signing-in"}, "A sign-in to a is under way."),
    ],
)
def test_one_sentence_says_what_a_person_must_know(states: dict[str, str], says: str) -> None:
    assert sentence(sessions(**states)).startswith(says)


def test_sessions_and_roles_stand_in_columns() -> None:
    text = as_text(status(roles=[role_status(), role_status(account_name=None, state="failing", detail="timed out")]))
    assert text == (
        "Signed in to work.\n"
        "\n"
        "SESSION  STATE      TOKEN UNTIL           START URL\n"
        "work     signed-in  2026-11-23T14:00:00Z  https://d-1234567890.awsapps.com/start\n"
        "\n"
        "ROLE      ACCOUNT       STATE    UNTIL                 LAST USED\n"
        "ReadOnly  Sandbox       fresh    2026-11-23T14:00:00Z  -\n"
        "ReadOnly  111122223333  failing  2026-11-23T14:00:00Z  -\n"
        "\n"
        f"keyfobd 0.1.0: pid {status()['daemon']['pid']}, http://127.0.0.1:5393, /nowhere/.aws/config\n"
        "ReadOnly@111122223333: timed out\n"
    )


@pytest.mark.parametrize(
    ("storage", "says"),
    [
        (
            {"kind": "memory", "detail": "no keyring", "offer_key_file": True},
            "end with keyfobd.\nTo keep sign-ins in a private file, set KEYFOB_STORAGE_KIND=key-file, then run: keyfob",
        ),
        ({"kind": "memory", "detail": "no keyring"}, "Sessions are kept in memory alone (no keyring): they end with"),
        ({"kind": "memory", "detail": None}, "Sessions are kept in memory alone: they end with keyfobd.\n"),
        ({"kind": "locked", "detail": "the keyring is locked"}, "storage: the keyring is locked\n"),
    ],
)
def test_where_sessions_are_kept_is_said_if_it_matters(storage: dict[str, Any], says: str) -> None:
    text = as_text(status(storage=storage))
    assert says in text
    assert ("KEYFOB_STORAGE_KIND" in text) == ("offer_key_file" in storage)


def test_what_is_wrong_with_the_daemon_or_a_session_is_said() -> None:
    answer = status(sessions=[session_status(detail="it signs in elsewhere now")])
    answer["daemon"]["detail"] = "config, line 3: no key"
    text = as_text(answer)
    assert "keyfobd: config, line 3: no key\n" in text
    assert "work: it signs in elsewhere now\n" in text


VALID, EXPIRED = role_status(state="failing"), role_status(state="expired")


@pytest.mark.parametrize(
    ("states", "roles", "expected"),
    [
        ({"work": "signed-in"}, [], 0),
        ({"work": "signed-in", "b": "signed-out"}, [], 0),
        ({"work": "signed-out"}, [], 3),
        ({"work": "signed-in", "b": "sign-in-needed"}, [], 3),
        ({"work": "signing-in"}, [], 3),
        ({"work": "offline"}, [VALID], 0),
        ({"work": "offline"}, [VALID, EXPIRED], 5),
        ({"work": "offline"}, [], 5),
        ({"work": "offline", "b": "signed-in"}, [role_status(session="b")], 5),
        ({"work": "locked"}, [], 1),
        ({}, [], 1),
    ],
)
def test_check_has_an_exit_status_for_each(states: dict[str, str], roles: list[dict[str, Any]], expected: int) -> None:
    assert verdict({**sessions(**states), "roles": roles}, "") == expected


def test_check_can_be_about_one_session() -> None:
    answer = sessions(work="signed-in", home="sign-in-needed")
    assert verdict(answer, "work") == 0
    assert verdict(answer, "home") == 3
    with pytest.raises(Usage, match="no session other"):
        verdict(answer, "other")


def test_check_prints_nothing(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.STATUS, answer(sessions(work="sign-in-needed")))
    ran = person.run("keyfob", "status", "--check", "work")
    assert (ran.status, ran.out, ran.err) == (3, "", "")
    assert daemon.bodies(wire.STATUS) == [{"check": True}]  # or each prompt of a shell would try a locked keyring


def test_json_has_the_four_parts(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.STATUS, answer({**status(), "newer": 1}))
    ran = person.run("keyfob", "status", "--json")
    assert json.loads(ran.out) == status()
    assert ran.err == ""


def test_one_session_is_shown_with_its_roles_alone(person: Machine, daemon: FakeDaemon) -> None:
    both = [session_status(), session_status(name="home")]
    daemon.reply(wire.STATUS, answer(status(sessions=both, roles=[role_status(), role_status(session="home")])))
    shown = json.loads(person.run("keyfob", "status", "--json", "home").out)
    assert [one["name"] for one in shown["sessions"]] == ["home"]
    assert [one["session"] for one in shown["roles"]] == ["home"]
    assert person.run("keyfob", "status", "other").err == "keyfob: There is no session other. See: keyfob status\n"


def test_a_shell_with_another_proxy_is_told_so(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.STATUS, answer(status()))
    ran = person.run("keyfob", "status", env={"HTTPS_PROXY": "http://somebody:secret@proxy:1"})
    assert ran.err == "keyfob: keyfobd runs with another HTTPS_PROXY than this shell has. To change: keyfob restart\n"
    assert "secret" not in ran.out


def test_help_tells_of_check(person: Machine) -> None:
    assert "3 sign-in needed" in " ".join(person.run("keyfob", "status", "--check", "--help").out.split())
