"""The fake Identity Center and the real adapter over the simulator, through the same cases."""

from __future__ import annotations

import base64
import hashlib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from fakes import FakeClock, FakeIdentityCenter
from identity_center_simulator import Clock as SimulatorClock
from identity_center_simulator import Simulator
from identity_center_simulator.sign_ins import AuthorizationRequest
from keyfobd.adapters.folders import Folders
from keyfobd.adapters.identity_center import IdentityCenter
from keyfobd.adapters.settings import Settings
from keyfobd.core.errors import (
    GrantRefused,
    NotPermitted,
    RegistrationGone,
    SignInFailed,
    SignInPending,
    TokenRejected,
)
from keyfobd.core.model import Account, Session, SsoRole
from support import simulator as example

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from keyfobd.core.model import DeviceAuthorization, Registration, Tokens

ADMIN = SsoRole("dev", example.DEVELOPMENT, "AdministratorAccess")
SESSION = Session("dev", example.START_URL, example.REGION)
REDIRECT = "http://127.0.0.1:51234/oauth/callback"
VERIFIER = "verifier-" * 6
NOBODY = Path("/nonexistent")


class Place(Protocol):
    """An Identity Center whose people and administrators are played by the test."""

    clock: FakeClock
    center: Any  # IdentityCenter or FakeIdentityCenter: what this module compares

    def approve(self, device: DeviceAuthorization) -> None: ...
    def deny(self, device: DeviceAuthorization) -> None: ...
    def authorize(self, registration: Registration) -> str: ...
    def end_sessions(self) -> None: ...
    def forget_clients(self) -> None: ...
    def unassign(self, role: SsoRole) -> None: ...
    def rotation(self, mode: str) -> None: ...
    def pages_of(self, size: int) -> None: ...


class FakePlace:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.center = FakeIdentityCenter(self.clock)
        self.center.directory.clear()
        self.center.assign(example.DEVELOPMENT, "Development", "AdministratorAccess", "ReadOnly", "ShortLived")
        self.center.assign(example.PRODUCTION, "Production", "ReadOnly", "ShortLived")
        self.center.assign(example.NAMELESS, None)

    def approve(self, device: DeviceAuthorization) -> None:
        assert device.user_code
        self.center.approve()

    def deny(self, device: DeviceAuthorization) -> None:
        assert device.user_code
        self.center.deny()

    def authorize(self, registration: Registration) -> str:
        assert registration.flow == "pkce"
        return self.center.authorize()

    def end_sessions(self) -> None:
        self.center.end_sessions()

    def forget_clients(self) -> None:
        self.center.forget_clients()

    def unassign(self, role: SsoRole) -> None:
        self.center.unassign(role)

    def rotation(self, mode: str) -> None:
        modes: dict[str, Any] = {"rotate": "rotate", "single-use": "single-use", "none": "keep", "omitted": "omit"}
        self.center.refresh_tokens = modes[mode]

    def pages_of(self, size: int) -> None:
        self.center.page_size = size


class SimulatedPlace:
    def __init__(self, simulator: Simulator, clock: FakeClock) -> None:
        self.clock = clock
        self.simulator = simulator
        settings = Settings(
            folders=Folders(NOBODY, NOBODY, NOBODY, NOBODY),
            aws_config_file=NOBODY,
            endpoint_sso=simulator.url,
            endpoint_sso_oidc=simulator.url,
        )
        self.center = IdentityCenter(settings, clock)

    def approve(self, device: DeviceAuthorization) -> None:
        self._answer(self._waiting(device), example.ALICE)

    def deny(self, device: DeviceAuthorization) -> None:
        self._answer(self._waiting(device), None)

    def authorize(self, registration: Registration) -> str:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
        code = self._answer(AuthorizationRequest(registration.client_id, REDIRECT, challenge), example.ALICE)
        assert code is not None
        return code

    def end_sessions(self) -> None:
        self.simulator.instance.sessions.end(self.clock.now().wall)

    def forget_clients(self) -> None:
        self.simulator.instance.clients.forget()

    def unassign(self, role: SsoRole) -> None:
        self.simulator.instance.unassign(example.ALICE, role.account_id, role.role_name)

    def rotation(self, mode: str) -> None:
        self.simulator.instance.change(refresh_tokens=mode)

    def pages_of(self, size: int) -> None:
        self.simulator.instance.change(page_size=size)

    def _waiting(self, device: DeviceAuthorization) -> Any:
        found = self.simulator.instance.sign_ins.waiting_device(device.user_code, self.clock.now().wall)
        assert found is not None
        return found

    def _answer(self, subject: Any, user: str | None) -> str | None:
        return self.simulator.instance.answer(subject, user, self.clock.now().wall)


@pytest.fixture(params=["fake", "real"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    if request.param == "fake":
        yield FakePlace()
        return
    clock = FakeClock()
    async with AsyncExitStack() as stack:
        simulator = Simulator(example.scenario(), clock=SimulatorClock(lambda: clock.now().wall))
        yield SimulatedPlace(await stack.enter_async_context(simulator), clock)


async def sign_in(place: Place) -> Tokens:
    registration = await place.center.register(SESSION, "pkce")
    code = place.authorize(registration)
    tokens: Tokens = await place.center.exchange_code(
        SESSION, registration, code=code, redirect_uri=REDIRECT, verifier=VERIFIER
    )
    return tokens


async def refresh(place: Place, tokens: Tokens) -> Tokens:
    assert tokens.refresh_token is not None
    renewed: Tokens = await place.center.refresh(SESSION, tokens.registration, tokens.refresh_token)
    return renewed


# --- signing in


async def test_a_registration_is_for_its_flow_and_for_90_days(place: Place) -> None:
    for flow in ("pkce", "device"):
        registration = await place.center.register(SESSION, flow)
        assert registration.flow == flow
        assert registration.expires_at == int(place.clock.now().wall) + 90 * 86400


async def test_the_authorize_page_is_at_the_oidc_endpoint(place: Place) -> None:
    origins = await place.center.origins(SESSION.region)
    assert place.center.authorize_url(origins) == origins.sso_oidc + "/authorize"


async def test_a_device_code_yields_tokens_once_it_is_approved(place: Place) -> None:
    registration = await place.center.register(SESSION, "device")
    device = await place.center.start_device_authorization(SESSION, registration)
    assert (device.lifetime, device.interval) == (600, 1)
    with pytest.raises(SignInPending):
        await place.center.exchange_device_code(SESSION, registration, device.device_code)
    place.approve(device)
    tokens = await place.center.exchange_device_code(SESSION, registration, device.device_code)
    assert tokens.registration == registration
    assert tokens.refresh_token
    assert tokens.lifetime == 3600
    assert tokens.fetched == place.clock.now()


async def test_a_device_code_is_good_for_one_sign_in(place: Place) -> None:
    registration = await place.center.register(SESSION, "device")
    device = await place.center.start_device_authorization(SESSION, registration)
    place.approve(device)
    await place.center.exchange_device_code(SESSION, registration, device.device_code)
    with pytest.raises(GrantRefused):
        await place.center.exchange_device_code(SESSION, registration, device.device_code)


async def test_a_device_code_that_is_denied_fails_the_sign_in(place: Place) -> None:
    registration = await place.center.register(SESSION, "device")
    device = await place.center.start_device_authorization(SESSION, registration)
    place.deny(device)
    with pytest.raises(SignInFailed, match="denied"):
        await place.center.exchange_device_code(SESSION, registration, device.device_code)


async def test_an_authorization_code_yields_tokens_once(place: Place) -> None:
    registration = await place.center.register(SESSION, "pkce")
    code = place.authorize(registration)
    words = {"code": code, "redirect_uri": REDIRECT, "verifier": VERIFIER}
    tokens = await place.center.exchange_code(SESSION, registration, **words)
    assert tokens.registration == registration
    with pytest.raises(GrantRefused):
        await place.center.exchange_code(SESSION, registration, **words)


async def test_a_registration_that_is_forgotten_is_gone_for_every_operation(place: Place) -> None:
    tokens = await sign_in(place)
    place.forget_clients()
    with pytest.raises(RegistrationGone):
        await refresh(place, tokens)
    with pytest.raises(RegistrationGone):
        await place.center.start_device_authorization(SESSION, tokens.registration)


# --- renewing


async def test_renewing_yields_another_access_token_that_works(place: Place) -> None:
    tokens = await sign_in(place)
    renewed = await refresh(place, tokens)
    assert renewed.access_token != tokens.access_token
    await place.center.role_credentials(SESSION, renewed.access_token, ADMIN)


async def test_a_rotated_refresh_token_is_taken_over(place: Place) -> None:
    place.rotation("rotate")
    tokens = await sign_in(place)
    renewed = await refresh(place, tokens)
    assert renewed.refresh_token != tokens.refresh_token
    assert (await refresh(place, renewed)).access_token != renewed.access_token


@pytest.mark.parametrize("mode", ["omitted", "none"])
async def test_a_refresh_token_that_is_not_rotated_is_kept(place: Place, mode: str) -> None:
    place.rotation(mode)
    tokens = await sign_in(place)
    assert tokens.refresh_token
    assert (await refresh(place, tokens)).refresh_token == tokens.refresh_token


async def test_a_refresh_token_for_single_use_is_refused_the_second_time(place: Place) -> None:
    place.rotation("single-use")
    tokens = await sign_in(place)
    await refresh(place, tokens)
    with pytest.raises(GrantRefused):
        await refresh(place, tokens)


async def test_a_session_that_is_over_takes_neither_its_refresh_nor_its_access_token(place: Place) -> None:
    tokens = await sign_in(place)
    place.end_sessions()
    with pytest.raises(GrantRefused):
        await refresh(place, tokens)
    with pytest.raises(TokenRejected):
        await place.center.role_credentials(SESSION, tokens.access_token, ADMIN)


# --- role credentials


async def test_role_credentials_live_from_the_server_s_date_to_their_expiration(place: Place) -> None:
    tokens = await sign_in(place)
    credentials = await place.center.role_credentials(SESSION, tokens.access_token, ADMIN)
    assert credentials.role == ADMIN
    assert credentials.access_key_id.startswith("ASIA")
    assert 3599 <= credentials.lifetime <= 3600  # ``Date`` has whole seconds: the one that it names may be over
    assert credentials.expiration == place.clock.now().wall + 3600
    assert credentials.fetched == place.clock.now()


async def test_a_role_that_is_not_assigned_is_named_in_the_error(place: Place) -> None:
    tokens = await sign_in(place)
    place.unassign(ADMIN)
    with pytest.raises(NotPermitted, match=r"AdministratorAccess.*111111111111"):
        await place.center.role_credentials(SESSION, tokens.access_token, ADMIN)


async def test_an_access_token_is_rejected_after_its_time(place: Place) -> None:
    tokens = await sign_in(place)
    place.clock.advance(3601)
    with pytest.raises(TokenRejected):
        await place.center.role_credentials(SESSION, tokens.access_token, ADMIN)


async def test_an_unknown_access_token_is_rejected(place: Place) -> None:
    with pytest.raises(TokenRejected):
        await place.center.accounts(SESSION, "nobody's token", None)


# --- listing


async def test_accounts_come_page_by_page_until_there_is_no_next(place: Place) -> None:
    place.pages_of(2)
    tokens = await sign_in(place)
    first, more = await place.center.accounts(SESSION, tokens.access_token, None)
    assert [account.account_id for account in first] == [example.DEVELOPMENT, example.PRODUCTION]
    rest, end = await place.center.accounts(SESSION, tokens.access_token, more)
    assert rest == (Account(example.NAMELESS, None, None),)
    assert end is None


async def test_roles_come_page_by_page_until_there_is_no_next(place: Place) -> None:
    place.pages_of(2)
    tokens = await sign_in(place)
    first, more = await place.center.account_roles(SESSION, tokens.access_token, example.DEVELOPMENT, None)
    rest, end = await place.center.account_roles(SESSION, tokens.access_token, example.DEVELOPMENT, more)
    assert first + rest == ("AdministratorAccess", "ReadOnly", "ShortLived")
    assert end is None


async def test_an_account_can_be_without_roles(place: Place) -> None:
    tokens = await sign_in(place)
    assert await place.center.account_roles(SESSION, tokens.access_token, example.NAMELESS, None) == ((), None)


# --- ending


async def test_logout_ends_the_session_for_all_its_tokens(place: Place) -> None:
    tokens = await sign_in(place)
    await place.center.logout(SESSION, tokens.access_token)
    with pytest.raises(TokenRejected):
        await place.center.accounts(SESSION, tokens.access_token, None)
    with pytest.raises(GrantRefused):
        await refresh(place, tokens)
