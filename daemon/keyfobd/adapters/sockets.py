"""The two sockets that are listened on: loopback TCP for SDKs, a Unix socket for the client."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING

from keyfobd.adapters.peer import holder_of_port
from keyfobd.core.errors import StartProblem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LOOPBACK = "127.0.0.1"
USUAL_LOWEST_EPHEMERAL = 32768  # Linux; macOS and the BSDs have 49152
BACKLOG = 1024


def endpoint_listener(decided: int | None, otherwise: Iterable[int]) -> socket.socket:
    """Listens on the decided port, or on the first of the others that is free. Raises StartProblem that names who has
    it."""
    if decided is not None:
        return _listener(decided)
    for port in otherwise:
        try:
            return _bound(port)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise _refusal(port, error) from None
    raise StartProblem(
        "No port for the endpoint is free.", "Set [endpoint] port in config.toml, then run: keyfob start"
    )


def _listener(port: int) -> socket.socket:
    try:
        return _bound(port)
    except OSError as error:
        raise _refusal(port, error) from None


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Without it the connections of the last daemon, in TIME_WAIT, would keep the next from the port for a minute.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((LOOPBACK, port))
        bound.listen(BACKLOG)  # here, not later: two that bound with SO_REUSEADDR learn of each other only now
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def _refusal(port: int, error: OSError) -> StartProblem:
    if error.errno != errno.EADDRINUSE:
        return StartProblem(f"Port {port} of {LOOPBACK} cannot be opened: {error.strerror}.", "Run: keyfob doctor")
    holder = holder_of_port(port)
    return StartProblem(
        f"Port {port} is taken by {holder or 'another program'}.", "When it has ended, run: keyfob start"
    )


def lowest_ephemeral_port() -> int:
    """Where the range begins from which the kernel takes ports for outgoing connections."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:  # noqa: PTH123 - one short read
            return int(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return USUAL_LOWEST_EPHEMERAL


class ControlSocket:
    """The control socket's name in the runtime folder. Whoever holds the lock owns the name: what is there is ours, or
    was left by a daemon that died."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None

    def bind(self) -> socket.socket:
        """A listening socket under that name, 0600. It is made beside and moved there, so that no client ever meets a
        socket that does not listen yet. Raises StartProblem."""
        beside = self.path.with_name("new.sock")  # no longer than the name itself: the length of both was checked
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            beside.unlink(missing_ok=True)
            bound.bind(str(beside))
            beside.chmod(0o600)
            bound.listen(BACKLOG)
            bound.setblocking(False)
            beside.replace(self.path)
            self._identity = self._found()
        except OSError as error:
            bound.close()
            raise StartProblem(
                f"The control socket {self.path} cannot be made: {error.strerror}.",
                "Mend the runtime folder (XDG_RUNTIME_DIR), then run: keyfob start",
            ) from None
        return bound

    @property
    def is_there(self) -> bool:
        """Whether the name still leads to the socket that was bound last. /run/user/UID vanishes at the last logout,
        and cleaners remove what looks old in /tmp."""
        return self._identity is not None and self._found() == self._identity

    def remove(self) -> None:
        """Takes the name away, if it is ours still."""
        if self.is_there:
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _found(self) -> tuple[int, int] | None:
        try:
            found = self.path.lstat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
