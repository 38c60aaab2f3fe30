"""The access portal: ListAccounts, ListAccountRoles, GetRoleCredentials, Logout."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from identity_center_simulator import replies
from identity_center_simulator.errors import PortalRefused, no_access, session_not_found

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from identity_center_simulator.context import Context
    from identity_center_simulator.sessions import PortalSession
    from identity_center_simulator.world import Account

TOKEN_HEADER = "x-amz-sso_bearer_token"  # noqa: S105 - a header's name; underscores, as the service model has them
T = TypeVar("T")

LONGEST_NUMBER = 20  # digits
LIMITS = "ResultSize parameter must be within the valid limits of: 1-100"


class Portal:
    """The four operations."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/assignment/accounts", self.list_accounts),
            web.get("/assignment/roles", self.list_account_roles),
            web.get("/federation/credentials", self.get_role_credentials),
            web.post("/logout", self.logout),
        ]

    async def list_accounts(self, request: web.Request) -> web.Response:
        session = self._session(request)
        instance = self._context.instance
        entitled = [instance.scenario.accounts[account_id] for account_id in instance.assignments(session)]
        page, following = page_of(entitled, request.query, instance.settings.page_size)
        return self._reply({"accountList": [self._account(each) for each in page], "nextToken": following})

    async def list_account_roles(self, request: web.Request) -> web.Response:
        session = self._session(request)
        account_id = _required(request, "account_id")
        assignments = self._context.instance.assignments(session)
        if account_id not in assignments:
            raise no_access()
        page, following = page_of(assignments[account_id], request.query, self._context.instance.settings.page_size)
        return self._reply(
            {"roleList": [{"roleName": name, "accountId": account_id} for name in page], "nextToken": following}
        )

    async def get_role_credentials(self, request: web.Request) -> web.Response:
        session = self._session(request)
        account_id, role_name = _required(request, "account_id"), _required(request, "role_name")
        now = self._context.clock.now()
        keys = self._context.instance.role_credentials(session, account_id, role_name, now)
        return self._reply(
            {
                "roleCredentials": {
                    "accessKeyId": keys.access_key_id,
                    "secretAccessKey": keys.secret_access_key,
                    "sessionToken": keys.session_token,
                    "expiration": keys.expires_at * 1000,
                }
            }
        )

    async def logout(self, request: web.Request) -> web.Response:
        self._context.instance.sign_out(self._session(request))
        return web.Response(headers=replies.request_id())

    def _session(self, request: web.Request) -> PortalSession:
        token = request.headers.get(TOKEN_HEADER)
        if not token:
            raise session_not_found()
        instance = self._context.instance
        return instance.sessions.check(token, instance.settings, self._context.clock.now())

    def _account(self, account: Account) -> dict[str, Any]:
        found = {"accountId": account.account_id, "accountName": account.name, "emailAddress": account.email}
        return {name: value for name, value in found.items() if value is not None}

    def _reply(self, members: Mapping[str, Any]) -> web.Response:
        return replies.success(members, self._context.instance.settings.absent_members)


def page_of(items: Sequence[T], query: Mapping[str, str], most: int) -> tuple[Sequence[T], str | None]:
    """The page that ``max_result`` and ``next_token`` ask for, and the token of the next; raises PortalRefused."""
    asked = query.get("max_result", str(most))
    # Thousands of digits are more than int() takes.
    if not asked.isdecimal() or len(asked) > LONGEST_NUMBER or not 1 <= int(asked) <= 100:
        raise PortalRefused(400, "InvalidRequestException", LIMITS)
    begin = _offset(query.get("next_token"))
    end = begin + min(int(asked), most)
    return items[begin:end], _token(end) if end < len(items) else None


def refusal(refused: PortalRefused) -> web.Response:
    """The real body. Only the throttle's answer, made by a layer before the portal, has a request id."""
    headers = {"x-amzn-ErrorType": refused.code}
    if refused.status == 429:
        headers.update(replies.request_id())
    body = {"message": refused.message, "__type": f"com.amazonaws.switchboard.portal#{refused.code}"}
    return replies.as_json(body, refused.status, headers)


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"offset:{offset}".encode()).decode("ascii")


def _offset(token: str | None) -> int:
    if not token:
        return 0
    with contextlib.suppress(ValueError):
        word, _, offset = base64.urlsafe_b64decode(token).decode("ascii").partition(":")
        if word == "offset" and offset.isdecimal():
            return int(offset)
    raise PortalRefused(400, "InvalidRequestException", "Invalid next token")


def _required(request: web.Request, name: str) -> str:
    found = request.query.get(name)
    if not found:
        raise PortalRefused(400, "InvalidRequestException", f"{name} is required")
    return found
