"""As much of STS as it takes to prove that role credentials work: GetCallerIdentity and AssumeRole (query protocol)."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from aiohttp import web

from identity_center_simulator import sigv4
from identity_center_simulator.context import CALL, Context
from identity_center_simulator.errors import StsRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from identity_center_simulator.role_keys import RoleKeys
    from identity_center_simulator.world import IamRole

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
SHORTEST, LONGEST_CHAINED = 900, 3600  # seconds; a role assumed with a role's keys lives an hour at most
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)


class Sts:
    """The two operations, on ``POST /`` and ``GET /``."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        parameters = {**request.query, **dict(parse_qsl(body.decode("utf-8", "replace")))}
        keys = self._authenticated(request, body)
        match parameters.get("Action"):
            case "GetCallerIdentity":
                return _reply("GetCallerIdentity", _identity(keys))
            case "AssumeRole":
                return _reply("AssumeRole", self._assumed(parameters, keys))
            case other:
                raise StsRefused(400, "InvalidAction", f"Could not find operation {other} for version 2011-06-15")

    def _authenticated(self, request: web.Request, body: bytes) -> RoleKeys:
        claim = sigv4.claim_of(request.headers)
        call = request[CALL]
        call.token = claim.access_key_id
        token = request.headers.get("X-Amz-Security-Token")
        clock, lifetime = self._context.clock, self._context.instance.settings.signature_lifetime
        keys = self._context.instance.keys.check(claim.access_key_id, token, clock.now())
        sigv4.verify(claim, keys.secret_access_key, request.method, str(request.url), request.headers, body)
        if lifetime:
            sigv4.check_age(claim, (clock.wall(), clock.now()), lifetime)
        call.account_id, call.user = keys.holder.account_id, keys.holder.session_name
        call.role_name = keys.holder.permission_set
        return keys

    def _assumed(self, parameters: Mapping[str, str], caller: RoleKeys) -> str:
        arn, session_name = _present(parameters, "RoleArn"), session_name_of(parameters)
        role = self._context.instance.scenario.iam_roles.get(arn)
        if role is None or not _trusts(role, caller, parameters.get("ExternalId")):
            text = f"User: {caller.holder.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
            raise StsRefused(403, "AccessDenied", text)
        duration = chained_duration(parameters.get("DurationSeconds"), role.duration)
        keys = self._context.instance.keys.for_role(role, session_name, duration, self._context.clock.now())
        holder = keys.holder
        return (
            f"<AssumedRoleUser><Arn>{escape(holder.arn)}</Arn><AssumedRoleId>{escape(holder.user_id)}</AssumedRoleId>"
            f"</AssumedRoleUser><Credentials><AccessKeyId>{keys.access_key_id}</AccessKeyId>"
            f"<SecretAccessKey>{keys.secret_access_key}</SecretAccessKey>"
            f"<SessionToken>{keys.session_token}</SessionToken>"
            f"<Expiration>{_rfc3339(keys.expires_at)}</Expiration></Credentials>"
        )


def session_name_of(parameters: Mapping[str, str]) -> str:
    """AssumeRole's name for the session; raises StsRefused."""
    name = _present(parameters, "RoleSessionName")
    if not _SESSION_NAME.fullmatch(name):
        raise _unsatisfied(
            "RoleSessionName", f"'{name}'", f"satisfy regular expression pattern: {_SESSION_NAME.pattern}"
        )
    return name


def chained_duration(asked: str | None, usual: float) -> float:
    """How long an assumed role's keys live, in seconds; raises StsRefused."""
    if asked is None:
        return min(usual, LONGEST_CHAINED)
    if not re.fullmatch("[0-9]{1,9}", asked) or int(asked) < SHORTEST:
        raise _unsatisfied("DurationSeconds", f"'{asked}'", f"have value greater than or equal to {SHORTEST}")
    if int(asked) > LONGEST_CHAINED:
        text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        raise StsRefused(400, "ValidationError", text)
    return int(asked)


def refusal(refused: StsRefused) -> web.Response:
    kind, request_id = "Sender" if refused.status < 500 else "Receiver", str(uuid.uuid4())
    body = (
        f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>{kind}</Type><Code>{escape(refused.code)}</Code>'
        f"<Message>{escape(refused.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return _document(body, request_id, refused.status)


def _present(parameters: Mapping[str, str], name: str) -> str:
    found = parameters.get(name)
    if not found:
        raise _unsatisfied(name, "null", "not be null")
    return found


def _unsatisfied(name: str, value: str, constraint: str) -> StsRefused:
    """In the words that every AWS query service has for it."""
    where = name[0].lower() + name[1:]
    text = f"1 validation error detected: Value {value} at '{where}' failed to satisfy constraint: Member must "
    return StsRefused(400, "ValidationError", text + constraint)


def _trusts(role: IamRole, caller: RoleKeys, external_id: str | None) -> bool:
    return caller.holder.permission_set in role.trusts and role.external_id in {None, external_id}


def _identity(keys: RoleKeys) -> str:
    holder = keys.holder
    return (
        f"<Arn>{escape(holder.arn)}</Arn><UserId>{escape(holder.user_id)}</UserId>"
        f"<Account>{holder.account_id}</Account>"
    )


def _reply(operation: str, result: str) -> web.Response:
    request_id = str(uuid.uuid4())
    body = (
        f'<{operation}Response xmlns="{NAMESPACE}"><{operation}Result>{result}</{operation}Result>'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    )
    return _document(body, request_id)


def _document(body: str, request_id: str, status: int = 200) -> web.Response:
    return web.Response(status=status, text=body, content_type="text/xml", headers={"x-amzn-RequestId": request_id})


def _rfc3339(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
