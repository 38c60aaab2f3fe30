"""The sockets that are listened on, for real."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from keyfobd.adapters.sockets import ControlSocket, _refusal, endpoint_listener, lowest_ephemeral_port
from keyfobd.core.errors import StartProblem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_decided_port_is_listened_on_at_loopback_alone(taken: int) -> None:
    with endpoint_listener(free_port(taken), ()) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        with socket.create_connection(listener.getsockname()):
            pass


def test_a_decided_port_that_is_taken_is_refused_and_its_holder_named(taken: int) -> None:
    with pytest.raises(StartProblem, match=f"Port {taken} is taken by .*pid {os.getpid()}"):
        endpoint_listener(taken, ())


def test_without_a_decided_port_a_taken_one_is_passed_over(taken: int) -> None:
    free = free_port(taken)
    with endpoint_listener(None, (taken, free)) as listener:
        assert listener.getsockname()[1] == free


def test_without_a_free_port_there_is_no_start(taken: int) -> None:
    with pytest.raises(StartProblem, match="No port"):
        endpoint_listener(None, (taken,))


def test_the_ephemeral_range_is_known() -> None:
    assert 1024 <= lowest_ephemeral_port() < 65536


def test_the_control_socket_is_ours_alone(tmp_path: Path) -> None:
    control = ControlSocket(tmp_path / "control.sock")
    with control.bind():
        assert stat.S_IMODE(control.path.stat().st_mode) == 0o600
        assert control.is_there
        assert list(tmp_path.iterdir()) == [control.path]
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(control.path))


def test_what_a_dead_daemon_left_does_not_hinder(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    ControlSocket(path).bind().close()
    with ControlSocket(path).bind(), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_name_that_is_gone_or_leads_elsewhere_is_noticed(tmp_path: Path) -> None:
    control = ControlSocket(tmp_path / "control.sock")
    with control.bind():
        control.path.unlink()
        assert not control.is_there
        control.path.touch()
        assert not control.is_there
    with control.bind():
        assert control.is_there


def test_only_our_own_name_is_removed(tmp_path: Path) -> None:
    control = ControlSocket(tmp_path / "control.sock")
    with control.bind():
        control.remove()
        assert not control.path.exists()
        control.path.touch()
        control.remove()
        assert control.path.exists()


def test_a_folder_that_is_not_there_is_a_start_problem(tmp_path: Path) -> None:
    with pytest.raises(StartProblem, match="control socket"):
        ControlSocket(tmp_path / "missing" / "control.sock").bind()


def free_port(not_this: int) -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    assert port != not_this
    return port


def test_a_port_that_may_not_be_opened_is_said_with_the_reason() -> None:
    refusal = _refusal(80, PermissionError(13, "Permission denied"))
    assert "Permission denied" in refusal.message
