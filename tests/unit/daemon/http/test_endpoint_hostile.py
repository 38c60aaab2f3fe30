"""The endpoint against requests that no SDK makes, by the byte, on both of aiohttp's parsers."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp.http_parser
import pytest

from support.endpoint import OTHER_TOKEN, PATH, TOKEN, Running, error, headers, status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SECRETS = (b"CANARY", b"kfb_", b"SEKRIT")


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    one = Running()
    yield one
    await one.stop()


HOSTILE: dict[str, Callable[[Running], bytes]] = {
    # who
    "no token": lambda r: f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{r.port}\r\n\r\n".encode(),
    "an empty token": lambda r: r.request(token=""),
    "a made-up token": lambda r: r.request(token="kfb_" + "SEKRIT" * 7),
    "a scheme before the token": lambda r: r.request(token=f"Bearer {TOKEN}"),
    "a token of 8 kB": lambda r: r.request(token="SEKRIT" * 1300),
    "a token of 9 kB": lambda r: r.request(token="SEKRIT" * 1600),
    "a token that is no text": lambda r: r.request(token="\xff\xfeSEKRIT"),
    "a NUL in the token": lambda r: r.request(token=TOKEN + "\0SEKRIT"),
    "a bare CR in the token": lambda r: r.request(token=TOKEN + "\rSEKRIT: x"),
    "a folded token": lambda r: r.request(token="kfb_\r\n SEKRIT"),
    "two tokens, good first": lambda r: r.request("Authorization: SEKRIT"),
    "two tokens, good last": lambda r: r.request(f"Authorization: {TOKEN}", token="SEKRIT"),
    "a blank before the colon": lambda r: r.request(token="SEKRIT").replace(b"tion:", b"tion :"),
    "another token's role": lambda r: r.request(token=OTHER_TOKEN),
    # where to
    "another host": lambda r: r.request().replace(b"Host: 127.0.0.1", b"Host: evil.test"),
    "another port": lambda r: r.request().replace(b":%d\r" % r.port, b":1\r"),
    "localhost": lambda r: r.request().replace(b"Host: 127.0.0.1", b"Host: localhost"),
    "Host of all interfaces": lambda r: r.request().replace(b"Host: 127.0.0.1", b"Host: 0.0.0.0"),
    "a rebound name that begins as ours": lambda r: r.request().replace(b"0.1:", b"0.1.evil.test:"),
    "no Host": lambda r: r.request().replace(b"Host: ", b"Ghost: "),
    "two Hosts": lambda r: r.request(f"Host: 127.0.0.1:{r.port}"),
    "two Hosts, one of them evil": lambda r: r.request("Host: evil.test"),
    "absolute form and an evil Host": lambda r: r.request(target=f"http://127.0.0.1:{r.port}{PATH}").replace(
        b"Host: 127.0.0.1", b"Host: evil.test"
    ),
    "absolute form": lambda r: r.request(target=f"http://127.0.0.1:{r.port}{PATH}"),
    "authority form": lambda r: r.request(target=f"127.0.0.1:{r.port}"),
    "a query": lambda r: r.request(target=PATH + "?a=SEKRIT"),
    "an encoded letter": lambda r: r.request(target=PATH.replace("A", "%41")),
    "an encoded parent": lambda r: r.request(target="/x/%2e%2e" + PATH),
    "two slashes": lambda r: r.request(target="/" + PATH),
    "an encoded NUL": lambda r: r.request(target=PATH + "%00"),
    "a target of 9 kB": lambda r: r.request(target="/" + "SEKRIT" * 1600),
    "a target that is no text": lambda r: r.request(target=PATH + "\xff"),
    # how
    "POST": lambda r: r.request("Content-Length: 0").replace(b"GET", b"POST"),
    "OPTIONS": lambda r: r.request("Access-Control-Request-Method: GET").replace(b"GET", b"OPTIONS"),
    "TRACE": lambda r: r.request().replace(b"GET", b"TRACE"),
    "CONNECT": lambda r: r.request().replace(b"GET", b"CONNECT"),
    "a method nobody knows": lambda r: r.request().replace(b"GET", b"SEKRIT"),
    "a line before the first": lambda r: b"\r\n" + r.request(),
    "a blank before the first word": lambda r: b" " + r.request(),
    "a tab after the method": lambda r: r.request().replace(b"GET ", b"GET\t"),
    "GET in lower case": lambda r: r.request().replace(b"GET", b"get"),
    "HTTP/1.0": lambda r: r.request().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "HTTP/1.0 without a Host": lambda r: r.request().replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: ", b"Ghost: "),
    "HTTP/1.2": lambda r: r.request().replace(b"HTTP/1.1", b"HTTP/1.2"),
    "HTTP/2": lambda r: r.request().replace(b"HTTP/1.1", b"HTTP/2.0"),
    "HTTP/2 preface": lambda _: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": lambda _: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03SEKRIT\r\n\r\n",
    "noise": lambda _: bytes(range(256)) + b"\r\n\r\n",
    # with what
    "a body": lambda r: r.request("Content-Length: 6") + b"SEKRIT",
    "a body that does not come": lambda r: r.request("Content-Length: 6"),
    "a large body": lambda r: r.request("Content-Length: 2000000") + b"SEKRIT" * 3000,
    "a chunked body": lambda r: r.request("Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "length and chunks": lambda r: r.request("Transfer-Encoding: chunked", "Content-Length: 5") + b"0\r\n\r\n",
    "two lengths": lambda r: r.request("Content-Length: 0", "Content-Length: 6") + b"SEKRIT",
    "a length that is none": lambda r: r.request("Content-Length: SEKRIT"),
    "a negative length": lambda r: r.request("Content-Length: -1"),
    "a coding that is none": lambda r: r.request("Transfer-Encoding: SEKRIT"),
    "Expect": lambda r: r.request("Expect: 100-continue"),
    "Origin": lambda r: r.request("Origin: http://evil.test"),
    "Origin: null": lambda r: r.request("Origin: null"),
    "Referer": lambda r: r.request("Referer: http://evil.test/SEKRIT"),
    "Sec-Fetch": lambda r: r.request("Sec-Fetch-Site: same-origin"),
    "a proxy": lambda r: r.request("Via: 1.1 SEKRIT"),
    "a proxy, forwarded for": lambda r: r.request("X-Forwarded-For: 127.0.0.1"),
    "a proxy, forwarded": lambda r: r.request("Forwarded: for=127.0.0.1"),
    "a websocket": lambda r: r.request("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: SEKRIT"),
    "an upgrade to HTTP/2": lambda r: r.request("Connection: Upgrade", "Upgrade: h2c"),
    # in what shape
    "a header with a NUL": lambda r: r.request("X: SEK\0RIT"),
    "a header without a name": lambda r: r.request(": SEKRIT"),
    "a header without a colon": lambda r: r.request("SEKRIT"),
    "a header folded over lines": lambda r: r.request("X: a\r\n SEKRIT"),
    "a header of 9 kB": lambda r: r.request("X: " + "SEKRIT" * 1600),
    "5,000 headers": lambda r: r.request(*["X: SEKRIT"] * 5000),
    "a blank first header": lambda r: r.request().replace(b"\r\nHost", b"\r\n SEKRIT: x\r\nHost", 1),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_request_gets_nothing(running: Running, caplog: pytest.LogCaptureFixture, name: str) -> None:
    caplog.set_level(logging.DEBUG)
    answer = await running.send(HOSTILE[name](running))
    assert status(answer) in (401, 403)
    assert answer.count(b"Content-Length:") == 1
    assert running.broker.asked == []
    assert running.tokens.touched == 0
    found = headers(answer)
    assert (found["content-type"], found["cache-control"], found["connection"]) == (
        "application/json",
        "no-store",
        "close",
    )
    assert "server" not in found
    assert not [header for header in found if header.startswith("access-control")]
    assert set(error(answer)) == {"code", "message", "Code", "Message"}
    for secret in SECRETS:
        assert secret not in answer
        assert secret.decode() not in caplog.text
    assert "corp" not in answer.decode()
    assert running.endpoint.internal_errors == 0
    assert status(await running.send(running.request())) == 200


async def test_a_head_answer_has_no_body_and_no_credentials(running: Running) -> None:
    answer = await running.send(running.request().replace(b"GET", b"HEAD"))
    assert status(answer) == 403
    assert answer.endswith(b"\r\n\r\n")


async def test_a_request_of_http_0_9_gets_no_credentials(running: Running) -> None:
    answer = await running.send(f"GET {PATH}\r\n\r\n".encode())
    assert status(answer) == 403
    assert running.broker.asked == []


async def test_bare_line_feeds_get_no_more_than_proper_ones(running: Running) -> None:
    answer = await running.send(running.request(token="SEKRIT").replace(b"\r\n", b"\n"))
    assert status(answer) in (401, 403)
    assert b"SEKRIT" not in answer


# --- requests with one thing wrong, by the hundred -----------------------------------------------------------------

MUTATIONS = 400


def mutated(request: bytes, chance: random.Random) -> bytes:
    """A byte turned, lost, doubled, or put in."""
    at = chance.randrange(len(request))
    match chance.randrange(4):
        case 0:
            return request[:at] + bytes([request[at] ^ 1 << chance.randrange(8)]) + request[at + 1 :]
        case 1:
            return request[:at] + request[at + 1 :]
        case 2:
            return request[:at] + request[at : at + chance.randrange(1, 30)] + request[at:]
        case _:
            return request[:at] + chance.choice([b"\r", b"\n", b"\0", b" ", b"\t", b":", b"\xff"]) + request[at:]


def says_the_same(sent: bytes, request: bytes) -> bool:
    """Whether method, target, version, Host and token are still the same, read as leniently as can be."""

    def read(head: bytes) -> tuple[bytes, list[bytes], list[bytes]]:
        first, *lines = head.replace(b"\r\n", b"\n").split(b"\n")
        pairs = [line.partition(b":")[::2] for line in lines]
        found = {
            key: [value.strip(b" \t") for name, value in pairs if name.lower() == key]
            for key in (b"host", b"authorization")
        }
        return (first, found[b"host"], found[b"authorization"])

    return read(sent) == read(request)


async def test_whatever_byte_is_wrong_credentials_go_only_to_a_request_that_says_the_same(running: Running) -> None:
    chance = random.Random(20261123)  # noqa: S311 - the same requests each time
    request = running.request("Accept: application/json")
    outcomes = set()
    for _ in range(MUTATIONS):
        sent = mutated(request, chance) + b"\r\n\r\n"  # lest the end of the head be what was lost
        answer = await running.send(sent)
        outcomes.add(status(answer))
        assert not answer.startswith(b"HTTP/1.1 200") or says_the_same(sent, request), sent
    assert outcomes == {200, 401, 403}
    assert running.endpoint.internal_errors == 0


# --- and all of it on aiohttp's other parser ------------------------------------------------------------------------

PURE = os.environ.get("AIOHTTP_NO_EXTENSIONS") == "1"


def test_the_parser_is_the_one_that_is_meant() -> None:
    parser = aiohttp.http_parser.HttpRequestParser
    assert (parser is aiohttp.http_parser.HttpRequestParserPy) == PURE


@pytest.mark.skipif(PURE, reason="this is the child")
def test_the_pure_python_parser_gives_away_no_more() -> None:
    here = Path(__file__)
    child = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", here, here.with_name("test_endpoint.py")],
        env=os.environ | {"AIOHTTP_NO_EXTENSIONS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert child.returncode == 0, child.stdout
