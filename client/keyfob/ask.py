"""One request to the daemon over its Unix socket, HTTP/1.0 by hand (http.client alone doubles a hot command's time)."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys

from keyfob import wire
from keyfob.errors import NotRunning, NotUsable, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

PATIENCE = 60.0
"""Seconds until a daemon that says nothing counts as hung; it answers most things in one."""

_GONE = (errno.ENOENT, errno.ECONNREFUSED)
_FORBIDDEN = (errno.EPERM, errno.EACCES)


def ask(
    route: str, body: Mapping[str, object], *, start: bool = False, patience: float | None = PATIENCE
) -> wire.Answer:
    """The daemon's answer; ``start`` brings a daemon up where there is none. Raises ClientError of all kinds."""
    with connection(start=start) as control, control.makefile("rb") as reader:
        length = _send(control, reader, route, body, patience)
        return _object(_read(reader, length))


def ask_lines(route: str, body: Mapping[str, object], *, start: bool = False) -> Iterator[wire.Answer]:
    """A long answer, object by object as they come; to stop reading is to leave. Raises ClientError of all kinds."""
    with connection(start=start) as control, control.makefile("rb") as reader:
        _send(control, reader, route, body, PATIENCE)  # a sign-in says "waiting" every few seconds
        while line := _line(reader):
            yield _object(line)


def daemon_file() -> wire.DaemonFile | None:
    """What the daemon wrote of itself, if it is ours to read. Raises NotUsable."""
    folder = wire.state_folder()
    if not owned_by_us(folder):
        return None
    path = os.path.join(folder, wire.DAEMON_FILE)
    try:
        os.close(os.open(path, os.O_RDONLY))  # access(2) would not ask a sandbox (Landlock)
    except OSError as error:
        if error.errno in _FORBIDDEN:
            raise _not_allowed(f"read {path}") from error
    return wire.read_daemon_file(folder)


def _not_allowed(action: str) -> NotUsable:
    return NotUsable(f"This process may not {action}: a sandbox, or a folder's mode, forbids it.")


def owned_by_us(path: str) -> bool:
    """False where nothing is there. Raises NotUsable where it is somebody else's, or may not be looked at."""
    try:
        owner = os.stat(path).st_uid
    except OSError as error:
        if error.errno in _FORBIDDEN:
            raise _not_allowed(f"look at {path}") from error
        return False
    if owner != os.getuid():
        raise NotUsable(f"{path} belongs to {user_name(owner)}, and keyfob talks to nobody else's daemon.")
    return True


def user_name(uid: int) -> str:
    """A user as a person knows them."""
    import pwd  # noqa: PLC0415 - may ask a directory service: only for a message

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def connection(*, start: bool) -> socket.socket:
    """A connection to our daemon, woken or started where that is needed and ``start`` allows. Raises ClientError."""
    found = daemon_file()
    control = connected(found)
    if control is None and (found is not None or start):
        from keyfob import launch  # noqa: PLC0415 - needed only where no daemon answers

        control = connected(launch.bring_up(start=start))
    if control is None:
        raise NotRunning
    return control


def connected(found: wire.DaemonFile | None) -> socket.socket | None:
    """None where no daemon listens. Raises NotUsable where one must not or cannot be talked to."""
    if found is None or not owned_by_us(os.path.dirname(found["control"])):
        return None
    try:
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            control.connect(found["control"])
            _check_peer(control, found["control"])
        except BaseException:
            control.close()
            raise
    except OSError as error:
        if error.errno in _GONE:
            return None
        if error.errno in _FORBIDDEN:
            raise _not_allowed(f"connect to keyfobd at {found['control']}") from error
        raise NotUsable(f"{found['control']} cannot be connected to: {error.strerror or error}.") from error
    return control


def _check_peer(control: socket.socket, path: str) -> None:
    uid = _peer_uid(control)
    if uid not in (None, os.getuid()):
        raise NotUsable(f"{path} is served by {user_name(uid or 0)}, and keyfob talks to nobody else's daemon.")


def _peer_uid(control: socket.socket) -> int | None:
    if hasattr(socket, "SO_PEERCRED"):
        credentials = control.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)  # struct ucred: pid, uid, gid
        return int.from_bytes(credentials[4:8], sys.byteorder)
    if sys.platform == "darwin":  # pragma: no cover - macOS
        # SOL_LOCAL 0, LOCAL_PEERCRED 1: struct xucred begins with a version and the uid (sys/ucred.h).
        return int.from_bytes(control.getsockopt(0, 1, 76)[4:8], sys.byteorder)
    return None


def _send(
    control: socket.socket, reader: BinaryIO, route: str, body: Mapping[str, object], patience: float | None
) -> int | None:
    """Sends the request and reads the head of its answer; the body's length where it is said. Raises Refused."""
    content = json.dumps(body).encode()
    head = (
        f"POST {route} HTTP/1.0\r\nHost: keyfob\r\n{wire.PROTOCOL_HEADER}: {wire.PROTOCOL}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    control.settimeout(patience)
    try:
        control.sendall(head.encode() + content)
    except OSError as error:
        raise _silent(error) from error
    status, length = _head(reader)
    if status >= 400:
        raise Refused(_object(_read(reader, length)))  # type: ignore[arg-type]  # the contract of wire
    return length


def _head(reader: BinaryIO) -> tuple[int, int | None]:
    words = _line(reader).split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise _no_answer()
    length = None
    while (line := _line(reader)).strip():
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            length = int(value)
    return int(words[1]), length


def _line(reader: BinaryIO) -> bytes:
    try:
        return reader.readline()
    except OSError as error:
        raise _silent(error) from error


def _read(reader: BinaryIO, length: int | None) -> bytes:
    try:
        body = reader.read() if length is None else reader.read(length)
    except OSError as error:
        raise _silent(error) from error
    if length is not None and len(body) < length:
        raise _no_answer()
    return body


def _object(text: bytes) -> wire.Answer:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _no_answer()
    return found


def _silent(error: OSError) -> NotUsable:
    if isinstance(error, TimeoutError):
        return NotUsable("keyfobd is running but does not answer.", "Run: keyfob restart")
    return _no_answer()


def _no_answer() -> NotUsable:
    log = os.path.join(wire.state_folder(), wire.LOG_FILE)
    return NotUsable("keyfobd went away before it had answered.", f"Run the command again; its log is {log}")
