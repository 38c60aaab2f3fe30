"""A relay in front of the endpoint that counts: what real clients send, seen from outside the daemon.

It passes bytes on both ways and changes one thing: the port in ``Host``, which would else name the relay's own.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"


class Relay:
    """Counts the requests that came, whether they were answered or not."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[bytes] = []  # each one's header block, as it came
        self.statuses: list[int] = []
        self._threads: list[threading.Thread] = []
        self._serve(self._accept)

    def forget(self) -> None:
        self.requests.clear()
        self.statuses.clear()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accept
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _serve(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]  # our own methods
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._serve(self._pass_on, connection)

    def _pass_on(self, connection: socket.socket) -> None:
        """One connection carries one request: the endpoint closes after each answer."""
        with connection:
            head = _head(connection)
            if not head:
                return
            self.requests.append(head)
            ours, theirs = f"{HOST}:{self.port}".encode(), f"{HOST}:{self._target}".encode()
            with socket.create_connection((HOST, self._target)) as upstream:
                upstream.sendall(head.replace(ours, theirs))
                answer = b"".join(iter(lambda: upstream.recv(65536), b""))
            self.statuses.append(int(answer.split(b" ", 2)[1]) if answer else 0)
            try:
                connection.sendall(answer)
            except OSError:
                return  # hung up meanwhile: counted all the same


def _head(connection: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        more = connection.recv(65536)
        if not more:
            return b""
        got += more
    return got


@contextmanager
def relay(port: int) -> Iterator[Relay]:
    """A relay to the endpoint on this port, for as long as the block runs."""
    one = Relay(port)
    try:
        yield one
    finally:
        one.close()
