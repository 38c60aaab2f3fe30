"""An endpoint on a real socket, with a broker and tokens made for it, and a client that speaks bytes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyfobd.core.admission import Own
from keyfobd.core.model import EndpointToken, Role, SsoRole
from keyfobd.http.endpoint import Endpoint

if TYPE_CHECKING:
    from keyfobd.core.errors import KeyfobError

TOKEN = "kfb_" + "T" * 43
OTHER_TOKEN = "kfb_" + "U" * 43
ROLE = SsoRole("corp", "111111111111", "Admin")
OTHER_ROLE = SsoRole("corp", "222222222222", "ReadOnly")
PATH = "/role/corp/111111111111/Admin"
BODY = b'{"Code": "Success", "SecretAccessKey": "CANARY-SECRET"}'


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


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def headers(answer: bytes) -> dict[str, str]:
    lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def error(answer: bytes) -> dict[str, str]:
    found: dict[str, str] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found
