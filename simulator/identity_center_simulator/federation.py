"""The console's federation endpoint: role credentials in, a sign-in link out."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import web

from identity_center_simulator import html, replies
from identity_center_simulator.context import CALL, Context
from identity_center_simulator.errors import StsRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from identity_center_simulator.role_keys import RoleKeys

TOKEN_DURATION = 15 * 60  # seconds
SHORTEST, LONGEST = 900, 43200  # SessionDuration, seconds


class Federation:
    """``/federation``: ``Action=getSigninToken`` and ``Action=login``."""

    def __init__(self, context: Context) -> None:
        self._context = context

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
        request[CALL].account_id, request[CALL].role_name = keys.holder.account_id, keys.holder.permission_set
        token = self._context.instance.keys.link(keys, now + TOKEN_DURATION)
        return replies.as_json({"SigninToken": token}, headers={"Cache-Control": "no-store"})

    def _login(self, parameters: Mapping[str, str], request: web.Request) -> web.Response:
        """Names where the real one would lead: no simulator sends anybody to AWS."""
        now = self._context.clock.now()
        keys = self._context.instance.keys.linked(parameters.get("SigninToken", ""), now)
        destination = parameters.get("Destination")
        if not destination:
            raise StsRefused(400, "InvalidRequest", "Destination is missing")
        request[CALL].user = keys.holder.arn
        return html.message("AWS console", f"Signed in as {keys.holder.arn}. The console would open {destination}")


def _check_duration(asked: str | None, keys: RoleKeys) -> None:
    """Keys of a chained role may not ask for a duration of their own."""
    if asked is None:
        return
    readable = re.fullmatch("[0-9]{1,9}", asked) is not None
    if keys.holder.permission_set is None or not readable or not SHORTEST <= int(asked) <= LONGEST:
        raise StsRefused(400, "InvalidDuration", "SessionDuration is not allowed here")
