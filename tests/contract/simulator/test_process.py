"""``keyfob-simulator`` as people and scripts start it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from identity_center_simulator import EXAMPLE, Settings, example, parse
from identity_center_simulator.__main__ import run
from support.simulator import SimulatorProcess, open_url

COMMAND = (sys.executable, "-m", "identity_center_simulator")


def refusal(*words: str) -> str:
    """How it ends, started with words it cannot use; no process is needed to see that."""
    with pytest.raises(SystemExit) as caught:
        run(words)
    return str(caught.value.code)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_announces_itself_and_ends_cleanly_when_told(how: signal.Signals) -> None:
    words = [*COMMAND, "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.send_signal(how)
        _, err = process.communicate(timeout=30)

    url = lines[0].removeprefix("listening ").strip()
    assert lines[1:] == [
        f"export AWS_ENDPOINT_URL_SSO_OIDC={url}\n",
        f"export AWS_ENDPOINT_URL_SSO={url}\n",
        f"export AWS_ENDPOINT_URL_STS={url}\n",
    ]
    assert url.startswith("http://127.0.0.1:")
    assert "SIMULATOR" in err
    assert process.returncode == 0


def test_ends_though_a_client_hangs_on_a_fault() -> None:
    with SimulatorProcess() as simulator:
        simulator.add_fault("*", "hang")
        host, _, port = simulator.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as hanging:
            hanging.sendall(b"GET /assignment/accounts HTTP/1.1\r\nHost: localhost\r\n\r\n")
            simulator.journal("ListAccounts", at_least=1)
            simulator.stop()

            with pytest.raises(ConnectionResetError):
                hanging.recv(1000)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])  # noqa: S104 - what it must refuse
def test_listens_beyond_loopback_only_where_that_is_meant(host: str) -> None:
    found = refusal("--port", "0", "--host", host)

    assert found == f"keyfob-simulator: {host} is not a loopback address (--beyond-loopback allows it)"


def test_says_that_a_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])

        found = refusal("--port", port)

    assert found.startswith("keyfob-simulator: ")
    assert port in found


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        ("users = 3", "users must be a table"),
        ("a = = b", "Invalid"),
        ("[users.x.assignments]\n111111111111 = []", "'111111111111' is not one of none"),
    ],
)
def test_says_what_is_wrong_with_a_scenario_and_in_which_file(tmp_path: Path, scenario: str, says: str) -> None:
    file = tmp_path / "scenario.toml"
    file.write_text(scenario, encoding="utf-8")

    found = refusal("--scenario", str(file))

    assert found.startswith(f"keyfob-simulator: {file}: ")
    assert says in found


def test_says_that_there_is_no_such_scenario_file(tmp_path: Path) -> None:
    assert "none.toml" in refusal("--scenario", str(tmp_path / "none.toml"))


def test_prints_its_example_as_a_file_to_begin_from(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--example"])

    found = capsys.readouterr().out
    assert found == EXAMPLE
    assert parse(found) == example()


@pytest.mark.parametrize("port", ["-1", "65536", "many"])
def test_refuses_ports_that_there_are_not(port: str) -> None:
    assert refusal("--port", port) == "2"


def test_help_names_every_setting_and_the_ready_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal("--help") == "0"

    found = capsys.readouterr().out
    assert "`listening URL`" in found
    assert [name for name in Settings.__slots__ if name not in found] == []


def test_an_installed_command_does_the_same() -> None:
    command = Path(sys.executable).parent / "keyfob-simulator"

    found = subprocess.run([command, "--example"], capture_output=True, text=True, timeout=30, check=True)

    assert found.stdout == EXAMPLE


def test_answers_to_other_names_where_told_to() -> None:
    with SimulatorProcess("--any-host") as simulator:
        request = urllib.request.Request(f"{simulator.url}/simulator/sessions", headers={"Host": "sso.test"})

        with open_url(request) as response:
            assert response.status == 200
