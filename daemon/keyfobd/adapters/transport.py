"""One HTTP exchange with Identity Center.

botocore builds the requests and reads the answers, but sends nothing: its own sender asks the environment for proxies,
has no deadline for a whole answer, and takes any web page for JSON. Blocking; to be called in threads.
"""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # documented, not in typeshed

import truststore
import urllib3
from botocore.httpsession import where as botocore_certificates
from urllib3 import exceptions as http_errors
from urllib3.connection import HTTPConnection, HTTPSConnection

from keyfobd.adapters.setting_kinds import is_loopback
from keyfobd.adapters.transport_errors import explain, refuse_nonsense
from keyfobd.core.errors import ConfigProblem, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfobd.adapters.clock import Clock
    from keyfobd.adapters.line import Line
    from keyfobd.adapters.settings import Settings

LONGEST_ANSWER = 4 * 1024 * 1024  # bytes; a page of a hundred accounts has some 20,000
LONGEST_IDLE = 10.0  # seconds, suspend included, after which a kept connection is not trusted
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """An answer that makes sense as HTTP and as JSON; its body may be empty."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Transport:
    """Pools of connections, shared by all clients. Safe for threads."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._pools: dict[bool, urllib3.PoolManager] = {}
        self._used_at = clock.now().boot

    def exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, line: Line) -> Received:
        """Send a request and read the whole answer. Raises Unreachable or Busy. Redirects are never followed: the next
        host would get the bearer token."""
        host = urlsplit(url).hostname or url
        if not url.startswith("https://") and not is_loopback(url):
            raise ConfigProblem(f"{host} is not spoken with over plain http, since tokens go there.")
        _current.line = line
        try:
            received = self._exchange(method, url, headers, body, host)
        except http_errors.HTTPError as error:
            raise explain(error, host) from error
        finally:
            _current.line = None
            line.release()
        refuse_nonsense(received.status, received.headers, received.body, host)
        return received

    def _exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, host: str) -> Received:
        deadline = self._clock.now().boot + self._settings.connect_timeout + self._settings.read_timeout
        response = self._pool(url).urlopen(
            method, url, body=body, headers=headers, redirect=False, retries=False, preload_content=False
        )
        try:
            return Received(response.status, response.headers, self._read(response, host, deadline))
        finally:
            response.close()  # closes the connection unless all was read and it is in its pool again

    def _read(self, response: urllib3.BaseHTTPResponse, host: str, deadline: float) -> bytes:
        body = bytearray()
        while chunk := response.read1(_CHUNK):
            body += chunk
            if self._clock.now().boot > deadline:
                raise Unreachable(f"{host} answered too slowly.")
            if len(body) > LONGEST_ANSWER:
                raise Unreachable(f"{host} answered without sense: more than {LONGEST_ANSWER} bytes.")
        return bytes(body)

    def _pool(self, url: str) -> urllib3.PoolManager:
        with self._lock:
            self._drop_idle_connections()
            proxied = self._is_proxied(url)
            if proxied not in self._pools:
                self._pools[proxied] = self._make_pool(self._settings.proxy if proxied else None)
            return self._pools[proxied]

    def _drop_idle_connections(self) -> None:
        """After a sleep or a change of network a kept connection looks alive and swallows the request, until the read
        times out: just when somebody opens the lid and asks."""
        now = self._clock.now().boot
        if now - self._used_at > LONGEST_IDLE:
            for pool in self._pools.values():
                pool.clear()
        self._used_at = now

    def _is_proxied(self, url: str) -> bool:
        if self._settings.proxy is None or is_loopback(url):
            return False
        # Like curl and botocore: a list of hosts and domains, or "*". Given as an argument, os.environ is not asked.
        return not proxy_bypass_environment(urlsplit(url).netloc, {"no": self._settings.no_proxy})

    def _make_pool(self, proxy: str | None) -> urllib3.PoolManager:
        tls = tls_context(self._settings)
        options: dict[str, Any] = {
            "num_pools": 64,
            "maxsize": 8,
            "timeout": urllib3.Timeout(connect=self._settings.connect_timeout, read=self._settings.read_timeout),
            "ssl_context": tls,
        }
        if proxy is None:
            pool = urllib3.PoolManager(**options)
        else:
            headers = _proxy_authorization(proxy)
            pool = urllib3.ProxyManager(proxy, proxy_headers=headers, proxy_ssl_context=tls, **options)
        pool.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        return pool


def tls_context(settings: Settings) -> ssl.SSLContext:
    """A context that trusts what the settings say: the operating system's certificates, a file or folder of them, or
    by default those that come with botocore, as all AWS tools in Python do. Raises Unreachable if they cannot be read.
    """
    if settings.ca_bundle == "system":
        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    where = settings.ca_bundle or botocore_certificates()
    context = urllib3.util.ssl_.create_urllib3_context()
    try:
        is_folder = settings.ca_bundle is not None and settings.ca_bundle.is_dir()
        context.load_verify_locations(**{"capath" if is_folder else "cafile": str(where)})
    except OSError as error:  # ssl.SSLError is one: a file without certificates
        raise Unreachable(f"The certificates in {where} cannot be read.", "Mend [network] ca_bundle.") from error
    return context


def _proxy_authorization(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return dict(urllib3.make_headers(proxy_basic_auth=pair))


class _Current(threading.local):
    """The line of the exchange this thread is at."""

    line: Line | None = None


_current = _Current()


class _HttpConnection(HTTPConnection):
    def request(self, *args: Any, **options: Any) -> None:
        if _current.line:
            _current.line.use(self)
        super().request(*args, **options)


class _HttpsConnection(HTTPSConnection):
    def connect(self) -> None:
        if _current.line:
            _current.line.use(self)  # the handshake can be dripped as well
        super().connect()

    def request(self, *args: Any, **options: Any) -> None:
        if _current.line:
            _current.line.use(self)
        super().request(*args, **options)


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection
