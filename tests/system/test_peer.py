"""Connections of other users, as the kernel tells them to the endpoint (security-reliability S4, on Linux)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess

import pytest

from keyfobd.adapters.peer import PeerLookup, holder_of_port
from support.endpoint import PATH, TOKEN, Running, status

NOBODY = 65534
PYTHON = "/usr/bin/python3"  # the one that runs this may lie where others cannot look
STEAL = """\
import socket, sys
port, request = int(sys.argv[1]), sys.stdin.buffer.read()
for _ in range(1000):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        try:
            connection.sendall(request)
        except ConnectionError:
            pass
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionError:
            pass
    print(answer[9:12].decode(), b"CANARY" in answer)
"""
LISTEN = """\
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
"""


def as_nobody(program: str, *arguments: str) -> list[str]:
    return ["setpriv", f"--reuid={NOBODY}", "--clear-groups", PYTHON, "-c", program, *arguments]


@pytest.mark.needs("root", "linux", "setpriv", PYTHON)
async def test_a_thousand_connections_of_another_user_with_a_stolen_token_get_nothing() -> None:
    with contextlib.closing(PeerLookup()) as lookup:
        running = Running()
        running.endpoint._peers = lookup
        thief = await asyncio.create_subprocess_exec(
            *as_nobody(STEAL, str(running.port)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/"
        )
        out, _ = await thief.communicate(running.request(target=PATH, token=TOKEN))
        lines = out.decode().splitlines()
        assert len(lines) == 1000
        assert set(lines) == {"403 False"}
        assert running.broker.asked == []
        assert running.endpoint.refused["peer"] == 1000
        assert status(await running.send(running.request())) == 200
        await running.stop()


@pytest.mark.needs("root", "linux", "setpriv", PYTHON)
def test_another_users_hold_on_a_port_is_told_with_its_name() -> None:
    command = as_nobody(LISTEN)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/") as other:
        assert other.stdout is not None
        assert other.stdin is not None
        holder = holder_of_port(int(other.stdout.readline()))
        other.stdin.close()
    assert holder is not None
    assert holder.uid == NOBODY
    assert os.getuid() != NOBODY
