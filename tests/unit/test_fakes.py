"""The fakes' own words: what tests script them with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fake_storage import FakeKeyring, FakeSeal
from fakes import START, FakeClock, FakeIdentityCenter, LoopClock
from keyfobd.core.errors import Unreachable
from keyfobd.core.model import Instant, Session

if TYPE_CHECKING:
    from keyfobd.core.model import Tokens

SESSION = Session("dev", "https://d-1234567890.awsapps.com/start", "eu-west-1")


@pytest.fixture
def center() -> FakeIdentityCenter:
    return FakeIdentityCenter(FakeClock())


async def signed_in(center: FakeIdentityCenter) -> Tokens:
    registration = await center.register(SESSION, "pkce")
    code = center.authorize()
    return await center.exchange_code(SESSION, registration, code=code, redirect_uri="http://127.0.0.1/", verifier="v")


def test_a_fake_clock_moves_when_it_is_told_and_each_hand_alone() -> None:
    clock = FakeClock()
    assert clock.now() == START
    clock.advance(10)
    clock.advance(wall=3600)
    clock.advance(1, boot=-5)
    assert clock.now() == Instant(START.wall + 3611, START.boot + 6)


async def test_a_loop_clock_runs_with_the_loop() -> None:
    clock = LoopClock()
    before = asyncio.get_running_loop().time()
    assert clock.now().wall - START.wall >= before


async def test_failures_are_met_one_call_each_and_then_no_more(center: FakeIdentityCenter) -> None:
    center.fail("register", Unreachable("first"), Unreachable("second"))
    for said in ("first", "second"):
        with pytest.raises(Unreachable, match=said):
            await center.register(SESSION, "pkce")
    assert (await center.register(SESSION, "pkce")).flow == "pkce"
    assert center.count("register") == 3


async def test_a_breakdown_lasts_until_it_is_mended(center: FakeIdentityCenter) -> None:
    center.break_down("register", Unreachable("down"))
    for _ in range(3):
        with pytest.raises(Unreachable, match="down"):
            await center.register(SESSION, "pkce")
    center.mend()
    assert (await center.register(SESSION, "pkce")).flow == "pkce"


async def test_a_held_call_waits_at_the_gate_and_is_counted_meanwhile(center: FakeIdentityCenter) -> None:
    gate = center.hold("register")
    calls = [asyncio.create_task(center.register(SESSION, "pkce")) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(call.done() for call in calls)
    assert center.most_at_once["register"] == 2
    gate.set()
    await asyncio.gather(*calls)
    await center.register(SESSION, "pkce")
    assert center.most_at_once["register"] == 2


async def test_calls_are_recorded_in_order_with_what_they_were_about(center: FakeIdentityCenter) -> None:
    tokens = await signed_in(center)
    await center.accounts(SESSION, tokens.access_token, None)
    assert [call.operation for call in center.calls] == ["register", "exchange_code", "accounts"]
    assert center.calls[0].detail == "pkce"
    assert center.count("accounts", "dev") == 1
    assert center.count("accounts", "other") == 0
    assert tokens.access_token not in repr(center.calls)


async def test_device_codes_can_be_approved_before_they_are_asked_for(center: FakeIdentityCenter) -> None:
    center.approved = True
    registration = await center.register(SESSION, "device")
    device = await center.start_device_authorization(SESSION, registration)
    tokens = await center.exchange_device_code(SESSION, registration, device.device_code)
    assert tokens.registration == registration


async def test_a_legacy_place_issues_no_refresh_token() -> None:
    center = FakeIdentityCenter(FakeClock(), refresh_tokens="none")
    assert (await signed_in(center)).refresh_token is None


async def test_opening_the_fake_seal_can_be_held() -> None:
    seal = FakeSeal()
    seal.gate = asyncio.Event()
    opening = asyncio.create_task(seal.open())
    await asyncio.sleep(0)
    assert seal.storage["kind"] == "opening"
    seal.gate.set()
    assert await opening == ()


def test_a_fake_keyring_keeps_its_items() -> None:
    keyring = FakeKeyring()
    keyring.set_password("service", "name", "password")
    assert keyring.get_password("service", "name") == "password"
    assert keyring.asked == 2
