"""Connections: kept while they are in use, dropped when they may be dead; hung up on when nobody waits."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from urllib3 import exceptions as http_errors

from fakes import FakeClock
from keyfobd.adapters.folders import Folders
from keyfobd.adapters.line import Line
from keyfobd.adapters.settings import Settings
from keyfobd.adapters.transport import LONGEST_IDLE, Transport
from keyfobd.adapters.transport_errors import explain
from keyfobd.core.errors import Unreachable
from support.scripted_server import sending, serving

if TYPE_CHECKING:
    from collections.abc import Callable

NOBODY = Path("/nonexistent")
SETTINGS = Settings(folders=Folders(NOBODY, NOBODY, NOBODY, NOBODY), aws_config_file=NOBODY)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


async def connections_after(between: Callable[[FakeClock], None]) -> int:
    """How many connections two requests take, with this between them."""
    clock = FakeClock()
    transport = Transport(SETTINGS, clock)
    async with serving(sending(OK), keep_alive=True) as server:
        for _ in range(2):
            received = await asyncio.to_thread(transport.exchange, "GET", server.url, {}, None, Line())
            assert received.body == b"{}"
            between(clock)
        return server.connections


async def test_a_connection_in_use_is_kept() -> None:
    assert await connections_after(lambda clock: clock.advance(LONGEST_IDLE)) == 1


async def test_a_connection_that_was_idle_is_not_trusted() -> None:
    assert await connections_after(lambda clock: clock.advance(LONGEST_IDLE + 1)) == 2


async def test_a_connection_from_before_a_sleep_is_not_trusted() -> None:
    assert await connections_after(lambda clock: clock.advance(boot=3600)) == 2


async def test_who_hangs_up_before_the_connection_is_made_is_not_connected() -> None:
    line = Line()
    line.hang_up()
    async with serving(sending(OK)) as server:
        with pytest.raises(Unreachable, match="Nobody waits"):
            await asyncio.to_thread(Transport(SETTINGS, FakeClock()).exchange, "GET", server.url, {}, None, line)
        assert server.requests == []


class Connected:
    """A connection as urllib3 has it, at the end of a pair of sockets."""

    def __init__(self) -> None:
        self.sock, self.other_end = socket.socketpair()

    def is_cut(self) -> bool:
        self.other_end.setblocking(False)
        try:
            return self.other_end.recv(1) == b""
        except BlockingIOError:
            return False

    def close(self) -> None:
        self.sock.close()
        self.other_end.close()


@pytest.mark.parametrize("released", [True, False])
def test_only_a_connection_that_is_still_the_exchange_s_own_is_cut(released: bool) -> None:
    connected, line = Connected(), Line()
    line.use(connected)
    if released:
        line.release()
    line.hang_up()
    assert connected.is_cut() is not released
    connected.close()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (http_errors.ConnectTimeoutError("no route"), "Could not connect to portal.test in time."),
        (http_errors.DecodeError("gzip"), "Could not speak with portal.test (DecodeError)."),
    ],
)
def test_what_no_loopback_server_can_play_is_told_as_well(error: http_errors.HTTPError, message: str) -> None:
    assert explain(error, "portal.test").message == message


async def test_a_body_may_not_take_longer_than_the_whole_deadline() -> None:
    clock = FakeClock()

    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{")
        clock.advance(14)  # more than connecting and reading may take together
        writer.write(b"}")
        await asyncio.Event().wait()

    async with serving(slow) as server:
        transport = Transport(replace(SETTINGS, connect_timeout=3.0, read_timeout=10.0), clock)
        with pytest.raises(Unreachable, match="answered too slowly"):
            await asyncio.to_thread(transport.exchange, "GET", server.url, {}, None, Line())
