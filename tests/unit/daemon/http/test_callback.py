"""The PKCE redirect listener, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from keyfobd.core.errors import ConfigProblem, SignInFailed
from keyfobd.http.callback import Callback, Code, Refused, Wrong, judge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOST = "127.0.0.1:4711"
RIGHT = "/oauth/callback?code=the-code&state=the-state"


@pytest.fixture
async def callback() -> AsyncIterator[Callback]:
    opened = Callback()
    await opened.open(None)
    yield opened
    await opened.close()


def port_of(callback: Callback) -> int:
    return int(callback.redirect_uri.split(":")[2].split("/")[0])


async def send(callback: Callback, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(callback))
    writer.write(raw)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def get(callback: Callback, target: str, host: str | None = None, method: str = "GET") -> bytes:
    head = f"{method} {target} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{port_of(callback)}'}\r\n"
    return await send(callback, (head + "Sec-Fetch-Site: cross-site\r\nReferer: https://x.example/\r\n\r\n").encode())


async def test_the_code_that_comes_with_the_right_state_is_returned(callback: Callback) -> None:
    waiting = asyncio.create_task(callback.wait("the-state"))
    await asyncio.sleep(0)
    answer = await get(callback, RIGHT)
    assert await waiting == "the-code"
    head, _, page = answer.decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200")
    assert "Cache-Control: no-store" in head
    assert "Referrer-Policy: no-referrer" in head
    assert "Server" not in head
    assert "close this tab" in page
    assert "<script" not in page
    assert "the-code" not in page


@pytest.mark.parametrize(
    ("target", "host", "method"),
    [
        ("/oauth/callback?code=x&state=wrong", None, "GET"),
        ("/oauth/callback?code=x", None, "GET"),
        ("/oauth/callback?state=the-state", None, "GET"),
        ("/oauth/callback?error=access_denied&state=wrong", None, "GET"),
        ("/oauth/callback?code=x&state=the-state&state=the-state", None, "GET"),
        ("/oauth/callback?code=x&code=y&state=the-state", None, "GET"),
        ("/oauth/callback?error=access_denied&error=server_error&state=the-state", None, "GET"),
        ("/oauth/callback/?code=x&state=the-state", None, "GET"),
        ("/oauth/%63allback?code=x&state=the-state", None, "GET"),
        ("/favicon.ico", None, "GET"),
        (RIGHT, "localhost", "GET"),
        (RIGHT, "evil.example", "GET"),
        (RIGHT, None, "POST"),
        (RIGHT, None, "HEAD"),
    ],
)
async def test_what_does_not_fit_is_refused_and_does_not_end_the_wait(
    callback: Callback, target: str, host: str | None, method: str
) -> None:
    waiting = asyncio.create_task(callback.wait("the-state"))
    await asyncio.sleep(0)
    assert (await get(callback, target, host, method)).startswith(b"HTTP/1.1 400")
    assert not waiting.done()
    await get(callback, RIGHT)
    assert await waiting == "the-code"


async def test_it_can_be_used_once(callback: Callback) -> None:
    waiting = asyncio.create_task(callback.wait("the-state"))
    await asyncio.sleep(0)
    await get(callback, RIGHT)
    assert (await get(callback, "/oauth/callback?code=second&state=the-state")).startswith(b"HTTP/1.1 400")
    assert await waiting == "the-code"


async def test_a_refusal_with_the_right_state_ends_the_wait(callback: Callback) -> None:
    waiting = asyncio.create_task(callback.wait("the-state"))
    await asyncio.sleep(0)
    await get(callback, "/oauth/callback?error=access_denied&state=the-state")
    with pytest.raises(SignInFailed, match="denied in the browser"):
        await waiting


async def test_the_reason_from_outside_cannot_drive_a_terminal(callback: Callback) -> None:
    waiting = asyncio.create_task(callback.wait("the-state"))
    await asyncio.sleep(0)
    await get(callback, "/oauth/callback?error=%1b%5b2J%0aserver_error&state=the-state")
    with pytest.raises(SignInFailed) as caught:
        await waiting
    assert "server_error" in caught.value.message
    assert caught.value.message.isprintable()


async def test_nothing_is_accepted_before_a_state_is_waited_for(callback: Callback) -> None:
    assert (await get(callback, "/oauth/callback?code=x&state=")).startswith(b"HTTP/1.1 400")


async def test_bytes_that_are_no_request_are_answered_without_repeating_them(callback: Callback) -> None:
    answer = await send(callback, b"GET /oauth/callback?code=hidden\x01 HTTP/9.9\r\n\x00: \x7f\r\n\r\n")
    assert b" 400 " in answer.splitlines()[0]
    assert b"hidden" not in answer
    assert b"aiohttp" not in answer


async def test_it_is_gone_when_closed() -> None:
    callback = Callback()
    await callback.open(None)
    port = port_of(callback)
    await callback.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_taken_callback_port_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigProblem, match=str(port)):
            await Callback().open(port)


def test_the_code_is_not_in_a_repr() -> None:
    answer = judge("GET", RIGHT, (HOST,), HOST, "the-state")
    assert answer == Code("the-code")
    assert "the-code" not in repr(answer)


def test_two_hosts_are_wrong_even_if_both_are_ours() -> None:
    assert judge("GET", RIGHT, (HOST, HOST), HOST, "the-state") == Wrong()


def test_an_error_beside_a_code_is_a_refusal() -> None:
    assert judge("GET", RIGHT + "&error=server_error", (HOST,), HOST, "the-state") == Refused("server_error")


async def test_closing_ends_the_wait(callback: Callback) -> None:
    waiting = asyncio.create_task(callback.wait("the-state"))
    await asyncio.sleep(0)
    await callback.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_to_wait_before_opening_is_a_bug() -> None:
    with pytest.raises(RuntimeError):
        await Callback().wait("the-state")
