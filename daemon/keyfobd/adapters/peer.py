"""Whose process is at the other end of a connection.

Loopback TCP: Linux tells by ``NETLINK_SOCK_DIAG`` (sock_diag(7)): the exact socket at the other end, its owner and its
inode, in some 15 µs and for every user's sockets. Nothing of the kind is asked elsewhere: ``PeerLookup.works`` is False
there, and the token alone is the gate.

Unix sockets: ``SO_PEERCRED`` on Linux, ``LOCAL_PEERCRED`` and ``LOCAL_PEERPID`` on macOS, fixed by the kernel when the
peer connected.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import struct
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_TCP_LISTEN = 10
_ALL_STATES = 0xFFFFFFFF
_NO_COOKIE = b"\xff" * 8

# struct nlmsghdr; then struct inet_diag_req_v2 up to its socket id; the id's ports; and struct inet_diag_msg's tail.
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI")
_PORTS = struct.Struct("!HH")
_FAMILY_AND_STATE = struct.Struct("=BBxx")
_TAIL = struct.Struct("=IIIII")  # expires, rqueue, wqueue, uid, inode
_ID_LENGTH = 48  # struct inet_diag_sockid: two ports, two addresses of 16 bytes, interface, cookie
_ANSWER_LENGTH = _HEADER.size + _FAMILY_AND_STATE.size + _ID_LENGTH + _TAIL.size

Address = tuple[str, int]


class PeerLookup:
    """Who owns the other end of a loopback TCP connection of ours. Tried once, here, on a connection of our own."""

    def __init__(self) -> None:
        self._netlink: socket.socket | None = None
        self._sequence = 0
        self.works = sys.platform == "linux" and self._works_on_ourselves()

    def uid_of(self, peer: Address, own: Address) -> int | None:
        """The user whose socket is connected from ``peer`` to ``own`` (IPv4), or None: gone, orphaned, or unknown."""
        try:
            return self._ask(peer, own)
        except (OSError, struct.error):
            self.close()  # the next question gets a new socket, with no late answer in it
            return None

    def close(self) -> None:
        """Give the socket back."""
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def _works_on_ourselves(self) -> bool:
        with contextlib.closing(socket.socket()) as listener, contextlib.closing(socket.socket()) as client:
            try:
                listener.bind(("127.0.0.1", 0))
                listener.listen(1)
                client.connect(listener.getsockname())
            except OSError:
                return False
            return self.uid_of(client.getsockname(), listener.getsockname()) == os.getuid()

    def _ask(self, peer: Address, own: Address) -> int | None:
        if self._netlink is None:
            # Non-blocking: the kernel answers within sendto, so an answer that is not there will not come.
            flags = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            self._netlink = socket.socket(socket.AF_NETLINK, flags, _NETLINK_SOCK_DIAG)
        self._sequence = self._sequence % 0xFFFFFFFF + 1
        self._netlink.sendto(_question(self._sequence, peer, own), (0, 0))
        return _owner(self._netlink.recv(512), self._sequence, peer, own)


def _question(sequence: int, peer: Address, own: Address) -> bytes:
    body = _REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, _ALL_STATES)
    body += _PORTS.pack(peer[1], own[1])
    body += IPv4Address(peer[0]).packed.ljust(16, b"\0") + IPv4Address(own[0]).packed.ljust(16, b"\0")
    body += bytes(4) + _NO_COOKIE
    return _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, sequence, 0) + body


def _owner(answer: bytes, sequence: int, peer: Address, own: Address) -> int | None:
    """The uid in an answer to ``_question``; None unless it speaks of that very connection and of a living owner."""
    if len(answer) < _ANSWER_LENGTH:
        return None  # NLMSG_ERROR, as for a connection that is gone
    _, kind, _, answered, _ = _HEADER.unpack_from(answer)
    family, state = _FAMILY_AND_STATE.unpack_from(answer, _HEADER.size)
    if kind != _SOCK_DIAG_BY_FAMILY or answered != sequence or state == _TCP_LISTEN:
        return None
    offset = _HEADER.size + _FAMILY_AND_STATE.size
    if _PORTS.unpack_from(answer, offset) != (peer[1], own[1]):
        return None  # the kernel falls back to a listener on the peer's port, which may be anybody's
    for address, start in ((peer[0], offset + 4), (own[0], offset + 20)):
        if not _is_address(answer[start : start + 16], family, IPv4Address(address).packed):
            return None
    *_, uid, inode = _TAIL.unpack_from(answer, offset + _ID_LENGTH)
    # A socket whose process is gone has inode 0 and says uid 0 whoever had it.
    return int(uid) if inode else None


def _is_address(field: bytes, family: int, address: bytes) -> bool:
    if family == socket.AF_INET6:  # Java's sockets are IPv6 ones that speak IPv4: ::ffff:127.0.0.1
        return field == bytes(10) + b"\xff\xff" + address
    return field[:4] == address


# --- who has a port ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Holder:
    """Who listens on a port: the process where it can be read (ours, or another's that lets itself be looked at)."""

    uid: int
    pid: int | None = None
    name: str | None = None

    def __str__(self) -> str:
        user = user_name(self.uid)
        return f"user {user}" if self.pid is None else f"{self.name or 'a process'} (pid {self.pid}, user {user})"


def holder_of_port(port: int) -> Holder | None:
    """Who listens on a TCP port of this machine; None where that cannot be told."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for fields in _socket_table(table):
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                pid = _process_with_socket(fields[9])
                return Holder(int(fields[7]), pid, _process_name(pid))
    return None


def user_name(uid: int) -> str:
    """A user's login name, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _socket_table(path: str) -> list[list[str]]:
    try:
        lines = Path(path).read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    return [fields for line in lines if len(fields := line.split()) > 9]


def _process_with_socket(inode: str) -> int | None:
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if descriptor.readlink().name == f"socket:[{inode}]":
                return int(descriptor.parts[2])
    return None


def _process_name(pid: int | None) -> str | None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    return None


# --- Unix sockets --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UnixPeer:
    """The process that connected to a Unix socket."""

    uid: int
    pid: int | None


def unix_peer(connection: socket.socket) -> UnixPeer | None:
    """Who is at the other end of a Unix socket, as the kernel noted it at connect; None where it does not say."""
    try:
        return _unix_peer_of_macos(connection) if sys.platform == "darwin" else _unix_peer_of_linux(connection)
    except (OSError, struct.error):
        return None


def _unix_peer_of_linux(connection: socket.socket) -> UnixPeer | None:
    credentials = struct.Struct("=iII")  # struct ucred
    pid, uid, _ = credentials.unpack(connection.getsockopt(socket.SOL_SOCKET, 17, credentials.size))
    return UnixPeer(uid, pid) if pid else None  # pid 0: the peer lives in a pid namespace that we cannot see


def _unix_peer_of_macos(connection: socket.socket) -> UnixPeer | None:
    sol_local, local_peercred, local_peerpid = 0, 1, 2  # sys/un.h
    # struct xucred: version, uid, number of groups, 16 groups
    version, uid = struct.unpack_from("=II", connection.getsockopt(sol_local, local_peercred, 76))
    (pid,) = struct.unpack("=i", connection.getsockopt(sol_local, local_peerpid, 4))
    return UnixPeer(uid, pid or None) if version == 0 else None
