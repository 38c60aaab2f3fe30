"""Who is at the other end: asked of the kernel that runs the tests."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, cast

import pytest

from keyfobd.adapters import peer
from keyfobd.adapters.peer import Holder, PeerLookup, UnixPeer, holder_of_port, unix_peer, user_name

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sock_diag is Linux's")


@pytest.fixture
def lookup() -> Iterator[PeerLookup]:
    with contextlib.closing(PeerLookup()) as one:
        yield one


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one


def connected(listener: socket.socket, family: int = socket.AF_INET) -> tuple[socket.socket, socket.socket]:
    """A client, and our end of its connection."""
    client = socket.socket(family)
    host = "127.0.0.1" if family == socket.AF_INET else "::ffff:127.0.0.1"
    client.connect((host, listener.getsockname()[1]))
    return client, listener.accept()[0]


def uid_of(lookup: PeerLookup, ours: socket.socket) -> int | None:
    return lookup.uid_of(ours.getpeername(), ours.getsockname())


def test_the_check_is_tried_on_a_connection_of_our_own(lookup: PeerLookup) -> None:
    assert lookup.works


# Java's and some Go programs' sockets are of the second kind.
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_user_of_a_connection_is_told(lookup: PeerLookup, listener: socket.socket, family: int) -> None:
    client, ours = connected(listener, family)
    with client, ours:
        assert uid_of(lookup, ours) == os.getuid()


def test_a_connection_whose_other_end_has_closed_is_nobodys(lookup: PeerLookup, listener: socket.socket) -> None:
    client, ours = connected(listener)
    with ours:
        client.close()
        assert uid_of(lookup, ours) is None


def test_a_connection_that_never_was_is_nobodys(lookup: PeerLookup, listener: socket.socket) -> None:
    client, ours = connected(listener)
    with client, ours:
        assert lookup.uid_of(("127.0.0.1", 1), ours.getsockname()) is None
        assert lookup.uid_of(ours.getpeername(), ("127.0.0.1", 1)) is None
        assert lookup.uid_of(("127.0.0.2", ours.getpeername()[1]), ours.getsockname()) is None


def test_whoever_listens_on_a_gone_peers_port_is_not_taken_for_it(lookup: PeerLookup, listener: socket.socket) -> None:
    client = socket.socket()
    client.bind(("127.0.0.3", 0))  # an address that nobody else uses: the port must still be free in a moment
    client.connect(listener.getsockname())
    ours = listener.accept()[0]
    with ours:
        gone, own = ours.getpeername(), ours.getsockname()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # no TIME_WAIT
        client.close()
        with socket.create_server(gone):
            assert lookup.uid_of(gone, own) is None


def test_a_lookup_that_fails_is_an_unknown_peer_and_the_next_works(lookup: PeerLookup, listener: socket.socket) -> None:
    client, ours = connected(listener)
    with client, ours:
        assert lookup._netlink is not None
        lookup._netlink.close()
        assert uid_of(lookup, ours) is None
        assert uid_of(lookup, ours) == os.getuid()


def test_without_netlink_the_check_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "_NETLINK_SOCK_DIAG", 31)  # a protocol that no kernel module answers to
    lookup = PeerLookup()
    assert not lookup.works
    assert lookup.uid_of(("127.0.0.1", 1), ("127.0.0.1", 2)) is None


PEER, OWN = ("127.0.0.1", 40000), ("127.0.0.1", 5393)


def answer(  # the fields of struct inet_diag_msg that decide
    *,
    kind: int = 20,
    sequence: int = 7,
    family: int = socket.AF_INET,
    state: int = 1,
    ports: tuple[int, int] = (40000, 5393),
    source: bytes = b"\x7f\0\0\1",
    uid: int = 1000,
    inode: int = 99,
) -> bytes:
    body = struct.pack("=BBxx", family, state) + struct.pack("!HH", *ports)
    body += (
        source.ljust(16, b"\0")
        + b"\x7f\0\0\1".ljust(16, b"\0")
        + bytes(12)
        + struct.pack("=IIIII", 0, 0, 0, uid, inode)
    )
    return struct.pack("=IHHII", 16 + len(body), kind, 0, sequence, 0) + body


def test_an_answer_names_the_owner() -> None:
    assert peer._owner(answer(), 7, PEER, OWN) == 1000


@pytest.mark.parametrize(
    "doubtful",
    [
        answer(inode=0),
        answer(inode=0, uid=0),
        answer(sequence=6),
        answer(kind=2),
        answer(state=10),
        answer(ports=(40001, 5393)),
        answer(ports=(40000, 5394)),
        answer(source=b"\x7f\0\0\2"),
        answer(family=socket.AF_INET6),
        answer()[:-1],
        b"",
    ],
)
def test_an_answer_that_leaves_a_doubt_names_nobody(doubtful: bytes) -> None:
    assert peer._owner(doubtful, 7, PEER, OWN) is None


def test_who_has_a_port_is_told_with_the_process(listener: socket.socket) -> None:
    holder = holder_of_port(listener.getsockname()[1])
    assert holder is not None
    assert (holder.uid, holder.pid) == (os.getuid(), os.getpid())
    assert str(holder) == f"{holder.name} (pid {os.getpid()}, user {user_name(os.getuid())})"


def test_who_listens_on_all_of_ipv6_is_told_too() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        holder = holder_of_port(listener.getsockname()[1])
    assert holder is not None
    assert holder.pid == os.getpid()


def test_a_free_port_is_nobodys(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    assert holder_of_port(port) is None


def test_a_process_that_cannot_be_looked_at_is_told_by_its_user() -> None:
    assert str(Holder(4_000_000)) == "user 4000000"


def test_the_peer_of_a_unix_socket_is_told() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert unix_peer(ours) == UnixPeer(os.getuid(), os.getpid())


class MacosSocket:
    """Answers ``LOCAL_PEERCRED`` and ``LOCAL_PEERPID`` as macOS does (sys/un.h, sys/ucred.h)."""

    def __init__(self, version: int = 0) -> None:
        self._version = version

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        credentials = struct.pack("=IIhxx16I", self._version, 501, 1, 20, *[0] * 15)
        assert (level, size) == (0, {1: len(credentials), 2: 4}[option])
        return credentials if option == 1 else struct.pack("=i", 4242)


def test_macos_says_it_in_its_own_way() -> None:
    assert peer._unix_peer_of_macos(cast("socket.socket", MacosSocket())) == UnixPeer(501, 4242)
    assert peer._unix_peer_of_macos(cast("socket.socket", MacosSocket(version=1))) is None


def test_a_socket_that_is_no_unix_socket_has_no_peer(listener: socket.socket) -> None:
    client, ours = connected(listener)
    with client, ours:
        assert unix_peer(ours) is None
