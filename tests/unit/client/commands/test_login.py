"""``keyfob login`` and ``keyfob logout``: what the person sees, and what the daemon is asked for."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from keyfob import wire
from keyfob.commands.login import no_browser_here
from support.fake_daemon import DONE, START_URL, FakeDaemon, answer, refusal, session_status, status

if TYPE_CHECKING:
    from support.machine import Machine

VISIT = {"event": "visit", "url": "http://127.0.0.1:1/page", "expires_at": "2026-11-23T14:00:00Z"}
SUCCESS = f"Successfully logged into Start URL: {START_URL}\n"


@pytest.fixture
def daemon(daemon: FakeDaemon) -> FakeDaemon:
    daemon.reply(wire.LOGIN, answer(VISIT, {"event": "waiting"}, {"event": "waiting"}, DONE))
    daemon.reply(wire.STATUS, answer(status()))
    return daemon


@pytest.mark.parametrize(
    ("environ", "platform", "says"),
    [
        ({"DISPLAY": ":0"}, "linux", ""),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", ""),
        ({"WSL_DISTRO_NAME": "Debian"}, "linux", ""),
        ({"BROWSER": "firefox", "SSH_CONNECTION": "x"}, "linux", ""),
        ({}, "darwin", ""),
        ({}, "linux", "no display"),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "x"}, "linux", "ssh"),
        ({"SSH_TTY": "/dev/pts/1"}, "darwin", "ssh"),
    ],
)
def test_where_a_browser_would_be_nobodys_a_code_is_used(environ: dict[str, str], platform: str, says: str) -> None:
    found = no_browser_here(environ, platform)
    assert says in found
    assert bool(found) == bool(says)


BROWSER = """\
#!/bin/sh
echo chatter; echo chatter >&2
printf %s "$1" >"$HOME/opened.new"; mv "$HOME/opened.new" "$HOME/opened"
"""


def opened(person: Machine, *words: str, **environ: str) -> tuple[str, str]:
    """What a browser was given, and what the person was shown."""
    browser = person.home / "browser"
    browser.write_text(BROWSER, encoding="utf-8")
    browser.chmod(0o700)
    ran = person.run("keyfob", "login", *words, env={"BROWSER": str(browser), **environ})
    assert ran.status == 0, ran.err
    assert "chatter" not in ran.out + ran.err
    file = person.home / "opened"
    return file.read_text("utf-8") if file.exists() else "", ran.err


@pytest.mark.usefixtures("daemon")
def test_a_browser_is_opened_and_the_address_shown(person: Machine) -> None:
    address, said = opened(person, "work")
    assert address == VISIT["url"]
    assert VISIT["url"] in said
    assert said.count("Waiting") == 1
    assert said.endswith(SUCCESS)


@pytest.mark.usefixtures("daemon")
def test_no_browser_opens_none(person: Machine) -> None:
    address, said = opened(person, "--no-browser")
    assert address == ""
    assert f"To sign in, visit:\n\n  {VISIT['url']}\n" in said


def test_without_a_display_a_code_is_shown_and_why(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.LOGIN, answer({**VISIT, "code": "ABCD-EFGH"}, DONE))
    ran = person.run("keyfob", "login", "work")
    assert ran.err.startswith("Signing in with a code: there is no display for a browser here.\n")
    assert "this code: ABCD-EFGH" in ran.err
    assert ran.out == ""
    assert daemon.bodies(wire.LOGIN)[0]["flow"] == "device"


@pytest.mark.parametrize(
    ("words", "environ", "asked"),
    [
        (["work"], {}, {"session": "work"}),
        (["--sso-session", "work"], {"AWS_PROFILE": "x"}, {"session": "work"}),
        (["--profile", "dev", "--force"], {}, {"profile": "dev", "force": True}),
        ([], {"AWS_PROFILE": "dev"}, {"profile": "dev"}),
        ([], {}, {}),
        (["--use-device-code"], {}, {"flow": "device"}),
        (["--device-code"], {}, {"flow": "device"}),
    ],
)
def test_the_aws_clis_words_are_taken(
    person: Machine, daemon: FakeDaemon, words: list[str], environ: dict[str, str], asked: dict[str, Any]
) -> None:
    for command in (["login"], ["sso", "login"]):
        ran = person.run("keyfob", *command, "--no-browser", *words, env={"DISPLAY": ":0", **environ})
        assert ran.status == 0, ran.err
    assert daemon.bodies(wire.LOGIN) == [{**asked, "config_file": str(person.config_file)}] * 2


def test_a_name_from_aws_profile_is_said_to_be(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.LOGIN, refusal({"code": "unknown-target", "message": "No gone.", "hint": "See X", "exit": 2}))
    ran = person.run("keyfob", "login", env={"AWS_PROFILE": "gone"})
    assert (ran.status, ran.err) == (2, "keyfob: No gone. (The name is from AWS_PROFILE.) See X\n")


@pytest.mark.usefixtures("daemon")
def test_a_qr_code_can_be_shown(person: Machine) -> None:
    assert "▄" in person.run("keyfob", "login", "--no-browser", "--qr").err


def test_who_is_signed_in_is_told_so(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.LOGIN, answer({**DONE, "already": True}))
    ran = person.run("keyfob", "login", "--no-browser", env={"DISPLAY": ":0"})
    assert ran.status == 0
    assert ran.err == "Already signed in to work. To sign in anew: keyfob login work --force\n"


def test_a_sign_in_that_failed_ends_with_its_reason(person: Machine, daemon: FakeDaemon) -> None:
    failed = {"event": "failed", "message": "It was denied.", "hint": "Run: keyfob login work", "exit": 3}
    daemon.reply(wire.LOGIN, answer(VISIT, failed))
    ran = person.run("keyfob", "login", "--no-browser")
    assert ran.status == 3
    assert ran.err.endswith("keyfob: It was denied. Run: keyfob login work\n")


def test_a_daemon_that_ends_in_the_midst_is_no_success(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.LOGIN, answer(VISIT))
    ran = person.run("keyfob", "login", "--no-browser")
    assert ran.status == 1
    assert "in the midst" in ran.err


def test_all_signs_in_to_each_session_that_needs_it(person: Machine, daemon: FakeDaemon) -> None:
    states = {"a": "signed-in", "b": "signed-out", "c": "sign-in-needed"}
    sessions = [session_status(name=name, state=state) for name, state in states.items()]
    daemon.reply(wire.STATUS, answer(status(sessions=sessions)))
    assert person.run("keyfob", "login", "--all", "--no-browser").status == 0
    assert [body["session"] for body in daemon.bodies(wire.LOGIN)] == ["b", "c"]


def test_all_says_so_where_nothing_needs_it(person: Machine, daemon: FakeDaemon) -> None:
    ran = person.run("keyfob", "login", "--all")
    assert (ran.status, ran.err) == (0, "Signed in to every session already.\n")
    assert daemon.bodies(wire.LOGIN) == []


@pytest.mark.usefixtures("daemon")
def test_where_no_browser_can_be_opened_the_address_is_enough(person: Machine) -> None:
    ran = person.run("keyfob", "login", env={"BROWSER": "/no/such/browser"})
    assert ran.status == 0
    assert f"To sign in, visit:\n\n  {VISIT['url']}\n" in ran.err


def test_all_with_no_session_says_how_to_get_one(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.STATUS, answer(status(sessions=[])))
    ran = person.run("keyfob", "login", "--all")
    assert (ran.status, ran.err) == (1, "keyfob: There is no session in ~/.aws/config. Run: aws configure sso\n")


@pytest.mark.parametrize("words", [["a", "--profile", "b"], ["--all", "a"], ["--bogus"], ["a", "b"]])
def test_what_cannot_be_meant_is_one_line(person: Machine, words: list[str]) -> None:
    ran = person.run("keyfob", "login", *words)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("keyfob: ")
    assert ran.err.count("\n") == 1


def test_a_client_with_another_proxy_is_told_so(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.STATUS, answer(status(network={"HTTPS_PROXY": "http://other"})))
    ran = person.run("keyfob", "login", "--no-browser")
    assert ran.err.startswith("keyfob: keyfobd runs with another HTTPS_PROXY than this shell has.")
    assert ran.err.endswith(SUCCESS)


def test_ctrl_c_leaves_the_sign_in(person: Machine, daemon: FakeDaemon) -> None:
    reply = answer(VISIT)
    reply.stays = daemon.left
    daemon.reply(wire.LOGIN, reply)
    with person.popen("keyfob", "login", "--no-browser", stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        shown = iter(process.stderr.readline, "")
        assert any(VISIT["url"] in line for line in shown)
        process.send_signal(2)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in err) == (130, False)
    assert daemon.left.wait(10)


def test_without_a_keyring_or_anybody_to_ask_the_way_out_is_named_before_success(
    person: Machine, daemon: FakeDaemon
) -> None:
    memory = {"kind": "memory", "detail": "no keyring answers here", "offer_key_file": True}
    daemon.reply(wire.LOGIN, answer({**DONE, "storage": memory, "notes": ["it ends"]}))
    ran = person.run("keyfob", "login", "--no-browser")
    assert ran.status == 0
    assert ran.err == (
        "keyfob: it ends\n"
        "keyfob: To keep sign-ins in a private file, set KEYFOB_STORAGE_KIND=key-file, then run: keyfob restart\n"
        f"{SUCCESS}"
    )


# --- logout -------------------------------------------------------------------------------------------------------


def gone(portal: str, detail: str = "") -> dict[str, Any]:
    return {"sessions": [{"name": "work", "start_url": START_URL, "portal": portal, "detail": detail}]}


@pytest.mark.parametrize(
    ("portal", "exit_status", "says"),
    [
        ("signed-out", 0, "Signed out of work.\n"),
        ("was-not-signed-in", 0, "Was not signed in to work.\n"),
        ("not-reached", 5, "was not reached (timed out)"),
    ],
)
def test_logout_says_what_became_of_it(
    person: Machine, daemon: FakeDaemon, portal: str, exit_status: int, says: str
) -> None:
    daemon.reply(wire.LOGOUT, answer(gone(portal, "timed out")))
    ran = person.run("keyfob", "logout", "work")
    assert (ran.status, ran.out) == (exit_status, "")
    assert says in ran.err
    assert daemon.bodies(wire.LOGOUT) == [{"session": "work", "config_file": str(person.config_file)}]


def test_logout_all_names_no_session(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.LOGOUT, answer(gone("signed-out")))
    assert person.run("keyfob", "sso", "logout", "--all", env={"AWS_PROFILE": "x"}).status == 0
    assert daemon.bodies(wire.LOGOUT) == [{"all": True, "config_file": str(person.config_file)}]


def test_logout_starts_no_daemon(person: Machine) -> None:
    ran = person.run("keyfob", "logout")
    assert (ran.status, ran.err) == (6, "keyfob: keyfobd is not running. Run: keyfob start\n")
