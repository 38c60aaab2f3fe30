"""What can happen to a session while something is under way. Time is virtual."""

from __future__ import annotations

import asyncio

import pytest

from keyfobd.core.errors import (
    Busy,
    GrantRefused,
    Locked,
    NotYet,
    RegistrationGone,
    SignInNeeded,
    TokenRejected,
    UnknownTarget,
    Unreachable,
)
from keyfobd.core.model import Origins, Registration, Session, Tokens
from keyfobd.limiter import Priority, Urgency
from support.sessions import ADMIN, DEV, House, MemoryStore, house, until

pytestmark = pytest.mark.looptime

HOUR = 3600.0


def asked() -> Urgency:
    return Urgency(Priority.ASKED)


def state(made: House) -> str:
    return made.sessions.views()[0].state


async def test_a_forced_sign_in_whose_client_leaves_while_the_portal_hangs_does_not_block_the_next() -> None:
    made = await house()
    await made.sign_in()
    gate = made.center.hold("logout")
    leaving = asyncio.create_task(made.events(force=True))
    await until(lambda: made.center.count("logout") == 1)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    gate.set()
    assert (await made.sign_in(force=True))[-1]["event"] == "done"
    await made.close()


async def test_after_a_sign_in_nobody_is_served_with_what_the_one_before_held() -> None:
    made = await house()
    await made.sign_in()
    before = await made.broker.credentials(ADMIN)
    await made.sign_in(force=True)
    assert (await made.broker.credentials(ADMIN)).credentials != before.credentials
    await made.close()


async def test_after_a_sign_in_what_is_in_use_is_fetched_at_once() -> None:
    made = await house()
    await made.sign_in()
    for _ in range(2):
        await made.broker.credentials(ADMIN)
        await asyncio.sleep(1)
    tending = asyncio.create_task(made.tend(5))
    await made.sign_in(force=True)
    await tending
    fetched = made.center.count("role_credentials")
    await made.broker.credentials(ADMIN)
    assert made.center.count("role_credentials") == fetched == 2
    await made.close()


async def test_a_token_rotated_while_the_config_file_changes_is_not_lost() -> None:
    made = await house()
    made.center.refresh_tokens = "single-use"
    await made.sign_in()
    await asyncio.sleep(2 * HOUR)
    gate = made.center.hold("refresh")
    fetch = asyncio.create_task(made.sessions.role_credentials(ADMIN, asked()))
    await until(lambda: made.center.count("refresh") == 1)
    made.sessions.configure([])
    gate.set()
    await asyncio.gather(fetch, return_exceptions=True)
    made.sessions.configure([DEV])
    await asyncio.sleep(2 * HOUR)
    assert (await made.sessions.role_credentials(ADMIN, asked())).role == ADMIN
    assert made.store.contents[0].tokens == made.sessions.named("dev").tokens
    await made.close()


async def test_a_session_of_the_same_name_elsewhere_has_a_sign_in_of_its_own() -> None:
    made = await house()
    first = asyncio.create_task(made.events())
    await asyncio.sleep(1)
    made.sessions.configure([Session("dev", "https://d-0987654321.awsapps.com/start", "eu-west-1")])
    second = asyncio.create_task(made.events())
    await asyncio.sleep(1)
    assert made.center.count("start_device_authorization") == 2
    made.center.approve()
    await asyncio.gather(first, second)
    await made.close()


async def test_when_the_daemon_stops_a_renewal_under_way_ends_and_none_begins() -> None:
    made = await house()
    made.center.refresh_tokens = "single-use"
    await made.sign_in()
    await asyncio.sleep(2 * HOUR)
    gate = made.center.hold("refresh")
    fetch = asyncio.create_task(made.sessions.role_credentials(ADMIN, asked()))
    await until(lambda: made.center.count("refresh") == 1)
    before = made.sessions.named("dev").tokens
    closing = asyncio.create_task(made.sessions.close())
    await asyncio.sleep(1)
    gate.set()
    await closing
    await asyncio.gather(fetch, return_exceptions=True)
    assert made.store.contents[0].tokens == made.sessions.named("dev").tokens != before
    await asyncio.sleep(2 * HOUR)
    with pytest.raises(NotYet):
        await made.sessions.role_credentials(ADMIN, asked())
    assert made.center.count("refresh") == 1
    await made.close()


async def test_a_token_that_cannot_be_renewed_is_over_with_its_time_and_a_sign_in_begins_anew() -> None:
    made = await house()
    made.center.refresh_tokens = "none"
    await made.sign_in()
    await made.tend(HOUR - 1)
    assert state(made) == "signed-in"
    await made.tend(2)
    assert state(made) == "sign-in-needed"
    assert (await made.sign_in())[0]["event"] == "visit"
    await made.close()


async def test_a_new_token_that_cannot_be_renewed_gets_time_to_settle_too() -> None:
    made = await house()
    made.center.refresh_tokens = "none"
    await made.sign_in()
    made.center.fail("role_credentials", TokenRejected("401"), TokenRejected("401"))
    assert (await made.sessions.role_credentials(ADMIN, asked())).role == ADMIN
    assert state(made) == "signed-in"
    await made.close()


async def test_a_late_refusal_of_an_old_token_does_not_end_the_new_sign_in() -> None:
    made = await house()
    await made.sign_in()
    made.center.break_down("role_credentials", TokenRejected("401"))
    late = asyncio.create_task(made.sessions.role_credentials(ADMIN, asked()))
    await asyncio.sleep(2)
    gate = made.center.hold("role_credentials")
    await asyncio.sleep(3)
    assert made.center.count("role_credentials") == 4  # the last try is under way
    await made.sign_in(force=True)
    gate.set()
    with pytest.raises(NotYet):
        await late
    assert state(made) == "signed-in"
    await made.close()


async def test_a_late_refusal_after_a_sign_out_ends_nothing() -> None:
    made = await house()
    await made.sign_in()
    made.center.break_down("role_credentials", TokenRejected("401"))
    late = asyncio.create_task(made.sessions.role_credentials(ADMIN, asked()))
    await asyncio.sleep(2)
    await made.sessions.logout("dev")
    with pytest.raises(SignInNeeded):
        await late
    assert state(made) == "signed-out"
    await made.close()


async def test_nobody_signs_out_of_what_is_locked_away() -> None:
    made = await house(store=MemoryStore(storage={"kind": "locked", "detail": None}))
    with pytest.raises(Locked):
        await made.sessions.logout("dev")
    await made.close()


async def test_tokens_of_other_endpoints_are_said_in_status() -> None:
    made = await house()
    await made.sign_in()

    async def elsewhere(region: str) -> Origins:
        return Origins(f"https://oidc.{region}.other.test", f"https://portal.{region}.other.test")

    made.center.origins = elsewhere  # type: ignore[method-assign]  # the settings have changed
    await made.tend(2 * HOUR)
    (view,) = made.sessions.views()
    assert (view.state, view.needs) == ("sign-in-needed", "configure")
    assert "other endpoints" in (view.detail or "")
    assert made.center.count("refresh") == 0
    await made.close()


async def test_who_waits_for_a_renewal_at_a_sign_out_is_not_served_with_what_was_held() -> None:
    made = await house()
    await made.sign_in()
    await made.broker.credentials(ADMIN)
    await asyncio.sleep(50 * 60)
    gate = made.center.hold("role_credentials")
    waiting = asyncio.create_task(made.broker.credentials(ADMIN))
    await asyncio.sleep(0.1)
    await made.sessions.logout("dev")
    gate.set()
    with pytest.raises(NotYet):
        await waiting
    await made.close()


async def test_what_was_on_its_way_when_roles_are_dropped_does_not_come_back_to_who_waits() -> None:
    made = await house()
    await made.sign_in()
    gate = made.center.hold("role_credentials")
    waiting = asyncio.create_task(made.broker.credentials(ADMIN))
    await until(lambda: made.center.count("role_credentials") == 1)
    made.broker.drop_session("dev")
    gate.set()
    with pytest.raises(NotYet):
        await waiting
    await made.close()


async def test_expired_roles_that_nobody_asks_for_are_forgotten_with_their_secrets() -> None:
    made = await house()
    await made.sign_in()
    await made.broker.credentials(ADMIN)
    await made.tend(HOUR - 60)
    assert [view.state for view in made.broker.views()] == ["fresh"]
    await made.tend(120)
    assert made.broker.views() == []
    await made.close()


async def test_a_role_asked_for_in_vain_stays_in_status_for_a_while() -> None:
    made = await house()
    await made.sign_in()
    made.center.break_down("role_credentials", Unreachable("no route"))
    with pytest.raises(Unreachable):
        await made.broker.credentials(ADMIN)
    await made.tend(500)
    assert len(made.broker.views()) == 1
    await made.tend(200)
    assert made.broker.views() == []
    await made.close()


# --- order --------------------------------------------------------------------------------------------------------


async def test_nothing_is_called_with_a_renewed_token_before_it_is_durable() -> None:
    made = await house()
    await made.sign_in()
    await asyncio.sleep(2 * HOUR)
    made.store.gate = asyncio.Event()
    fetch = asyncio.create_task(made.sessions.role_credentials(ADMIN, asked()))
    await asyncio.sleep(1)
    assert (made.center.count("refresh"), made.center.count("role_credentials")) == (1, 0)
    made.store.gate.set()
    assert (await fetch).role == ADMIN
    await made.close()


async def test_a_sign_in_is_not_done_before_it_is_durable() -> None:
    made = await house()
    made.store.gate = asyncio.Event()
    coming = asyncio.create_task(made.sign_in())
    await asyncio.sleep(5)
    assert not coming.done()
    made.store.gate.set()
    assert (await coming)[-1]["event"] == "done"
    await made.close()


@pytest.mark.parametrize("late", [None, GrantRefused("the old token is not known any more")])
async def test_a_late_answer_to_an_old_renewal_does_not_touch_the_new_sign_in(late: GrantRefused | None) -> None:
    made = await house()
    await made.sign_in()
    await asyncio.sleep(2 * HOUR)
    gate = made.center.hold("refresh")
    if late is not None:
        made.center.fail("refresh", late)
    fetch = asyncio.create_task(made.sessions.role_credentials(ADMIN, asked()))
    await until(lambda: made.center.count("refresh") == 1)
    held = made.sessions.named("dev")
    await made.sessions._signed_in(held, *await _another_sign_in(made))
    mine = held.tokens
    gate.set()
    await asyncio.gather(fetch, return_exceptions=True)
    assert state(made) == "signed-in"
    assert made.store.contents[0].tokens == held.tokens == mine
    await made.close()


async def _another_sign_in(made: House) -> tuple[Tokens, Registration]:
    """What a sign-in that ended meanwhile has yielded."""
    registration = await made.center.register(DEV, "pkce")
    code = made.center.authorize()
    tokens = await made.center.exchange_code(DEV, registration, code=code, redirect_uri="x", verifier="v")
    return tokens, registration


async def test_while_throttled_a_renewal_is_not_argued_for() -> None:
    made = await house()
    await made.sign_in()
    await asyncio.sleep(2 * HOUR)
    made.center.break_down("refresh", Busy("429"))
    for _ in range(2):
        with pytest.raises(Busy):
            await made.sessions.role_credentials(ADMIN, asked())
    assert made.center.count("refresh") == 1
    await made.close()


@pytest.mark.parametrize(("left", "registrations"), [(899, 2), (901, 1)])
async def test_a_registration_about_to_expire_is_not_used_for_a_sign_in(left: int, registrations: int) -> None:
    made = await house()
    await made.sign_in()
    (registration,) = made.sessions.named("dev").registrations()
    await made.sessions.logout("dev")
    made.clock.advance(registration.expires_at - left - made.clock.now().wall - 1)
    await made.sign_in()
    assert made.center.count("register") == registrations
    await made.close()


async def test_a_registration_that_is_gone_is_forgotten_though_the_sign_in_fails() -> None:
    made = await house()
    await made.sign_in()
    made.center.forget_clients()
    made.center.fail("start_device_authorization", RegistrationGone("x"), Unreachable("no route"))
    assert (await made.events(force=True))[-1]["event"] == "failed"
    assert made.sessions.named("dev").registrations() == ()
    await made.close()


async def test_tokens_of_other_endpoints_do_not_count_as_signed_in() -> None:
    made = await house()
    await made.sign_in()

    async def elsewhere(region: str) -> Origins:
        return Origins(f"https://oidc.{region}.other.test", f"https://portal.{region}.other.test")

    made.center.origins = elsewhere  # type: ignore[method-assign]  # the settings have changed
    assert [event["event"] for event in await made.sign_in()] == ["visit", "done"]
    await made.close()


async def test_a_session_taken_out_of_the_file_serves_no_role_any_more() -> None:
    made = await house()
    await made.sign_in()
    await made.broker.credentials(ADMIN)
    made.sessions.configure([])
    with pytest.raises(UnknownTarget):
        await made.broker.credentials(ADMIN)
    await made.close()


async def test_a_role_fetched_while_somebody_signs_out_is_not_kept() -> None:
    made = await house()
    await made.sign_in()
    origins, gate = made.center.origins, asyncio.Event()

    async def at_last(region: str) -> Origins:
        await gate.wait()
        return await origins(region)

    made.center.origins = at_last  # type: ignore[method-assign]  # botocore is still being loaded
    portal = made.center.hold("logout")
    leaving = asyncio.create_task(made.sessions.logout("dev"))
    await asyncio.sleep(0.1)
    fetch = asyncio.create_task(made.broker.credentials(ADMIN, wait=60))
    await asyncio.sleep(0.1)
    gate.set()
    await fetch
    portal.set()
    await leaving
    with pytest.raises(SignInNeeded):
        await made.broker.credentials(ADMIN)
    await made.close()


async def test_what_is_newer_in_memory_wins_over_what_the_unlocked_file_has() -> None:
    made = await house()
    await made.sign_in()
    (older,) = made.store.contents
    await made.sign_in(force=True)
    newer = made.sessions.named("dev").tokens
    made.sessions.configure([])
    made.sessions.unlocked([older])
    made.sessions.configure([DEV])
    assert made.sessions.named("dev").tokens == newer
    await made.sessions._save()
    assert made.store.contents[0].tokens == newer
    await made.close()


async def test_a_listing_that_ends_after_a_sign_out_leaves_nothing_behind() -> None:
    made = await house()
    gate = made.center.hold("account_roles")
    await made.sign_in()
    listing = asyncio.create_task(made.sessions.catalogue("dev"))
    await until(lambda: made.center.count("account_roles") == 2)  # its last calls are under way
    made.center.break_down("logout", Unreachable("no route"))
    await made.sessions.logout("dev")
    gate.set()
    assert await listing
    assert made.sessions.known_catalogue("dev") == made.store.contents[0].catalogue == ()
    await made.close()


async def test_the_list_of_the_one_before_is_not_taken_for_the_next_ones() -> None:
    made = await house()
    await made.sign_in()
    mine = await made.sessions.catalogue("dev")
    made.center.assign("777788889999", "Theirs", "Auditor")
    made.center.break_down("logout", Unreachable("no route"))
    gate = made.center.hold("account_roles")
    theirs = asyncio.create_task(made.sessions.catalogue("dev", refresh=True))
    await until(lambda: made.center.count("account_roles") == len(mine) + 3)
    await asyncio.sleep(1)
    made.center.hold("account_roles")  # for the list that the new sign-in begins
    await made.sign_in(force=True)
    gate.set()
    assert "777788889999" in [entry.account.account_id for entry in await theirs]
    assert "777788889999" not in [entry.account.account_id for entry in made.sessions.known_catalogue("dev")]
    await made.close()
