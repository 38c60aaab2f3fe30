"""Carries a fault out on a connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import web

from identity_center_simulator import documents, refusals
from identity_center_simulator.faults import with_members

if TYPE_CHECKING:
    from identity_center_simulator.faults import Fault

WEB_PAGE = "<!doctype html><title>Sign in to the network</title><h1>Welcome to Airport Wi-Fi</h1>\n"


async def pause(stopping: asyncio.Event, seconds: float | None) -> None:
    """Wait so long (None: for ever), or until the simulator stops."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()


async def instead(fault: Fault, operation: str, request: web.Request, stopping: asyncio.Event) -> web.StreamResponse:
    """Answer in the operation's place: one of the kinds in `faults.BEFORE`."""
    match fault.kind:
        case "hang":
            await pause(stopping, None)
            return reset(request)
        case "reset":
            return reset(request)
        case "error":
            refusal = refusals.render(refusals.make(operation, fault.code, fault.status, fault.message))
            return _with_members(refusal, fault)
        case "html":
            return web.Response(status=fault.status or 200, text=fault.body or WEB_PAGE, content_type="text/html")
        case "redirect":
            return web.Response(status=fault.status or 307, headers={"Location": fault.location})
        case _:
            kind = "application/json" if _is_json(fault.body) else "text/plain"
            return web.Response(status=fault.status or 500, text=fault.body, content_type=kind)


async def spoiled(
    fault: Fault, response: web.StreamResponse, request: web.Request, stopping: asyncio.Event
) -> web.StreamResponse:
    """Send an answer as the fault wants it sent."""
    body = response.body if isinstance(response, web.Response) else b""
    if not isinstance(body, bytes):
        body = b""
    match fault.kind:
        case "reset-after":
            return reset(request)
        case "hang-after":
            await pause(stopping, None)
            return reset(request)
        case "truncated":
            return await _truncated(response, body, request)
        case "drip":
            return await _dripped(response, body, request, fault.seconds, stopping)
        case "members":
            return _with_members(response, fault)
        case _:
            return response


def reset(request: web.Request) -> web.Response:
    """The peer sees ECONNRESET: closing with a linger of zero sends RST in place of FIN."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=500)  # nobody will see it


def _with_members(response: web.StreamResponse, fault: Fault) -> web.StreamResponse:
    """An answer with members changed, if it has any."""
    body = response.body if isinstance(response, web.Response) else None
    if not isinstance(body, bytes) or not _is_json(body):
        return response
    response.headers.popall("Content-Length", None)
    return web.Response(status=response.status, headers=response.headers, body=with_members(body, fault))


async def _truncated(response: web.StreamResponse, body: bytes, request: web.Request) -> web.StreamResponse:
    stream = _stream(response, len(body))
    await stream.prepare(request)
    await stream.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return stream


async def _dripped(
    response: web.StreamResponse, body: bytes, request: web.Request, seconds: float, stopping: asyncio.Event
) -> web.StreamResponse:
    stream = _stream(response, len(body))
    await stream.prepare(request)
    for byte in body:
        await stream.write(bytes([byte]))
        await pause(stopping, seconds)
    await stream.write_eof()
    return stream


def _stream(response: web.StreamResponse, length: int) -> web.StreamResponse:
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = length
    return stream


def _is_json(body: str | bytes) -> bool:
    try:
        return isinstance(documents.read(body), dict)
    except ValueError:
        return False
