"""What a person meets in the browser: the device page, ``/authorize``, and the consent form that both show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from identity_center_simulator import html
from identity_center_simulator.clients import AUTHORIZATION_CODE, redirect_allowed
from identity_center_simulator.context import CALL, Context
from identity_center_simulator.errors import OidcRefused
from identity_center_simulator.instance import NoSuchUser
from identity_center_simulator.sign_ins import AuthorizationRequest, DeviceAuthorization, is_challenge

if TYPE_CHECKING:
    from collections.abc import Mapping


class BadRequest(Exception):
    """A request that ends in an error page: RFC 6749 §4.1.2.1 forbids to redirect to an address that is not known to be
    the client's."""


class Refusal(Exception):
    """A request whose client is told by redirect; the OAuth error code."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of a person's decision. ``redirect``: where the browser goes next, with ``/authorize``."""

    allowed: bool
    redirect: str | None


class Pages:
    """The sign-in pages."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/device", self.device),
            web.get("/authorize", self.authorize),
            web.post("/sign-in", self.decide),
        ]

    async def device(self, request: web.Request) -> web.Response:
        user_code = request.query.get("user_code")
        if not user_code:
            return html.code_form()
        now = self._context.clock.now()
        found = self._context.instance.sign_ins.waiting_device(user_code, now)
        if found is None:
            request[CALL].error = "InvalidGrantException"
            return html.message("Invalid code", "No sign-in waits for this code. It may have expired.", 400)
        request[CALL].client_id = found.client_id
        return self._consent(found, request)

    async def authorize(self, request: web.Request) -> web.Response:
        request[CALL].client_id = request.query.get("client_id")
        try:
            wanted = self.wanted(request.query)
        except BadRequest as problem:
            request[CALL].error = "invalid_request"
            return html.message("Invalid request", str(problem), 400)
        except Refusal as refusal:
            request[CALL].error = str(refusal)
            words = {"error": str(refusal), "state": request.query.get("state")}
            return _found(_with_query(request.query["redirect_uri"], words))
        warm = self._context.instance.warm_user
        return self._consent(wanted, request) if warm is None else self._answered(wanted, warm, request)

    async def decide(self, request: web.Request) -> web.Response:
        form = dict(parse_qsl((await request.read()).decode("utf-8", "replace"), keep_blank_values=True))
        subject = self._context.instance.sign_ins.take_ticket(form.get("ticket", ""), self._context.clock.now())
        if subject is None or form.get("decision") not in {"Allow", "Deny"}:
            return html.message("Too late", "This page is used up or too old. Open the address anew.", 400)
        return self._answered(subject, form.get("user", "") if form["decision"] == "Allow" else None, request)

    def wanted(self, query: Mapping[str, str]) -> AuthorizationRequest:
        """What ``/authorize`` is asked for; raises BadRequest, Refusal. ``scope`` and ``scopes``, as different clients
        name it, are alike ignored: scopes were fixed when the client registered."""
        client = self._context.instance.clients.find(query.get("client_id"), self._context.clock.now())
        redirect_uri = query.get("redirect_uri", "")
        if client is None:
            raise BadRequest("The client is not known, or its registration has expired.")
        if not redirect_allowed(client.redirect_uris, redirect_uri):
            raise BadRequest("The redirect address is not one that the client registered.")
        if query.get("response_type") != "code":
            raise Refusal("unsupported_response_type")
        if AUTHORIZATION_CODE not in client.grants:
            raise Refusal("unauthorized_client")
        if query.get("code_challenge_method") != "S256" or not is_challenge(query.get("code_challenge", "")):
            raise Refusal("invalid_request")
        return AuthorizationRequest(client.client_id, redirect_uri, query["code_challenge"], query.get("state"))

    def decided(self, subject: AuthorizationRequest | DeviceAuthorization, user: str | None) -> Decided:
        """Allowed by a user, or denied (None); raises NoSuchUser, OidcRefused."""
        code = self._context.instance.answer(subject, user, self._context.clock.now())
        if isinstance(subject, DeviceAuthorization):
            return Decided(allowed=user is not None, redirect=None)
        words = {"code": code} if code is not None else {"error": "access_denied"}
        return Decided(user is not None, _with_query(subject.redirect_uri, {**words, "state": subject.state}))

    def _answered(
        self, subject: AuthorizationRequest | DeviceAuthorization, user: str | None, request: web.Request
    ) -> web.Response:
        """A decision as a browser sees it: a page, or the way back to the client."""
        request[CALL].user = user
        request[CALL].client_id = subject.client_id
        try:
            decided = self.decided(subject, user)
        except NoSuchUser as problem:
            return html.message("Not signed in", f"{problem}. Open the address anew.", 403)
        except OidcRefused as refused:
            request[CALL].error = refused.code
            return html.message("Something went wrong", f"{refused.error}: {refused.message}", 400)
        if decided.redirect is not None:
            return _found(decided.redirect)
        if not decided.allowed:
            return html.message("Request denied", "The program gets no access. You can close this window.")
        return html.message("Request approved", "You have signed in and can close this window.")

    def _consent(self, subject: AuthorizationRequest | DeviceAuthorization, request: web.Request) -> web.Response:
        # login_hint is OpenID Connect's word for who will probably sign in; it spares scripts the choice in the form.
        instance = self._context.instance
        now = self._context.clock.now()
        client = instance.clients.find(subject.client_id, now)
        users = [user.name for user in instance.scenario.users.values() if not user.disabled]
        user_code = subject.user_code if isinstance(subject, DeviceAuthorization) else None
        name = client.name if client is not None else "An expired client"
        likely = request.query.get("login_hint", instance.settings.warm_user)
        return html.consent(name, users, likely, instance.sign_ins.ticket_for(subject, now), user_code)


def _with_query(redirect_uri: str, words: Mapping[str, str | None]) -> str:
    return f"{redirect_uri}?{urlencode({name: value for name, value in words.items() if value is not None})}"


def _found(location: str) -> web.Response:
    return web.Response(status=302, headers={"Location": location, "Cache-Control": "no-store"})
