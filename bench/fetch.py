"""A warm request on a new connection, beside a plain server that hands out the very same bytes."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench.table import Row, medians
from support.machine import end

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.machine import Machine

ROUNDS = 2000
BODY = "credentials.json"

# What any answer from an asyncio server in Python costs at least: accept, read the header, write, close.
BARE_SERVER = """\
import asyncio, sys
answer = open(sys.argv[1], "rb").read()
class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        if data.endswith(b"\\r\\n\\r\\n"):
            self.transport.write(answer)
            self.transport.close()
async def main():
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""

NGINX = """\
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{}}
http {{
  access_log off;
  keepalive_timeout 0;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port}; root {folder}; default_type application/json; }}
}}
"""


def warm(stage: Machine, target: str) -> Iterator[Row]:
    """Against nginx where it is installed, and always against a bare asyncio server."""
    given = json.loads(stage.run("keyfob", "env", target, "--format", "json").out)["set"]
    address = urlsplit(given["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    ours = _request(address.port or 80, address.path, given["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
    whole = _exchange(address.port or 80, ours)
    if not whole.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"the endpoint answered {whole[:60]!r}")
    with contextlib.ExitStack() as stack:
        ports = {"a bare asyncio server": stack.enter_context(_bare_server(stage, whole))}
        if shutil.which("nginx"):
            ports["nginx, the same bytes as a file"] = stack.enter_context(_nginx(stage, whole))
        measures = {"keyfobd": _timed(address.port or 80, ours)}
        measures |= {name: _timed(port, _request(port, f"/{BODY}", "none")) for name, port in ports.items()}
        found = medians(measures, ROUNDS)
    for name in ports:
        yield Row("warm fetch, new connection", found["keyfobd"] * 1000, "ms", name, found[name] * 1000)


def _request(port: int, path: str, token: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {token}\r\n\r\n".encode()


def _exchange(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def _timed(port: int, request: bytes) -> Callable[[], float]:
    def measure() -> float:
        began = time.perf_counter()
        _exchange(port, request)
        return time.perf_counter() - began

    return measure


@contextlib.contextmanager
def _bare_server(stage: Machine, whole: bytes) -> Iterator[int]:
    file = Path(stage.home, "answer")
    file.write_bytes(whole)
    process = stage.popen(sys.executable, "-c", BARE_SERVER, file, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        end(process)
        process.stdout.close()


@contextlib.contextmanager
def _nginx(stage: Machine, whole: bytes) -> Iterator[int]:
    folder = Path(stage.home, "nginx")
    folder.mkdir()
    (folder / BODY).write_bytes(whole.partition(b"\r\n\r\n")[2])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, port=port), encoding="utf-8")
    process = stage.popen("nginx", "-c", configuration, "-p", folder)
    try:
        _until_it_listens(process, port)
        yield port
    finally:
        end(process)


def _until_it_listens(process: subprocess.Popen[str], port: int) -> None:
    while process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
    raise RuntimeError(f"nginx ended with {process.returncode}")
