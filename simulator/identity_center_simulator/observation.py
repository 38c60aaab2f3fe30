"""What stands around every operation: the journal, faults, the throttle, and errors turned into answers."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from aiohttp import web

from identity_center_simulator import faults, portal, refusals, trouble
from identity_center_simulator.context import CALL, Context
from identity_center_simulator.errors import Refused, too_many_requests

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp.typedefs import Handler, Middleware


OPERATIONS = {
    ("POST", "/client/register"): "RegisterClient",
    ("POST", "/device_authorization"): "StartDeviceAuthorization",
    ("POST", "/token"): "CreateToken",
    ("GET", "/authorize"): "Authorize",
    ("GET", "/device"): "DevicePage",
    ("POST", "/sign-in"): "SignIn",
    ("GET", "/assignment/accounts"): "ListAccounts",
    ("GET", "/assignment/roles"): "ListAccountRoles",
    ("GET", "/federation/credentials"): "GetRoleCredentials",
    ("POST", "/logout"): "Logout",
}
"""The names that the journal and faults use. STS and the console's federation endpoint are named by ``Action``."""

UNANSWERED = frozenset({"hang", "hang-after", "reset", "reset-after"})


def operation_of(method: str, path: str, parameters: Mapping[str, str]) -> str | None:
    """The name of what a request asks for; None for what is not a part of the simulated services."""
    if path in {"/", "/federation"} and parameters.get("Action"):
        return parameters["Action"][:1].upper() + parameters["Action"][1:]
    return OPERATIONS.get(("GET" if method == "HEAD" else method, path))


def parameters_of(query: Mapping[str, str], body: bytes) -> dict[str, str]:
    """Everything that a fault can match: the query, and the texts of a JSON or a form body."""
    found = dict(query)
    try:
        members: Any = json.loads(body)
    except ValueError:
        members = dict(parse_qsl(body.decode("utf-8", "replace")))
    if isinstance(members, dict):
        found.update({name: value for name, value in members.items() if isinstance(value, str)})
    return found


def observed(context: Context) -> Middleware:
    """The middleware that does it all."""

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        parameters = parameters_of(request.query, await request.read())
        operation = operation_of(request.method, request.path, parameters)
        if operation is None:
            return await handler(request)
        call = context.journal.begin(operation, request.method, request.path, request.headers, context.clock.now())
        request[CALL] = call
        try:
            await context.journal.begun()
            response = await _answered(context, request, parameters, handler)
            call.status = None if call.fault in UNANSWERED else response.status
            return response
        finally:
            await context.journal.finish(call, context.clock.now())

    return around


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


def _throttle(context: Context, operation: str) -> None:
    rate = context.instance.settings.calls_per_second
    if not rate or operation not in portal.OPERATIONS:
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
