"""The control socket's server over a real Unix socket, with words made up for it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import TYPE_CHECKING, Any

import pytest

from keyfob import wire
from keyfobd.adapters.peer import UnixPeer, unix_peer
from keyfobd.adapters.sockets import ControlSocket
from keyfobd.core.errors import AmbiguousTarget, ProtocolMismatch, SignInNeeded
from keyfobd.http.control import Asked, Control, Words, check_protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from keyfobd.http.control import Lines


class MadeUp:
    """Words that remember who asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.ended = asyncio.Event()
        self.left = asyncio.Event()

    async def echo(self, asked: Asked) -> Mapping[str, Any]:
        self.asked.append(asked)
        return {"said": asked.body}

    async def slow(self, _asked: Asked) -> Mapping[str, Any]:
        self.begun.set()
        await self.go_on.wait()
        self.ended.set()
        return {}

    async def ended_session(self, _asked: Asked) -> Mapping[str, Any]:
        raise SignInNeeded("corp")

    async def two_fit(self, _asked: Asked) -> Mapping[str, Any]:
        raise AmbiguousTarget("Two roles fit.", "", ("a", "b"))

    async def bug(self, _asked: Asked) -> Mapping[str, Any]:
        raise ZeroDivisionError

    async def login(self, asked: Asked) -> Lines:
        if asked.body.get("session") == "unknown":
            raise SignInNeeded("unknown")
        try:
            yield {"event": "visit", "url": "https://x.example/"}
            self.begun.set()
            await self.go_on.wait()
            yield {"event": "done"}
        finally:
            self.left.set()

    def words(self) -> Words:
        answers = {
            "/v1/echo": self.echo,
            "/v1/slow": self.slow,
            "/v1/ended": self.ended_session,
            "/v1/two": self.two_fit,
            "/v1/bug": self.bug,
        }
        return Words(answers, {"/v1/login": self.login}, before=lambda: None)


@pytest.fixture
def made_up() -> MadeUp:
    return MadeUp()


@pytest.fixture
async def path(tmp_path: Path, made_up: MadeUp) -> AsyncIterator[Path]:
    async for served in serve(tmp_path, made_up, unix_peer):
        yield served


async def serve(folder: Path, made_up: MadeUp, peer_of: Callable[[Any], UnixPeer | None]) -> AsyncIterator[Path]:
    control = Control(made_up.words(), ControlSocket(folder / "c.sock"), os.getuid(), peer_of)
    await control.listen()
    yield folder / "c.sock"
    control.stop_listening()
    made_up.go_on.set()
    await control.finish(5)


def request(route: str, body: bytes = b"{}", method: str = "POST", protocol: str | None = str(wire.PROTOCOL)) -> bytes:
    head = f"{method} {route} HTTP/1.0\r\nContent-Length: {len(body)}\r\n"
    head += f"{wire.PROTOCOL_HEADER}: {protocol}\r\n" if protocol is not None else ""
    return head.encode() + b"\r\n" + body


async def ask(path: Path, raw: bytes) -> tuple[int, bytes, bytes]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(raw)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), head, body


async def test_a_word_is_answered_with_one_object(path: Path, made_up: MadeUp) -> None:
    status, head, body = await ask(path, request("/v1/echo", b'{"a": 1}'))
    assert status == 200
    assert json.loads(body) == {"said": {"a": 1}}
    assert b"application/json\r\n" in head
    assert b"Server" not in head
    assert made_up.asked == [Asked({"a": 1}, os.getpid())]


async def test_an_error_of_ours_is_told_with_its_exit_status(path: Path) -> None:
    status, _, body = await ask(path, request("/v1/ended"))
    assert status == 401
    answer = json.loads(body)
    assert answer["code"] == "sign-in-needed"
    assert answer["exit"] == wire.EXIT_SIGN_IN_NEEDED
    assert answer["session"] == "corp"
    assert answer["hint"] == "Run: keyfob login corp"


async def test_what_fits_is_listed_when_more_than_one_does(path: Path) -> None:
    _, _, body = await ask(path, request("/v1/two"))
    assert json.loads(body)["candidates"] == ["a", "b"]


async def test_a_bug_is_that_requests_alone_and_logged_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        status, _, body = await ask(path, request("/v1/bug"))
    assert status == 503
    assert json.loads(body)["code"] == "internal"
    assert [record.name for record in caplog.records] == ["keyfobd.http.control"]
    assert (await ask(path, request("/v1/echo")))[0] == 200


async def test_a_bug_on_a_route_that_is_none_does_not_log_what_was_asked(
    tmp_path: Path, made_up: MadeUp, caplog: pytest.LogCaptureFixture
) -> None:
    def peer_of(_socket: object) -> None:
        raise ZeroDivisionError

    async for path in serve(tmp_path, made_up, peer_of):
        assert (await ask(path, request("/v1/s3cret")))[0] == 503
    assert "a request met a bug" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("raw", [request("/v1/echo", protocol=None), request("/v1/echo", protocol="99")])
async def test_a_client_of_another_protocol_is_told_what_mends_it(path: Path, raw: bytes) -> None:
    _, _, body = await ask(path, raw)
    answer = json.loads(body)
    assert answer["code"] == "protocol"
    assert answer["exit"] == wire.EXIT_NOT_RUNNING
    assert answer["hint"] == "Run: keyfob restart"


def test_a_client_one_protocol_older_is_served() -> None:
    check_protocol(str(wire.PROTOCOL - 1))
    with pytest.raises(ProtocolMismatch):
        check_protocol(str(wire.PROTOCOL + 1))


async def test_a_protocol_of_any_length_is_not_repeated_whole(path: Path) -> None:
    _, _, body = await ask(path, request("/v1/echo", protocol="9" * 4000))
    assert json.loads(body)["code"] == "protocol"
    assert len(body) < 300


@pytest.mark.parametrize(
    "raw",
    [
        request("/v1/nothing"),
        request("/v1/echo", method="GET"),
        request("/v1/echo", b"[]"),
        request("/v1/echo", b"{"),
        request("/v1/echo", b"\xff"),
    ],
)
async def test_what_cannot_be_meant_is_refused(path: Path, made_up: MadeUp, raw: bytes) -> None:
    status, _, body = await ask(path, raw)
    assert status == 403
    assert json.loads(body)["code"] == "usage"
    assert not made_up.asked


@pytest.mark.parametrize("peer", [None, UnixPeer(uid=os.getuid() + 1, pid=1)])
async def test_other_users_get_nothing(tmp_path: Path, made_up: MadeUp, peer: UnixPeer | None) -> None:
    async for path in serve(tmp_path, made_up, lambda _socket: peer):
        _, _, body = await ask(path, request("/v1/echo"))
        assert json.loads(body)["code"] == "not-ours"
        assert not made_up.asked


async def test_a_long_answer_comes_line_by_line(path: Path, made_up: MadeUp) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(request("/v1/login"))
    await reader.readuntil(b"\r\n\r\n")
    assert json.loads(await reader.readline())["event"] == "visit"
    made_up.go_on.set()
    assert json.loads(await reader.readline()) == {"event": "done"}
    assert await reader.read() == b""
    writer.close()


async def test_what_fails_before_the_first_line_is_an_error(path: Path) -> None:
    status, _, body = await ask(path, request("/v1/login", b'{"session": "unknown"}'))
    assert status == 401
    assert json.loads(body)["code"] == "sign-in-needed"


async def test_a_client_that_leaves_leaves_its_sign_in(path: Path, made_up: MadeUp) -> None:
    _, writer = await asyncio.open_unix_connection(path)
    writer.write(request("/v1/login"))
    await made_up.begun.wait()
    writer.close()
    await made_up.left.wait()


async def test_what_was_begun_is_done_though_the_client_has_gone(path: Path, made_up: MadeUp) -> None:
    _, writer = await asyncio.open_unix_connection(path)
    writer.write(request("/v1/slow"))
    await made_up.begun.wait()
    writer.close()
    await writer.wait_closed()
    assert (await ask(path, request("/v1/echo")))[0] == 200
    made_up.go_on.set()
    await made_up.ended.wait()


async def test_a_name_that_is_gone_is_noticed_and_taken_anew(tmp_path: Path, made_up: MadeUp) -> None:
    control = Control(made_up.words(), ControlSocket(tmp_path / "c.sock"), os.getuid(), unix_peer)
    await control.listen()
    assert not control.is_gone()
    (tmp_path / "c.sock").unlink()
    assert control.is_gone()
    await control.listen()
    assert not control.is_gone()
    assert (await ask(tmp_path / "c.sock", request("/v1/echo")))[0] == 200
    control.stop_listening()
    assert not (tmp_path / "c.sock").exists()
    await control.finish(5)
