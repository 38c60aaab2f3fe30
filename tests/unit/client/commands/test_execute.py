"""``keyfob exec`` becomes the command: its environment, its signals, its exit status."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from keyfob import wire
from support.fake_daemon import CREDENTIALS, ENV, SIGN_IN_NEEDED, FakeDaemon, answer, refusal

if TYPE_CHECKING:
    from support.machine import Machine


@pytest.fixture
def daemon(daemon: FakeDaemon) -> FakeDaemon:
    daemon.reply(wire.EXEC, answer(ENV))
    daemon.reply(wire.ENV, answer(ENV))
    daemon.reply(wire.CREDENTIAL_PROCESS, answer(CREDENTIALS))
    return daemon


@pytest.mark.usefixtures("daemon")
def test_the_command_has_the_role_and_no_other_identity(person: Machine) -> None:
    ran = person.run("keyfob", "exec", "dev", "--", "env", env={"AWS_PROFILE": "x", "MINE": "kept"})
    found = dict(line.split("=", 1) for line in ran.out.splitlines())
    assert found["AWS_CONTAINER_AUTHORIZATION_TOKEN"] == ENV["token"]
    assert found["MINE"] == "kept"
    assert "AWS_PROFILE" not in found


@pytest.mark.usefixtures("daemon")
def test_it_is_the_same_process_and_not_a_wrapper(person: Machine) -> None:
    with person.popen("keyfob", "exec", "dev", "--", "sh", "-c", "echo $$", stdout=subprocess.PIPE) as process:
        out, _ = process.communicate(timeout=30)
    assert int(out) == process.pid


@pytest.mark.usefixtures("daemon")
def test_the_commands_own_words_are_left_alone(person: Machine) -> None:
    ran = person.run("keyfob", "exec", "dev", "--", "printf", "%s,", "--debug", "--", "-h", "a b")
    assert ran.out == "--debug,--,-h,a b,"


@pytest.mark.usefixtures("daemon")
def test_its_exit_status_is_the_commands(person: Machine) -> None:
    assert person.run("keyfob", "exec", "dev", "--", "sh", "-c", "exit 42").status == 42


@pytest.mark.usefixtures("daemon")
def test_a_broken_pipe_ends_the_command_as_it_would_without_us(person: Machine) -> None:
    ran = person.run("bash", "-c", "keyfob exec dev -- yes | head -1 >/dev/null; echo ${PIPESTATUS[0]}")
    assert ran.out == "141\n"  # 128 + SIGPIPE, which Python ignores for itself


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("number", [signal.SIGPIPE, signal.SIGXFSZ])
def test_the_command_ignores_no_signal_because_python_does(person: Machine, number: signal.Signals) -> None:
    ran = person.run("keyfob", "exec", "dev", "--", "sh", "-c", f"ulimit -c 0; kill -{number:d} $$")
    assert ran.status == -number


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize(
    ("command", "status", "says"),
    [
        (["no-such-command"], 127, "there is no such command"),
        (["/no/such"], 127, "there is no such command"),
        (["./text/x"], 127, "there is no such command"),
        (["./text"], 126, "no #! line"),
        (["./closed"], 126, "Permission denied"),
        (["."], 126, "cannot be run"),
    ],
)
def test_what_cannot_be_run_ends_as_in_a_shell(person: Machine, command: list[str], status: int, says: str) -> None:
    (person.home / "text").write_text("words", encoding="utf-8")
    (person.home / "text").chmod(0o700)
    (person.home / "closed").write_text("words", encoding="utf-8")
    ran = person.run("keyfob", "exec", "dev", "--", *command)
    assert (ran.status, ran.out) == (status, "")
    assert says in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.usefixtures("daemon")
def test_what_the_kernel_does_not_take_is_125(person: Machine) -> None:
    ran = person.run("keyfob", "exec", "dev", "--", "")
    assert (ran.status, ran.err.count("\n")) == (125, 1)


def test_what_is_too_long_for_the_kernel_is_125(person: Machine, daemon: FakeDaemon) -> None:
    # An argument of this length would not have reached keyfob itself; a variable counts as one.
    daemon.reply(wire.EXEC, answer({**ENV, "token": "x" * 2_000_000}))
    ran = person.run("keyfob", "exec", "dev", "--", "true")
    assert (ran.status, ran.out) == (125, "")
    assert "too long" in ran.err
    assert len(ran.err) < 200


def test_help_says_what_its_exit_statuses_mean(person: Machine) -> None:
    assert "125 says that keyfob could not start it" in person.run("keyfob", "exec", "--help").out


def test_what_keeps_keyfob_from_starting_it_is_125(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.EXEC, refusal(SIGN_IN_NEEDED))
    ran = person.run("keyfob", "exec", "dev", "--", "true")
    assert (ran.status, ran.out) == (125, "")
    assert ran.err == f"keyfob: {SIGN_IN_NEEDED['message']} {SIGN_IN_NEEDED['hint']}\n"


@pytest.mark.parametrize("words", [["dev"], ["dev", "--"], ["dev", "aws", "s3", "ls"], ["dev", "x", "--", "true"]])
def test_a_line_without_a_command_is_no_use(person: Machine, words: list[str]) -> None:
    ran = person.run("keyfob", "exec", *words)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("keyfob: exec: ")


def test_keep_is_a_duration(person: Machine, daemon: FakeDaemon) -> None:
    assert person.run("keyfob", "exec", "dev", "--keep", "8h", "--", "true").status == 0
    assert daemon.bodies(wire.EXEC)[0]["keep"] == 8 * 3600
    assert person.run("keyfob", "exec", "dev", "--keep", "long", "--", "true").status == 2


def test_keys_need_no_token(person: Machine, daemon: FakeDaemon) -> None:
    ran = person.run("keyfob", "exec", "dev", "--keys", "--", "sh", "-c", "echo $AWS_ACCESS_KEY_ID")
    assert ran.out == "ASIAMADEUP\n"
    assert daemon.bodies(wire.EXEC) == []


def test_wait_for_login_starts_the_command_all_the_same(person: Machine, daemon: FakeDaemon) -> None:
    daemon.reply(wire.EXEC, refusal(SIGN_IN_NEEDED), answer(ENV))
    ran = person.run("keyfob", "exec", "dev", "--wait-for-login", "--", "echo", "started")
    assert (ran.status, ran.out) == (0, "started\n")
    assert [body.get("fetch") for body in daemon.bodies(wire.EXEC)] == [None, False]
    assert "keyfob login work" in ran.err


def test_wait_for_login_does_not_hide_other_failures(person: Machine, daemon: FakeDaemon) -> None:
    not_permitted = refusal({"code": "not-permitted", "message": "Not assigned.", "hint": "", "exit": 4})
    daemon.reply(wire.EXEC, not_permitted, answer(ENV))
    assert person.run("keyfob", "exec", "dev", "--wait-for-login", "--", "true").status == 125
    assert len(daemon.bodies(wire.EXEC)) == 1


def test_an_interrupted_exec_starts_nothing(person: Machine, daemon: FakeDaemon) -> None:
    reply = answer()
    reply.stays = daemon.left
    daemon.reply(wire.EXEC, reply)
    command = ("keyfob", "exec", "dev", "--", "echo", "started")
    with person.popen(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        daemon.wait_for(wire.EXEC)
        process.send_signal(2)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "")
