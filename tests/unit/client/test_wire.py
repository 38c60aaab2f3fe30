"""What both sides must find alike: this machine, processes, the daemon's file, and URLs that may be shown."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from keyfob import wire

if TYPE_CHECKING:
    from pathlib import Path


def test_a_machines_name_is_one_folder() -> None:
    name = wire.machine_name()
    assert name
    assert not set(name) & set("/. \n")
    assert wire.machine_name() == name


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_process_is_known_by_its_start_time() -> None:
    assert wire.process_start_time(os.getpid()).isdigit()
    assert wire.process_start_time(os.getpid()) == wire.process_start_time(os.getpid())
    assert wire.process_start_time(2**22 + 1) == ""  # above the highest pid there can be


FOUND: dict[str, Any] = {"pid": 1, "start_time": "1", "control": "/run/x", "port": 1, "version": "1", "protocol": 1,
                         "config_file": "/c"}  # fmt: skip


def test_a_daemon_file_is_read_back(tmp_path: Path) -> None:
    (tmp_path / wire.DAEMON_FILE).write_text(json.dumps(FOUND), encoding="utf-8")
    assert wire.read_daemon_file(str(tmp_path)) == FOUND


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"pid": "1", "control": "x"}', b'{"pid": 1}'])
def test_a_daemon_file_that_makes_no_sense_is_none(tmp_path: Path, content: bytes) -> None:
    assert wire.read_daemon_file(str(tmp_path)) is None
    (tmp_path / wire.DAEMON_FILE).write_bytes(content)
    assert wire.read_daemon_file(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("http://me:p@ss@proxy:3128/x@y", "http://***@proxy:3128/x@y"),
        ("me:secret@proxy:3128", "***@proxy:3128"),
        ("/etc/ssl/ca.pem", "/etc/ssl/ca.pem"),
    ],
)
def test_a_password_in_a_url_is_never_shown(url: str, shown: str) -> None:
    assert wire.without_password(url) == shown


def test_the_network_environment_is_what_decides_how_identity_center_is_reached() -> None:
    environ = {"HTTPS_PROXY": "http://a:b@c", "NO_PROXY": "", "AWS_CA_BUNDLE": "/ca", "AWS_ENDPOINT_URL": "http://x"}
    assert wire.network_environment(environ) == {"HTTPS_PROXY": "http://***@c", "AWS_CA_BUNDLE": "/ca"}
