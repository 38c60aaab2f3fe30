"""``keyfob env`` as a real process against a daemon that says what the test tells it to."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keyfob import wire
from support.fake_daemon import CREDENTIALS, ENV, SIGN_IN_NEEDED, FakeDaemon, answer, refusal

if TYPE_CHECKING:
    from support.machine import Machine, Ran


@pytest.fixture
def daemon(daemon: FakeDaemon) -> FakeDaemon:
    daemon.reply(wire.ENV, answer(ENV))
    daemon.reply(wire.CREDENTIAL_PROCESS, answer(CREDENTIALS))
    return daemon


def change(person: Machine, *words: str, **environ: str) -> dict[str, Any]:
    ran = person.run("keyfob", "env", "--format", "json", *words, env=environ)
    assert ran.status == 0, ran.err
    found: dict[str, Any] = json.loads(ran.out)
    return found


def evaluated(person: Machine, *words: str, then: str = "env -0", **environ: str) -> Ran:
    """A script that stops at errors evaluates what ``keyfob env`` prints."""
    script = f'eval "$(keyfob env {" ".join(words)})"; {then}'
    return person.run("bash", "-ec", script, env=environ)


@pytest.mark.usefixtures("daemon")
def test_a_shell_that_evaluates_it_has_the_role_and_no_other_identity(person: Machine) -> None:
    ran = evaluated(person, "dev", AWS_PROFILE="other", AWS_ACCESS_KEY_ID="x")
    found = dict(entry.split("=", 1) for entry in ran.out.split("\0") if entry)
    assert found["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == ENV["url"]
    assert found["AWS_CONTAINER_AUTHORIZATION_TOKEN"] == ENV["token"]
    assert found["KEYFOB_ROLE"] == "ReadOnly@Sandbox"
    assert not {"AWS_PROFILE", "AWS_ACCESS_KEY_ID"} & set(found)
    assert (ran.status, ran.err) == (0, "")


def test_the_daemon_is_asked_with_the_words_that_were_typed(person: Machine, daemon: FakeDaemon) -> None:
    change(person, "ReadOnly@Sandbox", "--no-fetch", AWS_PROFILE="ignored")
    assert daemon.bodies(wire.ENV) == [
        {"target": "ReadOnly@Sandbox", "fetch": False, "config_file": str(person.config_file)}
    ]


@pytest.mark.parametrize(
    ("words", "environ", "asked"),
    [
        (["--profile", "dev"], {}, {"profile": "dev"}),
        ([], {"AWS_PROFILE": "dev"}, {"profile": "dev"}),
        (["--sso-session", "s"], {"AWS_PROFILE": "dev"}, {"profile": "dev", "sso_session": "s"}),
        (["--profile", "dev", "--role-name", "R"], {}, {"profile": "dev", "role_name": "R"}),
        (["--account-id", "1", "--role-name=R", "--sso-session", "s"], {"AWS_PROFILE": "dev"},
         {"account_id": "1", "role_name": "R", "sso_session": "s"}),
        ([], {}, {}),
    ],
)  # fmt: skip
def test_the_aws_clis_words_stand_for_target(
    person: Machine, daemon: FakeDaemon, words: list[str], environ: dict[str, str], asked: dict[str, str]
) -> None:
    change(person, *words, **environ)
    assert daemon.bodies(wire.ENV) == [{**asked, "config_file": str(person.config_file)}]


def test_the_callers_own_config_file_goes_along(person: Machine, daemon: FakeDaemon) -> None:
    change(person, "dev", AWS_CONFIG_FILE="~/other")
    assert daemon.bodies(wire.ENV)[0]["config_file"] == str(person.home / "other")


@pytest.mark.usefixtures("daemon")
def test_token_in_goes_before_the_daemons_setting(person: Machine) -> None:
    assert "AWS_CONTAINER_AUTHORIZATION_TOKEN" in change(person, "dev", "--token-in", "file")["unset"]


@pytest.mark.usefixtures("daemon")
def test_keys_are_plain_and_said_to_end(person: Machine) -> None:
    ran = person.run("keyfob", "env", "dev", "--keys", "--format=dotenv")
    assert "AWS_SECRET_ACCESS_KEY=made/up+secret\n" in ran.out
    assert "FULL_URI" not in ran.out
    assert "end at 2026-11-23T14:00:00Z, and nothing renews them" in ran.err


def test_what_the_daemon_has_to_say_goes_to_stderr(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.ENV, answer({**ENV, "notes": ["offline, but valid until 14:00"]}))
    ran = person.run("keyfob", "env", "dev")
    assert ran.err == "keyfob: offline, but valid until 14:00\n"


# --- failing closed -----------------------------------------------------------------------------------------------


def test_where_it_fails_eval_fails_with_its_status_and_no_earlier_role_stays(
    person: Machine, daemon: FakeDaemon
) -> None:
    daemon.reply(wire.ENV, refusal(SIGN_IN_NEEDED))
    ran = person.run("sh", "-c", 'eval "$(keyfob env dev)"; echo "$? ${AWS_PROFILE-none} ${KEYFOB_ROLE-none}"',
                     env={"AWS_PROFILE": "earlier", "KEYFOB_ROLE": "earlier"})  # fmt: skip
    assert ran.out == "3 none none\n"
    assert ran.err == f"keyfob: {SIGN_IN_NEEDED['message']} {SIGN_IN_NEEDED['hint']}\n"


@pytest.mark.parametrize(
    ("words", "status"),
    [(["--bogus"], 2), (["dev", "x"], 2), (["dev", "--format", "tcsh"], 2), (["--no-start", "dev"], 6),
     (["dev", "--", "true"], 2)],
)  # fmt: skip
def test_whatever_goes_wrong_a_script_stops(person: Machine, words: list[str], status: int) -> None:
    ran = evaluated(person, *words, then="echo went on")
    assert (ran.status, ran.out) == (status, "")
    assert ran.err.startswith("keyfob: ")
    assert ran.err.count("\n") == 1


def test_in_a_data_format_nothing_is_printed_on_failure(person: Machine) -> None:
    ran = person.run("keyfob", "env", "--no-start", "dev", "--format", "json")
    assert (ran.status, ran.out) == (6, "")


def test_the_format_is_honoured_even_in_a_line_that_cannot_be_read(person: Machine) -> None:
    assert "set -eg AWS_PROFILE;" in person.run("keyfob", "env", "--bogus", "--format=fish").out


def test_a_name_from_aws_profile_is_said_to_be(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.ENV, refusal({"code": "unknown-target", "message": "No profile gone.", "hint": "", "exit": 2}))
    ran = person.run("keyfob", "env", env={"AWS_PROFILE": "gone"})
    assert ran.err == "keyfob: No profile gone. (The name is from AWS_PROFILE.)\n"


def test_a_full_disk_is_said(person: Machine, daemon: FakeDaemon) -> None:
    del daemon
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ran = person.run("keyfob", "env", "--clear", stdout=full)
    assert ran.status == 1
    assert ran.err == "keyfob: The result cannot be written: No space left on device.\n"


def test_help_is_no_failure(person: Machine) -> None:
    ran = person.run("keyfob", "env", "--help")
    assert ran.status == 0
    assert ran.out.startswith("usage: keyfob env [TARGET] [options]\n")


# --- the right identity or none -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("daemon")
def test_a_default_identity_is_hidden_behind_files_with_region_and_output_alone(person: Machine) -> None:
    person.config_file.write_text("[default]\nrole_arn = x\noutput = text\nregion = eu-west-3\n", encoding="utf-8")
    ran = person.run("keyfob", "env", "dev", "--format", "json")
    assert "[default] in" in ran.err
    assert "role_arn (line 2)" in ran.err
    found = json.loads(ran.out)["set"]
    config, credentials = (Path(found[name]) for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"))
    assert config.read_text("utf-8").splitlines()[1:] == ["[default]", "region = eu-west-3", "output = text"]
    assert credentials.read_text("utf-8").splitlines()[1:] == []
    assert config.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("daemon")
def test_keys_in_the_credentials_file_count_too(person: Machine) -> None:
    (person.config_file.parent / "credentials").write_text("[default]\naws_access_key_id = x\n", encoding="utf-8")
    assert "AWS_CONFIG_FILE" in change(person, "dev")["set"]


def test_a_profile_of_keyfobs_own_for_this_role_is_named_instead(person: Machine, daemon: FakeDaemon) -> None:
    person.config_file.write_text(
        "[default]\nrole_arn = x\n[profile dev]\ncredential_process = keyfob credential-process x\n", encoding="utf-8"
    )
    daemon.reply(wire.ENV, answer({**ENV, "keyfob_profile": "dev"}))
    for words in ([], ["--keep-config"]):
        found = change(person, "x", *words)
        assert found["set"]["AWS_PROFILE"] == "dev"
        assert "AWS_CONFIG_FILE" not in found["set"]


@pytest.mark.usefixtures("daemon")
def test_keep_config_refuses_where_default_would_win(person: Machine) -> None:
    person.config_file.write_text("[default]\nrole_arn = x\n", encoding="utf-8")
    ran = person.run("keyfob", "env", "dev", "--keep-config")
    assert ran.status == 1
    assert "it would be used instead. Leave out --keep-config." in ran.err


@pytest.mark.usefixtures("daemon")
def test_keep_config_changes_nothing_where_nothing_would_win(person: Machine) -> None:
    assert "AWS_CONFIG_FILE" not in change(person, "dev", "--keep-config")["set"]


def test_a_second_env_looks_behind_the_stand_ins_of_the_first(person: Machine, daemon: FakeDaemon) -> None:
    person.config_file.write_text("[default]\nrole_arn = x\n", encoding="utf-8")
    first = change(person, "dev")["set"]
    assert change(person, "dev", **first)["set"]["AWS_CONFIG_FILE"] == first["AWS_CONFIG_FILE"]
    assert daemon.bodies(wire.ENV)[1]["config_file"] == str(person.config_file)


@pytest.mark.usefixtures("daemon")
def test_clear_puts_back_the_files_that_a_shell_had_before(person: Machine) -> None:
    mine = person.home / "mine"
    mine.write_text("[default]\nrole_arn = x\n", encoding="utf-8")
    managed = change(person, "dev", AWS_CONFIG_FILE=str(mine))["set"]
    cleared = change(person, "--clear", **managed)
    assert cleared["set"] == {"AWS_CONFIG_FILE": str(mine)}
    assert {"AWS_SHARED_CREDENTIALS_FILE", *managed} - {"AWS_CONFIG_FILE"} <= set(cleared["unset"])


def test_clear_needs_no_daemon(person: Machine) -> None:
    assert evaluated(person, "--clear", then='echo "${KEYFOB_ROLE-none}"', KEYFOB_ROLE="x").out == "none\n"


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[default]\nregion\n", "line 2: neither a [section] nor key = value"),
        (b"[default]\nx = \xff\n", "is not UTF-8"),
    ],
)
def test_a_broken_config_file_is_named_with_its_line(person: Machine, content: bytes, says: str) -> None:
    person.config_file.write_bytes(content)
    ran = person.run("keyfob", "env", "dev")
    assert ran.status == 1
    assert str(person.config_file) in ran.err
    assert says in ran.err


def test_nothing_of_a_token_is_in_any_message(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.ENV, answer({name: ENV[name] for name in ENV if name != "url"}))
    for debug in ([], ["--debug"]):
        ran = person.run("keyfob", *debug, "env", "dev")
        assert ran.status == 1
        assert ENV["token"] not in ran.out + ran.err


def test_an_interrupted_env_leaves_a_line_that_fails(person: Machine, daemon: FakeDaemon) -> None:
    reply = answer()
    reply.stays = daemon.left
    daemon.reply(wire.ENV, reply)
    with person.popen("keyfob", "env", "dev", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        daemon.wait_for(wire.ENV)
        process.send_signal(2)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "")
    assert out.endswith("(exit 130)\n")
