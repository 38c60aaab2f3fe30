"""The endpoint over real sockets, by the byte: what an SDK gets, and what everybody else does not."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import json
import logging
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp.http_parser
import pytest

from keyfobd.adapters.peer import PeerLookup
from keyfobd.core.admission import Own
from keyfobd.core.errors import NotPermitted, NotYet, SignInNeeded
from keyfobd.core.model import EndpointToken, Role, SsoRole
from keyfobd.http.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from keyfobd.core.errors import KeyfobError

TOKEN = "kfb_" + "T" * 43
OTHER_TOKEN = "kfb_" + "U" * 43
ROLE = SsoRole("corp", "111111111111", "Admin")
OTHER_ROLE = SsoRole("corp", "222222222222", "ReadOnly")
PATH = "/role/corp/111111111111/Admin"
BODY = b'{"Code": "Success", "SecretAccessKey": "CANARY-SECRET"}'
SECRETS = (b"CANARY", b"kfb_", b"SEKRIT")


@dataclass(frozen=True, slots=True)
class Held:
    """Credentials as the broker has rendered them."""

    body: bytes = field(repr=False)


class Broker:
    """Answers from ``outcome``; ``gate`` holds requests until it is set."""

    def __init__(self) -> None:
        self.outcome: KeyfobError | Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[Role] = []
        self.waiting = asyncio.Event()

    async def credentials(self, role: Role) -> Held:
        self.asked.append(role)
        self.waiting.set()
        await self.gate.wait()
        if self.outcome is not None:
            raise self.outcome
        return Held(BODY)


class Tokens:
    """One token for each of two roles."""

    def __init__(self) -> None:
        digests = {TOKEN: ROLE, OTHER_TOKEN: OTHER_ROLE}
        self._tokens = {
            (digest := hashlib.sha256(text.encode()).digest()): EndpointToken("id", digest, "standing", "", (role,), 0)
            for text, role in digests.items()
        }
        self.touched = 0

    def find(self, digest: bytes) -> EndpointToken | None:
        return self._tokens.get(digest)

    def touch(self, token: EndpointToken) -> None:
        assert token in self._tokens.values()
        self.touched += 1


class Peers:
    """Says whatever it is told to."""

    def __init__(self, uid: int | None) -> None:
        self.uid = uid

    def uid_of(self, peer: tuple[str, int], own: tuple[str, int]) -> int | None:
        assert peer != own
        return self.uid


class Running:
    """An endpoint that serves, and a client that speaks bytes."""

    def __init__(self, **options: float) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self.listener.getsockname()[1]
        self.broker, self.tokens, self.peers = Broker(), Tokens(), Peers(os.getuid())
        self.endpoint = Endpoint(
            self.listener,
            Own(os.getuid(), self.port, peer_check=True),
            broker=self.broker,
            tokens=self.tokens,
            peers=self.peers,
            **options,  # type: ignore[arg-type]  # the tests below name them rightly
        )
        self.serving = asyncio.create_task(self.endpoint.serve())

    async def stop(self) -> None:
        self.serving.cancel()
        await asyncio.wait([self.serving])
        await self.endpoint.finish(grace=5)
        self.listener.close()

    def request(self, *lines: str, target: str = PATH, token: str = TOKEN) -> bytes:
        head = (f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Authorization: {token}", *lines)
        return "".join(f"{line}\r\n" for line in (*head, "")).encode("latin-1")

    async def send(self, sent: bytes) -> bytes:
        """All that comes back until the endpoint closes the connection."""
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            with contextlib.suppress(ConnectionError):
                writer.write(sent)
            answer = b""
            with contextlib.suppress(ConnectionError):  # a reset, when there was more than we had read
                while part := await reader.read(65536):
                    answer += part
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            return answer

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    one = Running()
    yield one
    await one.stop()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def headers(answer: bytes) -> dict[str, str]:
    lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def error(answer: bytes) -> dict[str, str]:
    found: dict[str, str] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


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
    text = str(trouble)
    assert error(answer) == {"code": trouble.code, "message": text, "Code": trouble.code, "Message": text}


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


# --- what everybody else gets ---------------------------------------------------------------------------------------

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


# --- and all of it on aiohttp's other parser ------------------------------------------------------------------------

PURE = os.environ.get("AIOHTTP_NO_EXTENSIONS") == "1"


def test_the_parser_is_the_one_that_is_meant() -> None:
    parser = aiohttp.http_parser.HttpRequestParser
    assert (parser is aiohttp.http_parser.HttpRequestParserPy) == PURE


@pytest.mark.skipif(PURE, reason="this is the child")
def test_the_pure_python_parser_gives_away_no_more() -> None:
    child = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        env=os.environ | {"AIOHTTP_NO_EXTENSIONS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert child.returncode == 0, child.stdout
