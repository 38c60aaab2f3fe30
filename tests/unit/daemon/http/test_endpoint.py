"""The endpoint over real sockets, by the byte: what an SDK gets, and what those get who hold connections open."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from typing import TYPE_CHECKING

import pytest

from keyfobd.adapters.peer import PeerLookup
from keyfobd.core.errors import NotPermitted, NotYet, SignInNeeded
from support.endpoint import BODY, ROLE, Running, error, headers, status

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

    from keyfobd.core.errors import KeyfobError


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    one = Running()
    yield one
    await one.stop()


# --- what an SDK gets -----------------------------------------------------------------------------------------------


async def test_credentials_are_answered_as_every_sdk_wants_them(running: Running) -> None:
    answer = await running.send(running.request())
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.partition(b"\r\n\r\n")[2] == BODY
    found = headers(answer)
    assert found.pop("date")
    assert found == {
        "content-type": "application/json",
        "content-length": str(len(BODY)),
        "cache-control": "no-store",
        "connection": "close",
    }
    assert running.broker.asked == [ROLE]
    assert running.tokens.touched == 1


async def test_a_request_may_come_a_byte_at_a_time(running: Running) -> None:
    async with asyncio.timeout(5):
        reader, writer = await running.connect()
        for byte in running.request():
            writer.write(bytes([byte]))
            await writer.drain()
        assert status(await reader.read()) == 200
        writer.close()


async def test_health_says_ok_and_nothing_else(running: Running) -> None:
    answer = await running.send(f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n\r\n".encode())
    assert status(answer) == 200
    assert answer.partition(b"\r\n\r\n")[2] == b"ok"


async def test_a_second_request_on_a_connection_is_not_answered(running: Running) -> None:
    answer = await running.send(running.request() + running.request())
    assert answer.count(b"HTTP/1.1") == 1
    assert running.broker.asked == [ROLE]


async def test_a_hundred_clients_at_once_are_all_answered(running: Running) -> None:
    answers = await asyncio.gather(*(running.send(running.request()) for _ in range(100)))
    assert {status(answer) for answer in answers} == {200}


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (SignInNeeded("corp"), 401),
        (NotPermitted("No access.", "Run: keyfob list"), 403),
        (NotYet("Still asking."), 503),
    ],
)
async def test_what_keeps_a_role_from_being_served_is_told_with_the_way_out(
    running: Running, trouble: KeyfobError, expected: int
) -> None:
    running.broker.outcome = trouble
    answer = await running.send(running.request())
    assert status(answer) == expected
    assert headers(answer)["content-type"] == "application/json"
    assert headers(answer)["cache-control"] == "no-store"
    what_to_do = trouble.hint or trouble.message
    assert error(answer) == {
        "code": trouble.code,
        "message": str(trouble),
        "Code": trouble.code,
        "Message": what_to_do,
    }
    assert list(error(answer))[-1] == "message"  # Go takes the last of what it reads without regard to case


async def test_a_bug_met_by_one_request_is_that_ones_alone(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.broker.outcome = ValueError("CANARY kfb_SEKRIT")
    answer = await running.send(running.request())
    assert (status(answer), error(answer)["code"]) == (503, "internal")
    assert running.endpoint.internal_errors == 1
    assert "ValueError" in caplog.text
    assert "in credentials" in caplog.text
    assert caplog.text.count("met a bug") == 1
    assert "CANARY" not in caplog.text + answer.decode()
    running.broker.outcome = None
    assert status(await running.send(running.request())) == 200


async def test_a_client_that_hangs_up_disturbs_nobody(running: Running) -> None:
    running.broker.gate.clear()
    _, writer = await running.connect()
    writer.write(running.request())
    await running.broker.waiting.wait()
    writer.close()
    await writer.wait_closed()
    running.broker.gate.set()
    assert status(await running.send(running.request())) == 200
    assert running.endpoint.internal_errors == 0


async def test_finishing_lets_a_request_in_progress_be_answered() -> None:
    running = Running()
    running.broker.gate.clear()
    reader, writer = await running.connect()
    writer.write(running.request())
    await running.broker.waiting.wait()
    stopping = asyncio.create_task(running.stop())
    await asyncio.sleep(0)
    running.broker.gate.set()
    assert status(await reader.read()) == 200
    writer.close()
    await stopping


# --- strangers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("uid", "code"), [(4_000_000, "other-user"), (None, "unknown-user")])
async def test_a_stranger_with_a_stolen_token_is_turned_away_before_a_byte_is_read(
    running: Running, uid: int | None, code: str
) -> None:
    running.peers.uid = uid
    reader, writer = await running.connect()  # nothing is sent
    answer = await reader.read()
    writer.close()
    assert (status(answer), error(answer)["code"]) == (403, code)
    assert int(headers(answer)["content-length"]) == len(answer.partition(b"\r\n\r\n")[2])
    assert running.broker.asked == []
    running.peers.uid = os.getuid()
    assert status(await running.send(running.request())) == 200


@pytest.mark.skipif(sys.platform != "linux", reason="sock_diag is Linux's")
async def test_the_kernel_says_who_asks(running: Running) -> None:
    lookup = PeerLookup()
    running.endpoint._peers = lookup
    assert status(await running.send(running.request())) == 200
    lookup.close()


# --- those who hold connections open --------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", b"GET ", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"\r\n"])
async def test_a_connection_that_does_not_finish_its_request_is_closed(sent: bytes) -> None:
    running = Running(header_deadline=0.02)
    assert await running.send(sent) == b""
    await running.stop()


async def test_a_deadline_for_the_head_is_none_for_the_answer() -> None:
    running = Running(header_deadline=0.02)
    running.broker.gate.clear()
    fetch = asyncio.create_task(running.send(running.request()))
    await running.broker.waiting.wait()
    assert await running.send(b"") == b""  # a silent one came later and has been closed
    running.broker.gate.set()
    assert status(await fetch) == 200
    await running.stop()


async def test_the_oldest_without_a_token_makes_room_for_the_newest() -> None:
    running = Running(most_without_token=3)
    silent = [await running.connect() for _ in range(3)]
    assert status(await running.send(running.request())) == 200
    assert await silent[0][0].read() == b""
    silent[1][1].write(running.request())
    assert status(await silent[1][0].read()) == 200
    for _, writer in silent:
        writer.close()
    await running.stop()


async def test_who_has_shown_a_token_is_never_evicted() -> None:
    running = Running(most_without_token=1)
    running.broker.gate.clear()
    fetch = asyncio.create_task(running.send(running.request()))
    await running.broker.waiting.wait()
    silent = [await running.connect() for _ in range(5)]
    assert await silent[0][0].read() == b""
    running.broker.gate.set()
    assert status(await fetch) == 200
    for _, writer in silent:
        writer.close()
    await running.stop()


class Starved:
    """A listener whose process is out of file descriptors for a number of times."""

    def __init__(self, listener: socket.socket, times: int, number: int = errno.EMFILE) -> None:
        self._listener = listener
        self._number = number
        self.left = times

    def accept(self) -> tuple[socket.socket, object]:
        if self.left > 0:
            self.left -= 1
            raise OSError(self._number, os.strerror(self._number))
        return self._listener.accept()

    def __getattr__(self, name: str) -> object:
        return getattr(self._listener, name)


async def test_a_want_of_descriptors_costs_the_oldest_silent_connection_and_five_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    running = Running()
    silent = [await running.connect() for _ in range(20)]
    assert status(await running.send(running.request())) == 200  # so all those before are accepted
    running.endpoint._listener = Starved(running.listener, 20)  # type: ignore[assignment]  # all that accept needs
    assert status(await running.send(running.request())) == 200
    assert status(await running.send(running.request())) == 200
    assert await silent[0][0].read() == b""
    assert len([record for record in caplog.records if "No connection can be accepted" in record.message]) == 5
    for _, writer in silent:
        writer.close()
    await running.stop()


async def test_a_connection_gone_before_it_was_accepted_is_nothing(caplog: pytest.LogCaptureFixture) -> None:
    running = Running()
    assert status(await running.send(running.request())) == 200
    running.endpoint._listener = Starved(running.listener, 5, errno.ECONNABORTED)  # type: ignore[assignment]  # as above
    assert status(await running.send(running.request())) == 200
    assert status(await running.send(running.request())) == 200
    assert caplog.records == []
    await running.stop()


async def test_a_listener_that_is_lost_ends_the_serving() -> None:
    running = Running()
    running.endpoint._listener = Starved(running.listener, 1, errno.EBADF)  # type: ignore[assignment]  # as above
    with pytest.raises(OSError, match="Bad file descriptor"):
        await running.serving
    await running.stop()
