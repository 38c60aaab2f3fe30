"""Fakes written by hand. Contract tests (tests/contract) run each through the same cases as what it stands for."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from keyfobd.adapters.clock import Clock
from keyfobd.core.errors import (
    GrantRefused,
    NotPermitted,
    RegistrationGone,
    SignInFailed,
    SignInPending,
    TokenRejected,
)
from keyfobd.core.model import (
    Account,
    DeviceAuthorization,
    Flow,
    Instant,
    Origins,
    Registration,
    RoleCredentials,
    Session,
    SsoRole,
    Tokens,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


START = Instant(wall=1_790_000_000.0, boot=10_000.0)
RefreshTokens = Literal["rotate", "single-use", "keep", "omit", "none"]


class FakeClock(Clock):
    """Stands still until it is moved; each of its two clocks alone if need be."""

    def __init__(self, instant: Instant = START) -> None:
        self.instant = instant

    def now(self) -> Instant:
        return self.instant

    def advance(self, seconds: float = 0.0, *, wall: float = 0.0, boot: float = 0.0) -> None:
        """Move both clocks by ``seconds``, and one of them by more: a jump of the wall, a machine that was asleep."""
        self.instant = Instant(self.instant.wall + seconds + wall, self.instant.boot + seconds + boot)


class LoopClock(FakeClock):
    """Both clocks run with the event loop's time: with looptime, virtual time is daemon time."""

    def now(self) -> Instant:
        passed = asyncio.get_running_loop().time()
        return Instant(self.instant.wall + passed, self.instant.boot + passed)


@dataclass(frozen=True, slots=True)
class Call:
    """One call that reached the fake; ``detail`` is what it was about (a role, a flow, a page), never a secret."""

    operation: str
    session: str
    detail: object = None
    at: float = 0.0  # the fake's clock, boot seconds


@dataclass(slots=True)
class _Grant:
    """A sign-in at the fake: who holds one of its tokens is signed in until it ends."""

    session: str
    alive: bool = True
    access_tokens: dict[str, Instant] = field(default_factory=dict)
    refresh_tokens: set[str] = field(default_factory=set)


class FakeIdentityCenter:
    """An Identity Center in memory, with the adapter's methods. Operations go by the names of those methods.

    Script it: ``fail("refresh", Unreachable("…"))`` for the next call (several errors: the next calls),
    ``break_down("role_credentials", error)`` for every call until ``mend("role_credentials")``, ``hold("refresh")`` for
    an event that keeps calls waiting until it is set, ``approve()`` and ``deny()`` for the person at the consent page,
    ``end_sessions()`` for the end of every sign-in, ``unassign(role)``. ``calls`` is everything that was asked, in
    order, with the failed ones.
    """

    def __init__(self, clock: FakeClock, *, refresh_tokens: RefreshTokens = "rotate") -> None:
        self.clock = clock
        self.refresh_tokens = refresh_tokens
        self.access_token_lifetime = 3600.0
        self.credentials_lifetime = 3600.0
        self.page_size = 100
        self.approved = False  # device codes from now on need nobody
        self.directory: dict[str, tuple[Account, tuple[str, ...]]] = {}
        self.calls: list[Call] = []
        self.most_at_once: dict[str, int] = defaultdict(int)
        self._at_once: dict[str, int] = defaultdict(int)
        self._failures: dict[str, deque[Exception]] = defaultdict(deque)
        self._broken: dict[str, Exception] = {}
        self._gates: dict[str, asyncio.Event] = {}
        self._serial = itertools.count(1)
        self._clients: dict[str, Registration] = {}
        self._device_codes: dict[str, bool | None] = {}  # None while nobody decided
        self._codes: set[str] = set()
        self._grants: list[_Grant] = []
        self.assign("111122223333", "Production", "Admin", "ReadOnly")
        self.assign("444455556666", "Sandbox", "Developer")

    # --- scripting

    def assign(self, account_id: str, name: str | None, *roles: str) -> None:
        """From now on these roles, and no others, are assigned in this account."""
        email = f"{name.lower()}@example.com" if name else None
        self.directory[account_id] = (Account(account_id, name, email), roles)

    def unassign(self, role: SsoRole) -> None:
        account, roles = self.directory[role.account_id]
        self.directory[role.account_id] = (account, tuple(r for r in roles if r != role.role_name))

    def fail(self, operation: str, *errors: Exception) -> None:
        """The next calls of an operation raise these, one each."""
        self._failures[operation].extend(errors)

    def break_down(self, operation: str, error: Exception) -> None:
        """Every call of an operation raises this until it is mended."""
        self._broken[operation] = error

    def mend(self, *operations: str) -> None:
        """No failures any more, of these operations or of all."""
        for operation in operations or (*self._broken, *self._failures):
            self._broken.pop(operation, None)
            self._failures.pop(operation, None)

    def hold(self, operation: str) -> asyncio.Event:
        """Calls of an operation wait for this event before anything else happens."""
        self._gates[operation] = asyncio.Event()
        return self._gates[operation]

    def approve(self) -> None:
        """The person allows every device code there is."""
        self._decide(allowed=True)

    def deny(self) -> None:
        """The person cancels every device code there is."""
        self._decide(allowed=False)

    def authorize(self) -> str:
        """The person allows a PKCE sign-in: the code that the browser brings to the callback."""
        code = self._new("code")
        self._codes.add(code)
        return code

    def end_sessions(self) -> None:
        """Every sign-in is over: access tokens are unknown, refresh tokens refused."""
        for grant in self._grants:
            grant.alive = False

    def forget_clients(self) -> None:
        """No registration is known any more."""
        self._clients.clear()

    def count(self, operation: str, session: str | None = None) -> int:
        """How often an operation was called, for one session or for all."""
        return sum(c.operation == operation and session in (None, c.session) for c in self.calls)

    # --- the adapter's methods

    async def preload(self) -> None:
        """Nothing to load."""

    async def origins(self, region: str) -> Origins:
        return Origins(sso_oidc=f"https://oidc.{region}.test", sso=f"https://portal.sso.{region}.test")

    def authorize_url(self, origins: Origins) -> str:
        return origins.sso_oidc + "/authorize"

    async def register(self, session: Session, flow: Flow) -> Registration:
        async with self._called("register", session, flow):
            client_id = self._new("client")
            expires_at = int(self.clock.now().wall) + 90 * 86400
            self._clients[client_id] = Registration(client_id, self._new("client-secret"), expires_at, flow)
            return self._clients[client_id]

    async def start_device_authorization(self, session: Session, registration: Registration) -> DeviceAuthorization:
        async with self._called("start_device_authorization", session):
            self._check_client(registration)
            device_code = self._new("device-code")
            self._device_codes[device_code] = True if self.approved else None
            page = session.start_url + "/#/device"
            return DeviceAuthorization(
                device_code, "BCDF-GHJK", page, page + "?user_code=BCDF-GHJK", lifetime=600.0, interval=1.0
            )

    async def exchange_device_code(self, session: Session, registration: Registration, device_code: str) -> Tokens:
        async with self._called("exchange_device_code", session):
            self._check_client(registration)
            match self._device_codes.get(device_code, "unknown"):
                case None:
                    raise SignInPending("The sign-in is not yet approved.")
                case True:
                    del self._device_codes[device_code]
                    return self._signed_in(session, registration)
                case False:
                    raise SignInFailed("The sign-in was denied.")
                case _:
                    raise GrantRefused("The device code is not known.")

    async def exchange_code(
        self, session: Session, registration: Registration, *, code: str, redirect_uri: str, verifier: str
    ) -> Tokens:
        async with self._called("exchange_code", session, redirect_uri):
            self._check_client(registration)
            if code not in self._codes or not verifier:
                raise GrantRefused("The authorization code is not known.")
            self._codes.remove(code)
            return self._signed_in(session, registration)

    async def refresh(self, session: Session, registration: Registration, refresh_token: str) -> Tokens:
        async with self._called("refresh", session):
            self._check_client(registration)
            grant = next((g for g in self._grants if g.alive and refresh_token in g.refresh_tokens), None)
            if grant is None:
                raise GrantRefused("The refresh token is not known.")
            tokens = self._issue(grant, registration)
            if self.refresh_tokens == "single-use":
                grant.refresh_tokens.remove(refresh_token)
            return replace(tokens, refresh_token=tokens.refresh_token or refresh_token)

    async def role_credentials(self, session: Session, access_token: str, role: SsoRole) -> RoleCredentials:
        async with self._called("role_credentials", session, role):
            self._check_token(access_token)
            _, roles = self.directory.get(role.account_id, (None, ()))
            if role.role_name not in roles:
                raise NotPermitted(f"No access to {role.role_name} in account {role.account_id}.")
            now = self.clock.now()
            expiration = int(now.wall + self.credentials_lifetime)
            number = next(self._serial)
            return RoleCredentials(
                role,
                access_key_id=f"ASIA{number:016d}",
                secret_access_key=f"role-secret-{number}",
                session_token=f"role-session-token-{number}",
                expiration=expiration,
                fetched=now,
                lifetime=expiration - now.wall,
            )

    async def accounts(
        self, session: Session, access_token: str, page: str | None
    ) -> tuple[tuple[Account, ...], str | None]:
        async with self._called("accounts", session, page):
            self._check_token(access_token)
            return self._page(tuple(account for account, _ in self.directory.values()), page)

    async def account_roles(
        self, session: Session, access_token: str, account_id: str, page: str | None
    ) -> tuple[tuple[str, ...], str | None]:
        async with self._called("account_roles", session, (account_id, page)):
            self._check_token(access_token)
            return self._page(self.directory[account_id][1] if account_id in self.directory else (), page)

    async def logout(self, session: Session, access_token: str) -> None:
        async with self._called("logout", session):
            self._check_token(access_token).alive = False

    # --- within

    @contextlib.asynccontextmanager
    async def _called(self, operation: str, session: Session, detail: object = None) -> AsyncIterator[None]:
        self.calls.append(Call(operation, session.name, detail, self.clock.now().boot))
        self._at_once[operation] += 1
        self.most_at_once[operation] = max(self.most_at_once[operation], self._at_once[operation])
        try:
            if operation in self._gates:
                await self._gates[operation].wait()
            self._fail_as_told(operation)
            yield
        finally:
            self._at_once[operation] -= 1

    def _fail_as_told(self, operation: str) -> None:
        if self._failures[operation]:
            raise self._failures[operation].popleft().with_traceback(None)
        if operation in self._broken:
            raise self._broken[operation].with_traceback(None)

    def _decide(self, *, allowed: bool) -> None:
        for device_code in self._device_codes:
            self._device_codes[device_code] = allowed

    def _new(self, what: str) -> str:
        return f"{what}-{next(self._serial)}"

    def _check_client(self, registration: Registration) -> None:
        if self._clients.get(registration.client_id) != registration:
            raise RegistrationGone("The client registration is not known.")

    def _check_token(self, access_token: str) -> _Grant:
        now = self.clock.now()
        for grant in self._grants:
            if (
                grant.alive
                and access_token in grant.access_tokens
                and now.wall < grant.access_tokens[access_token].wall
            ):
                return grant
        raise TokenRejected("Session token not found or invalid.")

    def _signed_in(self, session: Session, registration: Registration) -> Tokens:
        grant = _Grant(session.name)
        self._grants.append(grant)
        return self._issue(grant, registration)

    def _issue(self, grant: _Grant, registration: Registration) -> Tokens:
        now = self.clock.now()
        access_token = self._new("access-token")
        grant.access_tokens[access_token] = Instant(now.wall + self.access_token_lifetime, now.boot)
        renewal = bool(grant.refresh_tokens)
        refresh_token = None
        if self.refresh_tokens in ("rotate", "single-use") or (self.refresh_tokens != "none" and not renewal):
            refresh_token = self._new("refresh-token")
            grant.refresh_tokens.add(refresh_token)
        elif self.refresh_tokens == "keep":
            refresh_token = next(iter(grant.refresh_tokens))
        return Tokens(access_token, refresh_token, registration, now, self.access_token_lifetime)

    def _page(self, everything: tuple[Any, ...], page: str | None) -> tuple[tuple[Any, ...], str | None]:
        begin = int(page or 0)
        end = begin + self.page_size
        return everything[begin:end], str(end) if end < len(everything) else None
