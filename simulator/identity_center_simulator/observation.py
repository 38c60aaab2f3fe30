"""What stands around every operation: the journal, faults, the throttle, and errors turned into answers."""

from __future__ import annotations

import logging
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp import web

from identity_center_simulator import callers, faults, operations, refusals, trouble
from identity_center_simulator.context import CALL, Context
from identity_center_simulator.errors import Refused, too_many_requests

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp.typedefs import Handler, Middleware


LOG = logging.getLogger("identity_center_simulator")
UNANSWERED = frozenset({"hang", "hang-after", "reset", "reset-after"})


def observed(context: Context) -> Middleware:
    """The middleware that does it all."""

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge as problem:
            body, handler = b"", _raising(problem)
        parameters = operations.parameters_of(request.query, body)
        operation = operations.operation_of(request.method, request.path, parameters)
        if operation is None:
            return await handler(request)
        call = context.journal.begin(operation, request.method, request.path, request.headers, context.clock.now())
        request[CALL] = call
        callers.identify(call, parameters, request.headers, context.instance.sessions)
        try:
            await context.journal.begun()
            response = await _in_any_case(context, request, parameters, handler)
            call.status = None if call.fault in UNANSWERED else response.status
            return response
        finally:
            await context.journal.finish(call, context.clock.now())

    return around


def _raising(problem: web.HTTPException) -> Handler:
    """In the operation's place for a body that is too long: such a call is noted like any other."""

    async def handle(_: web.Request) -> web.StreamResponse:
        raise problem

    return handle


async def _in_any_case(
    context: Context, request: web.Request, parameters: Mapping[str, str], handler: Handler
) -> web.StreamResponse:
    """The answer; a mistake of the simulator's own is the service's, and told in the log."""
    try:
        return await _answered(context, request, parameters, handler)
    except ConnectionError:
        raise  # the client went away
    except Exception:
        call = request[CALL]
        LOG.exception("%s failed", call.operation)
        call.error = "InternalFailure"
        return refusals.unexpected(call.operation)


async def _answered(
    context: Context, request: web.Request, parameters: Mapping[str, str], handler: Handler
) -> web.StreamResponse:
    """The answer, with whatever fault meets this call."""
    call = request[CALL]
    fault = context.faults.take(call.operation, parameters, context.clock.now())
    if fault is None:
        return await _performed(context, request, handler)
    call.fault = fault.kind
    if fault.delay:
        await trouble.pause(context.stopping, fault.delay)
    if fault.kind in faults.BEFORE:
        response = await trouble.instead(fault, call.operation, request, context.stopping)
        call.error = _error_named(response)
        return response
    response = await _performed(context, request, handler)
    return await trouble.spoiled(fault, response, request, context.stopping)


async def _performed(context: Context, request: web.Request, handler: Handler) -> web.StreamResponse:
    """The operation's own answer, or its service's refusal, or the throttle's."""
    call = request[CALL]
    try:
        _throttle(context, call.operation)
        return await handler(request)
    except Refused as refused:
        call.error = refused.code
        return refusals.render(refused)
    except web.HTTPException as problem:  # no such path, no such method, a body too long
        return web.Response(status=problem.status, text=problem.text, headers=problem.headers)


def _throttle(context: Context, operation: str) -> None:
    rate = context.instance.settings.calls_per_second
    if not rate or operation not in operations.PORTAL:
        return
    passes, context.bucket = context.bucket.take(rate, context.clock.now())
    if not passes:
        raise too_many_requests()


def dated(context: Context) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Every answer tells the simulator's time, not the machine's: clients measure their own clock by it."""

    async def before_headers(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = formatdate(context.clock.now(), usegmt=True)
        response.headers["Server"] = "identity-center-simulator"

    return before_headers


def _error_named(response: web.StreamResponse) -> str | None:
    return response.headers.get("x-amzn-ErrorType", "").partition(":")[0] or None
