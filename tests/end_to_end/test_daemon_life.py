"""The daemon as a process: how it starts, whom it refuses, and that nothing hinders the next start."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keyfob import wire
from support.machine import PATIENCE, Machine, machine

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNTIME_OF_USER = Path(f"/run/user/{os.getuid()}")


@pytest.fixture
def stage() -> Iterator[Machine]:
    with machine() as one:
        yield one


@contextlib.contextmanager
def keyfobd(stage: Machine, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """The daemon in the foreground, until it has said that it answers."""
    with stage.popen("keyfobd", stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        try:
            assert process.stdout is not None
            assert "answers at" in process.stdout.readline()
            yield process
        finally:
            process.kill()


def refused(stage: Machine, **options: Any) -> str:
    """The one line in which the daemon says why it does not start."""
    ran = stage.run("keyfobd", **options)
    assert ran.status != 0
    assert ran.out == ""
    assert ran.err.startswith("keyfobd: ")
    assert ran.err.count("\n") == 1
    return ran.err


def ask(stage: Machine, route: str, **body: Any) -> Any:
    """One word to the control socket."""
    daemon = stage.daemon()
    assert daemon is not None
    content = json.dumps(body).encode()
    head = f"POST {route} HTTP/1.0\r\n{wire.PROTOCOL_HEADER}: {wire.PROTOCOL}\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(PATIENCE)
        control.connect(daemon["control"])
        control.sendall(head.encode() + content)
        answer = b"".join(iter(lambda: control.recv(65536), b""))
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def state_file(stage: Machine, name: str) -> Path:
    return Path(wire.state_folder(stage.environ)) / name


# --- from start to stop -------------------------------------------------------------------------------------------


def test_in_the_foreground_it_says_one_line_and_answers_until_it_is_stopped(stage: Machine) -> None:
    with keyfobd(stage) as process:
        status = ask(stage, wire.STATUS)
        assert status["daemon"]["pid"] == process.pid
        assert [session["state"] for session in status["sessions"]] == ["signed-out"]
        ask(stage, wire.STOP)
        assert process.wait(PATIENCE) == 0
        assert process.communicate()[0] == ""
    assert stage.daemon() is None
    assert not list((stage.home / "run").rglob(wire.CONTROL_SOCKET))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order(stage: Machine, number: signal.Signals) -> None:
    with keyfobd(stage) as process:
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
    assert stage.daemon() is None


def test_a_second_signal_ends_it_at_once(stage: Machine) -> None:
    with keyfobd(stage) as process:
        process.send_signal(signal.SIGSTOP)  # so that both arrive before the first can be obeyed
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        assert process.wait(PATIENCE) == wire.EXIT_INTERRUPTED


def test_whoever_starts_it_is_told_by_a_descriptor_where_it_is(stage: Machine) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as ready:
        process = stage.popen("keyfobd", "--ready-fd", str(writing), pass_fds=[writing])
        os.close(writing)
        assert json.load(ready) == {"ready": stage.daemon()}
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert "ready" in state_file(stage, wire.LOG_FILE).read_text()


def test_a_call_that_hangs_does_not_delay_the_end(stage: Machine) -> None:
    """Reading may take longer here than a command is waited for: if the end waited for the call, this would fail."""
    simulator = stage.simulate()
    stage.environ["KEYFOB_NETWORK_READ_TIMEOUT"] = "60"
    assert stage.sign_in().status == 0
    simulator.post("faults", operation="GetRoleCredentials", kind="hang")
    with stage.popen("keyfob", "env", "ReadOnly@222222222222", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as env:
        assert any(len(simulator.journal("GetRoleCredentials")) for _ in range(10_000))
        assert stage.run("keyfob", "stop").status == 0
        env.communicate(timeout=PATIENCE)


def test_who_waits_for_a_sign_in_is_told_when_the_daemon_stops(stage: Machine) -> None:
    stage.simulate()
    with stage.popen("keyfob", "login", "--no-browser", stderr=subprocess.PIPE) as login:
        assert login.stderr is not None
        assert any("http://" in line for line in login.stderr)
        assert stage.run("keyfob", "stop").status == 0
        assert "cancelled" in login.communicate(timeout=PATIENCE)[1]
        assert login.returncode == wire.EXIT_SIGN_IN_NEEDED


def test_two_homes_with_one_runtime_folder_have_a_daemon_each_and_their_clients_find_it(stage: Machine) -> None:
    with machine() as other:
        other.environ["XDG_RUNTIME_DIR"] = stage.environ["XDG_RUNTIME_DIR"]
        with keyfobd(stage) as first, keyfobd(other) as second:
            assert ask(stage, wire.VERSION)["pid"] == first.pid
            assert ask(other, wire.VERSION)["pid"] == second.pid
            assert stage.run("keyfob", "stop").status == 0
            assert first.wait(PATIENCE) == 0
            assert ask(other, wire.VERSION)["pid"] == second.pid
            assert second.poll() is None


# --- one at a time, and the next after it ---------------------------------------------------------------------------


def test_a_second_one_is_refused_and_told_the_pid_of_the_first(stage: Machine) -> None:
    with keyfobd(stage) as first:
        assert f"already running (pid {first.pid})" in refused(stage)
        assert ask(stage, wire.VERSION)["pid"] == first.pid


def test_many_starts_at_once_make_one_daemon(stage: Machine) -> None:
    starts = [stage.popen("keyfob", "start", stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(6)]
    said = [start.communicate(timeout=PATIENCE)[1] for start in starts]
    assert [start.returncode for start in starts] == [0] * len(starts), said
    daemon = stage.daemon()
    assert daemon is not None
    assert all(f"pid {daemon['pid']}," in line for line in said), said


def test_after_a_kill_the_next_has_the_same_port_tokens_and_sessions(stage: Machine) -> None:
    simulator = stage.simulate()
    assert stage.sign_in().status == 0
    before = shell_variables(stage)
    daemon = stage.daemon()
    assert daemon is not None
    kill(daemon["pid"])
    assert shell_variables(stage) == before
    assert stage.daemon() != daemon
    assert len(simulator.journal("StartDeviceAuthorization")) == 1


def kill(pid: int) -> None:
    """Returns when it is dead, which is a little after the signal."""
    gone = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([gone], [], [], PATIENCE)[0]
    os.close(gone)


def shell_variables(stage: Machine) -> dict[str, str]:
    """What tools of a shell ask with."""
    ran = stage.run("keyfob", "env", "ReadOnly@222222222222", "--format", "json")
    assert ran.status == 0, ran.err
    return {name: value for name, value in json.loads(ran.out)["set"].items() if "CONTAINER" in name}


def test_the_control_socket_comes_back_when_its_name_is_gone(stage: Machine) -> None:
    with keyfobd(stage) as process:
        (path,) = (stage.home / "run" / "keyfob").rglob(wire.CONTROL_SOCKET)
        path.unlink()
        status = stage.run("keyfob", "status")  # finds the lock held and no socket, and sends SIGHUP
        assert status.status in (wire.EXIT_DONE, wire.EXIT_SIGN_IN_NEEDED), status.err
        assert ask(stage, wire.VERSION)["pid"] == process.pid


def test_it_lives_on_when_its_whole_runtime_folder_is_gone(stage: Machine) -> None:
    with keyfobd(stage) as process:
        folder = stage.home / "run" / "keyfob"
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()
        assert stage.run("keyfob", "status").status in (wire.EXIT_DONE, wire.EXIT_SIGN_IN_NEEDED)
        assert ask(stage, wire.VERSION)["pid"] == process.pid


# --- what keeps it from starting, in one line each --------------------------------------------------------------------


def test_every_mistake_in_the_settings_is_named_with_its_line(stage: Machine) -> None:
    folder = stage.home / ".config" / "keyfob"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('[endpoint]\nport = "high"\n\n[nonsense]\n', encoding="utf-8")
    line = refused(stage)
    assert "config.toml, line 2" in line
    assert "nonsense" in line


def test_why_there_is_no_daemon_is_told_by_the_descriptor_as_well(stage: Machine) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as ready:
        ran = stage.run("keyfobd", "--ready-fd", str(writing), pass_fds=[writing], env={"KEYFOB_ENDPOINT_PORT": "none"})
        os.close(writing)
        error = json.load(ready)["error"]
    assert error["exit"] == ran.status
    assert "KEYFOB_ENDPOINT_PORT" in error["message"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_disk_that_is_full_is_said_though_stderr_is_on_it(stage: Machine) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as ready, Path("/dev/full").open("w") as full:
        ran = stage.run(
            "bash", "-c", f"ulimit -f 0; exec keyfobd --ready-fd {writing}", pass_fds=[writing], stderr=full
        )
        os.close(writing)
        error = json.load(ready)["error"]
    assert ran.status == error["exit"] == wire.EXIT_NOT_RUNNING
    assert f"{wire.LOCK_FILE} cannot be written: File too large." in error["message"]
    assert error["hint"] == "Make room, then run: keyfob start"


def test_a_table_that_cannot_be_written_is_a_start_that_failed(stage: Machine) -> None:
    file = state_file(stage, "tokens.db")
    file.parent.parent.mkdir(parents=True, mode=0o700)
    file.mkdir(parents=True)
    file.parent.chmod(0o700)
    assert "then run: keyfob start" in refused(stage)
    assert stage.run("keyfobd").status == wire.EXIT_NOT_RUNNING


def test_a_port_that_is_taken_is_said_with_its_holder(stage: Machine) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        line = refused(stage, env={"KEYFOB_ENDPOINT_PORT": str(port)})
    assert f"Port {port} is taken" in line
    assert f"pid {os.getpid()}" in line


def test_a_port_that_was_chosen_before_is_not_changed_in_passing(stage: Machine) -> None:
    with keyfobd(stage):
        daemon = stage.daemon()
    assert daemon is not None
    line = refused(stage, env={"KEYFOB_ENDPOINT_PORT": "6789"})
    assert "6789" in line
    assert str(daemon["port"]) in line


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to somebody else")
def test_a_runtime_folder_of_somebody_else_is_not_used(stage: Machine) -> None:
    folder = stage.home / "run" / "keyfob"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    assert "belongs to uid 12345" in refused(stage)


def test_a_runtime_folder_that_is_open_to_others_is_not_used(stage: Machine) -> None:
    folder = stage.home / "run" / "keyfob"
    folder.mkdir()
    folder.chmod(0o777)
    assert f"chmod 700 {folder}" in refused(stage)


def test_a_runtime_folder_that_is_too_deep_for_a_socket_is_said(stage: Machine) -> None:
    deep = stage.home / ("d" * 90)
    deep.mkdir(mode=0o700)
    assert "bytes long" in refused(stage, env={"XDG_RUNTIME_DIR": str(deep)})


@pytest.mark.skipif(RUNTIME_OF_USER.exists(), reason="the person's own runtime folder would be used")
def test_without_a_runtime_folder_there_is_a_private_one_among_the_temporary_files(stage: Machine) -> None:
    del stage.environ["XDG_RUNTIME_DIR"]
    stage.environ["TMPDIR"] = str(stage.home)
    with keyfobd(stage):
        daemon = stage.daemon()
        assert daemon is not None
        assert daemon["control"].startswith(str(stage.home))
        assert ask(stage, wire.VERSION)["pid"] == daemon["pid"]


def test_a_state_folder_that_cannot_be_written_is_said(stage: Machine) -> None:
    (stage.home / "file").touch()  # below a file nothing can be made, not even by root
    assert "cannot be made" in refused(stage, env={"XDG_STATE_HOME": str(stage.home / "file")})


# --- its own environment ----------------------------------------------------------------------------------------------


def test_what_the_spawning_shell_has_of_aws_does_not_reach_it(stage: Machine) -> None:
    simulator = stage.simulate()
    stage.environ |= {
        "AWS_PROFILE": "missing",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_CA_BUNDLE": str(stage.home / "none.pem"),
    }
    del stage.environ["AWS_CA_BUNDLE"]
    assert stage.sign_in("work").status == 0
    assert len(simulator.journal("CreateToken")) >= 1
    network = ask(stage, wire.STATUS)["daemon"]["network"]
    assert set(network) == set(wire.SERVICE_ENDPOINT_VARIABLES)


def test_no_secret_is_in_the_log_however_much_is_logged(stage: Machine) -> None:
    stage.simulate()
    stage.environ["KEYFOB_LOG_LEVEL"] = "debug"
    assert stage.sign_in().status == 0
    token = shell_variables(stage)["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    keys = json.loads(stage.run("keyfob", "credential-process", "ReadOnly@222222222222").out)
    assert stage.run("keyfob", "logout").status == 0
    log = state_file(stage, wire.LOG_FILE).read_text(encoding="utf-8")
    assert "signed in to work" in log
    assert " DEBUG keyfobd" in log
    for secret in (token, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]):
        assert secret not in log


def test_a_config_file_that_breaks_leaves_the_last_good_one_in_force_and_is_said(stage: Machine) -> None:
    with keyfobd(stage):
        good = stage.config_file.read_text(encoding="utf-8")
        stage.config_file.write_text(good + "nonsense\n", encoding="utf-8")
        status = ask(stage, wire.STATUS)
        assert f"{stage.config_file}, line 5" in status["daemon"]["detail"]
        assert [session["name"] for session in status["sessions"]] == ["work"]
        stage.config_file.write_text(good.replace("work", "lab"), encoding="utf-8")
        status = ask(stage, wire.STATUS)
        assert status["daemon"]["detail"] is None
        assert [session["name"] for session in status["sessions"]] == ["lab"]


def test_a_request_that_was_meant_for_another_config_file_is_refused(stage: Machine) -> None:
    with keyfobd(stage):
        answer = ask(stage, wire.ENV, profile="work", config_file="/elsewhere/config")
        assert answer["exit"] == wire.EXIT_NOT_RUNNING
        assert "/elsewhere/config" in answer["message"]
        assert str(stage.config_file) in answer["message"]
