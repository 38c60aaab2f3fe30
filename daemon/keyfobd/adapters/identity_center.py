"""IAM Identity Center: signing in, renewing, role credentials, listing.

Every method makes one call, in a thread, within one deadline, and raises errors of ours alone:
TokenRejected (401 of the portal), NotPermitted, GrantRefused, RegistrationGone, SignInPending, SignInSlower,
SignInFailed, Busy, Unreachable. What is not understood is Unreachable: it never signs anybody out.
"""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from keyfobd.adapters import answers
from keyfobd.adapters.line import Line
from keyfobd.adapters.threads import Threads
from keyfobd.core.errors import NotPermitted, Unreachable
from keyfobd.core.model import (
    Account,
    DeviceAuthorization,
    Flow,
    Origins,
    Registration,
    RoleCredentials,
    Session,
    SsoRole,
    Tokens,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from keyfobd.adapters.clock import Clock
    from keyfobd.adapters.settings import Settings
    from keyfobd.adapters.upstream import Service, Upstream

    T = TypeVar("T")

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
# Without a port: the one of each sign-in is added, as RFC 8252 §7.3 wants it. The AWS CLI's own string, and the only
# form every Identity Center is known to take.
REDIRECT_URI = "http://127.0.0.1/oauth/callback"
_PAGE = 100  # the most the portal allows
_THREADS, _THREADS_PER_SESSION = 32, 8  # ten calls a second of 0.3 s each keep three busy


class IdentityCenter:
    """All sessions' Identity Centers. Its clients are made of ``settings`` alone: no profile, no config file, no
    variable of AWS's is asked."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._threads = Threads("identity-center", _THREADS, _THREADS_PER_SESSION)
        self._upstream: Upstream | None = None
        self._loading = threading.Lock()

    async def preload(self, regions: Iterable[str] = ()) -> None:
        """Import botocore, and make the clients for these regions: now rather than at the first call, and before an
        upgrade takes the files away from under a running daemon."""
        await self._threads.run(self._load)
        for region in regions:
            await self._ready("sso-oidc", region)
            await self._ready("sso", region)

    async def origins(self, region: str) -> Origins:
        """Where a region's Identity Center is: settings, the services' own variables, botocore's rules. Raises
        ConfigProblem for what cannot be a region."""
        oidc, sso = self._settings.endpoint_sso_oidc, self._settings.endpoint_sso
        if oidc and sso:
            return Origins(oidc, sso)
        return await self._threads.run(lambda: self._load().origins(region))

    def authorize_url(self, origins: Origins) -> str:
        """The page where a PKCE sign-in begins, without its query. AWS names none at registration."""
        return origins.sso_oidc + "/authorize"

    async def register(self, session: Session, flow: Flow) -> Registration:
        """Register a client for one flow; AWS refuses one for both. Without ``sso:account:access`` among the scopes
        there will be no refresh token."""
        members: dict[str, Any] = {"clientName": f"keyfob-{session.name}", "clientType": "public"}
        if session.scopes:
            members["scopes"] = list(session.scopes)
        if flow == "pkce":
            members["grantTypes"] = ["authorization_code", "refresh_token"]
            members["redirectUris"] = [REDIRECT_URI]
            members["issuerUrl"] = session.start_url
        return await self._oidc(session, "register", members, lambda answer: answers.registration(answer, flow))

    async def start_device_authorization(self, session: Session, registration: Registration) -> DeviceAuthorization:
        """Ask for a device code. The person's page is https (or on this machine), so that it can be opened unseen."""
        members = _client(registration) | {"startUrl": session.start_url}
        return await self._oidc(session, "start_device_authorization", members, answers.device_authorization)

    async def exchange_device_code(self, session: Session, registration: Registration, device_code: str) -> Tokens:
        """Ask for the tokens. Raises SignInPending until the person has decided, SignInSlower if asked too often."""
        grant = {"grantType": DEVICE_CODE, "deviceCode": device_code}
        return await self._tokens(session, "exchange_device_code", registration, grant)

    async def exchange_code(
        self, session: Session, registration: Registration, *, code: str, redirect_uri: str, verifier: str
    ) -> Tokens:
        """Turn an authorization code into tokens; ``redirect_uri`` is the one authorised, with its port."""
        grant = {
            "grantType": "authorization_code",
            "code": code,
            "redirectUri": redirect_uri,
            "codeVerifier": verifier,
        }
        return await self._tokens(session, "exchange_code", registration, grant)

    async def refresh(self, session: Session, registration: Registration, refresh_token: str) -> Tokens:
        """Renew the access token. The old refresh token is kept where the answer has no new one."""
        grant = {"grantType": "refresh_token", "refreshToken": refresh_token}
        return await self._tokens(session, "refresh", registration, grant, refresh_token)

    async def role_credentials(self, session: Session, access_token: str, role: SsoRole) -> RoleCredentials:
        """Fetch role credentials; their lifetime is the server's expiration less its own ``Date``."""
        members = {"accessToken": access_token, "accountId": role.account_id, "roleName": role.role_name}
        try:
            return await self._sso(
                session, "role_credentials", members, lambda answer: answers.role_credentials(answer, role)
            )
        except NotPermitted as error:
            raise NotPermitted(
                f"Not permitted: {role.role_name} in account {role.account_id} is not assigned to you.",
                f"Run: keyfob list --refresh --sso-session {session.name}",
            ) from error

    async def accounts(
        self, session: Session, access_token: str, page: str | None
    ) -> tuple[tuple[Account, ...], str | None]:
        """One page of the accounts one is entitled to, and the name of the next page."""
        members = {"accessToken": access_token, "maxResults": _PAGE} | _next(page)
        return await self._sso(session, "accounts", members, answers.accounts)

    async def account_roles(
        self, session: Session, access_token: str, account_id: str, page: str | None
    ) -> tuple[tuple[str, ...], str | None]:
        """One page of the roles one has in an account, and the name of the next page."""
        members = {"accessToken": access_token, "accountId": account_id, "maxResults": _PAGE} | _next(page)
        return await self._sso(session, "account_roles", members, answers.role_names)

    async def logout(self, session: Session, access_token: str) -> None:
        """End the sign-in at the portal, and with it every token of it. Role credentials live on until they expire."""
        await self._sso(session, "logout", {"accessToken": access_token}, lambda _: None)

    async def _tokens(
        self, session: Session, operation: str, used: Registration, grant: dict[str, str], keep: str | None = None
    ) -> Tokens:
        members = _client(used) | grant
        return await self._oidc(session, operation, members, lambda answer: answers.tokens(answer, used, keep))

    async def _oidc(
        self, session: Session, operation: str, members: dict[str, Any], read: Callable[[answers.Answer], T]
    ) -> T:
        return await self._call("sso-oidc", session, operation, members, read)

    async def _sso(
        self, session: Session, operation: str, members: dict[str, Any], read: Callable[[answers.Answer], T]
    ) -> T:
        return await self._call("sso", session, operation, members, read)

    async def _call(
        self,
        service: Service,
        session: Session,
        operation: str,
        members: dict[str, Any],
        read: Callable[[answers.Answer], T],
    ) -> T:
        """One call within the deadline, waiting for a thread included."""
        upstream = await self._ready(service, session.region)
        line = Line()
        call = partial(upstream.call, service, session.region, operation, members, line)
        try:
            async with asyncio.timeout(self._settings.connect_timeout + self._settings.read_timeout):
                answer = await self._threads.run(call, key=session.name)
        except TimeoutError:
            raise Unreachable(f"{upstream.host(service, session.region)} did not answer in time.") from None
        finally:
            line.hang_up()
        try:
            return read(answer)
        except answers.NoSense as wrong:
            host = upstream.host(service, session.region)
            raise Unreachable(f"{host} answered without sense: {wrong} is missing or wrong.") from None

    async def _ready(self, service: Service, region: str) -> Upstream:
        """With a client for this service and region: the first call of each makes it, outside the deadline."""
        if self._upstream is not None and self._upstream.has(service, region):
            return self._upstream
        return await self._threads.run(partial(self._prepared, service, region))

    def _prepared(self, service: Service, region: str) -> Upstream:
        upstream = self._load()
        upstream.prepare(service, region)
        return upstream

    def _load(self) -> Upstream:
        """Import botocore: in a thread, for the first time takes long."""
        with self._loading:
            if self._upstream is None:
                from keyfobd.adapters.upstream import Upstream  # noqa: PLC0415 - 0.2 s, for which READY does not wait

                self._upstream = Upstream(self._settings, self._clock)
            return self._upstream


def _client(registration: Registration) -> dict[str, str]:
    return {"clientId": registration.client_id, "clientSecret": registration.client_secret}


def _next(page: str | None) -> dict[str, str]:
    return {} if page is None else {"nextToken": page}
