"""The console's federation endpoint: role credentials in, a sign-in link out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import web

from identity_center_simulator import html, issue, replies
from identity_center_simulator.context import CALL, Context
from identity_center_simulator.errors import StsRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from identity_center_simulator.role_keys import RoleKeys

TOKEN_DURATION = 15 * 60  # seconds
SHORTEST, LONGEST = 900, 43200  # SessionDuration, seconds


@dataclass(frozen=True, slots=True)
class SigninToken:
    token: str = field(repr=False)
    keys: RoleKeys
    expires_at: float


class Federation:
    """``/federation``: ``Action=getSigninToken`` and ``Action=login``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tokens: dict[str, SigninToken] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/federation", self.answer), web.post("/federation", self.answer)]

    async def answer(self, request: web.Request) -> web.Response:
        form = dict(parse_qsl((await request.read()).decode("utf-8", "replace")))
        parameters = {**request.query, **form}
        try:
            match parameters.get("Action"):
                case "getSigninToken":
                    return self._signin_token(parameters, request)
                case "login":
                    return self._login(parameters, request)
                case other:
                    return html.message("Bad request", f"There is no action {other}.", 400)
        except StsRefused as refused:
            request[CALL].error = refused.code
            return html.message("Bad request", refused.message, 400)

    def _signin_token(self, parameters: Mapping[str, str], request: web.Request) -> web.Response:
        try:
            words = json.loads(parameters.get("Session", ""))
        except ValueError:
            raise StsRefused(400, "InvalidSession", "Session is not JSON") from None
        now = self._context.clock.now()
        keys = self._context.instance.keys.check_whole(words, now)
        _check_duration(parameters.get("SessionDuration"), keys)
        request[CALL].account_id, request[CALL].role_name = keys.account_id, keys.permission_set
        token = SigninToken(issue.authorization_code(), keys, now + TOKEN_DURATION)
        self._tokens[token.token] = token
        return replies.as_json({"SigninToken": token.token}, headers={"Cache-Control": "no-store"})

    def _login(self, parameters: Mapping[str, str], request: web.Request) -> web.Response:
        token = self._tokens.get(parameters.get("SigninToken", ""))
        destination = parameters.get("Destination")
        if token is None or self._context.clock.now() >= token.expires_at or not destination:
            raise StsRefused(400, "InvalidSigninToken", "The sign-in link is used up, too old, or not whole.")
        request[CALL].user = token.keys.arn
        return html.message("AWS console", f"Signed in as {token.keys.arn}. The console would open {destination}")


def _check_duration(asked: str | None, keys: RoleKeys) -> None:
    """Keys of a chained role may not ask for a duration of their own."""
    if asked is None:
        return
    if keys.permission_set is None or not asked.isdecimal() or not SHORTEST <= int(asked) <= LONGEST:
        raise StsRefused(400, "InvalidDuration", "SessionDuration is not allowed here")
