"""A loopback server that answers exactly the bytes a test says, or none; and certificates for it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import json
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Script(Protocol):
    """What happens to one connection once its request has been read."""

    async def __call__(self, writer: asyncio.StreamWriter) -> None: ...


@dataclass
class ScriptedServer:
    """What came, and where it listens."""

    script: Script
    reads: bool = True  # the request, before the script begins
    keep_alive: bool = False  # the script is played for each request of a connection
    port: int = 0
    scheme: str = "http"
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def connected(self, times: int) -> None:
        """Wait for so many connections."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.connections >= times)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self.changed:
            self.connections += 1
            self.changed.notify_all()
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._play(reader, writer)
                while self.keep_alive:
                    await self._play(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.reads:
            self.requests.append(await _request(reader))
        await self.script(writer)


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + (await reader.readexactly(int(lengths[0].partition(b":")[2])) if lengths else b"")


@contextlib.asynccontextmanager
async def serving(
    script: Script, tls: ssl.SSLContext | None = None, *, reads: bool = True, keep_alive: bool = False
) -> AsyncIterator[ScriptedServer]:
    """Listen on a free port; at the end, cut off whoever is still connected."""
    scripted = ScriptedServer(script, reads, keep_alive, scheme="https" if tls else "http")
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(scripted.handle(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    scripted.port = server.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def sending(content: bytes) -> Script:
    """These bytes, and the end."""

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()

    return script


def answering(body: bytes | dict[str, Any], status: int = 200, **headers: str) -> Script:
    """An HTTP answer; a dictionary is sent as JSON. In names of headers ``_`` stands for ``-``."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", "Connection: close"]
    named = {"content-length": str(len(content))} | {n.replace("_", "-").lower(): v for n, v in headers.items()}
    lines += [f"{name}: {value}" for name, value in named.items()]
    return sending("\r\n".join(lines).encode() + b"\r\n\r\n" + content)


async def hanging(writer: asyncio.StreamWriter) -> None:
    """No answer, ever."""
    await writer.drain()
    await asyncio.Event().wait()


async def resetting(writer: asyncio.StreamWriter) -> None:
    """The connection is reset."""
    writer.transport.abort()


def dripping(content: bytes, first: int = 0) -> Script:
    """Some bytes at once, then one at a time, each a hundredth of a second after the other, for ever."""

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(content[:first])
        position = first
        while True:
            writer.write(content[position : position + 1] or b" ")
            await writer.drain()
            position += 1
            await asyncio.sleep(0.01)

    return script


class Authority:
    """A certificate authority of a test's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's own authority")])
        certificate = self._builder(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.bundle = folder / "ca.pem"
        self.bundle.write_bytes(certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def server_context(self, address: str = "127.0.0.1", *, expired: bool = False) -> ssl.SSLContext:
        """TLS with a certificate for this address."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
        certificate = self._builder(name, key, expired=expired).add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
        chain = self._folder / f"{address}.pem"
        chain.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def _builder(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, expired: bool = False
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)  # OpenSSL compares with the machine's own clock
        begin = now - dt.timedelta(days=2)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + dt.timedelta(days=1 if expired else 30))
        )
