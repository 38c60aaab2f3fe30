"""aiohttp's low-level server, made to say nothing by itself.

Of its own accord aiohttp names itself and Python in ``Server``, puts bytes of a malformed request into the error body,
and logs them. Requests come from anybody on this machine and may carry a token, so none of that leaves here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import hdrs, web

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest


class QuietResponse(web.Response):
    """A response with our headers alone, after which the connection is closed."""

    def __init__(self, status: int, body: bytes, content_type: str, headers: dict[str, str] | None = None) -> None:
        # Not content_type=: aiohttp would add a charset.
        # Connection: aiohttp says it to HTTP/1.1 alone, and takes what it could not parse for HTTP/1.0.
        own = {hdrs.CONTENT_TYPE: content_type, hdrs.CACHE_CONTROL: "no-store", hdrs.CONNECTION: "close"}
        super().__init__(status=status, body=body, headers=own | (headers or {}))
        self.force_close()

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        del self.headers[hdrs.SERVER]


class QuietStream(web.StreamResponse):
    """A response that is written piece by piece, and ends with the connection."""

    def __init__(self, content_type: str) -> None:
        super().__init__(headers={hdrs.CONTENT_TYPE: content_type, hdrs.CACHE_CONTROL: "no-store"})
        self.force_close()

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        del self.headers[hdrs.SERVER]


class QuietHandler(web.RequestHandler):
    """One connection. What aiohttp would answer or log by itself is replaced by one static line."""

    __slots__ = ()

    def handle_error(
        self,
        request: BaseRequest,  # noqa: ARG002 - of what was sent nothing is repeated
        status: int = 500,
        exc: BaseException | None = None,  # noqa: ARG002 - it may quote the request
        message: str | None = None,  # noqa: ARG002 - likewise
    ) -> web.StreamResponse:
        return QuietResponse(400 if status < 500 else status, b"This request cannot be understood.\n", "text/plain")


class QuietServer(web.Server):
    """A server for ``loop.create_server`` and ``loop.create_unix_server``, with one handler for whatever comes."""

    def __call__(self) -> web.RequestHandler:
        return QuietHandler(
            self,
            loop=self._loop,
            access_log=None,  # type: ignore[arg-type]  # typed narrower than AppRunner's, which documents None
            keepalive_timeout=0,
            **self._kwargs,
        )
