"""A connection that can be hung up by whoever no longer waits for its answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Protocol

from keyfobd.core.errors import Unreachable


class Connection(Protocol):
    """What urllib3's connections have in common."""

    @property
    def sock(self) -> socket.socket | None: ...


class Line:
    """The connection of one exchange, which whoever gave up waiting can hang up from another thread. Time-outs of a
    socket are for each of its reads: a server that drips one byte a second would keep a thread for ever."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._hung_up = False

    def use(self, connection: Connection) -> None:
        """The exchange goes over this connection from now on."""
        with self._lock:
            self._connection = connection
            if self._hung_up:
                raise Unreachable("Nobody waits for the answer any more.")

    def release(self) -> None:
        """The exchange is over; the connection may be somebody else's by now."""
        with self._lock:
            self._connection = None

    def hang_up(self) -> None:
        """End the exchange: what blocks on its socket fails at once."""
        with self._lock:
            self._hung_up = True
            found: socket.socket | None = self._connection.sock if self._connection else None
            if found is not None:
                with contextlib.suppress(OSError):
                    # Not SSLSocket.shutdown, which takes the TLS state away from under the thread that reads.
                    socket.socket.shutdown(found, socket.SHUT_RDWR)
