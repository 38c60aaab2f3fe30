"""Signing in and out, tokens that stay fresh, and what ends a session and what does not. Time is virtual."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from fakes import FakeIdentityCenter, LoopClock
from keyfobd.core.errors import (
    Busy,
    KeyfobError,
    Locked,
    NotPermitted,
    OriginsChanged,
    SignInNeeded,
    StorageProblem,
    TokenRejected,
    UnknownTarget,
    Unreachable,
)
from keyfobd.core.model import Origins, Session
from keyfobd.limiter import Priority, Urgency
from support.sessions import ADMIN, DEV, House, MemoryStore, house, until

pytestmark = pytest.mark.looptime

HOUR = 3600.0


def asked() -> Urgency:
    return Urgency(Priority.ASKED)


def state(made: House) -> str:
    return made.sessions.views()[0].state


# --- signing in ---------------------------------------------------------------------------------------------------


async def test_a_device_sign_in_shows_a_url_and_a_code_and_ends_when_the_person_has_approved() -> None:
    made = await house()
    coming = asyncio.create_task(made.events())
    await asyncio.sleep(5)
    assert state(made) == "signing-in"
    made.center.approve()
    visit, done = await coming
    assert visit["code"] == "BCDF-GHJK"
    assert "user_code=BCDF-GHJK" in visit["url"]
    assert done["event"] == "done"
    assert done["start_url"] == DEV.start_url
    assert done["already"] is False
    assert state(made) == "signed-in"
    await made.close()


async def test_a_browser_sign_in_shows_the_authorize_url_once_its_listener_is_open() -> None:
    made = await house()
    coming = asyncio.create_task(made.events(flow="pkce"))
    await until(lambda: bool(made.redirects) and made.redirects[0].open_now)
    assert made.redirects[0].port == 4711
    made.redirects[0].arrive(made.center.authorize())
    visit, done = await coming
    assert visit["url"].startswith("https://oidc.eu-west-1.test/authorize?response_type=code&")
    assert "code" not in visit
    assert done["event"] == "done"
    assert not made.redirects[0].open_now
    await made.close()


async def test_a_browser_sign_in_that_nobody_answers_ends_after_ten_minutes_and_closes_its_listener() -> None:
    made = await house()
    events = await made.events(flow="pkce")
    assert events[-1]["event"] == "failed"
    assert "ten minutes" in events[-1]["message"]
    assert asyncio.get_running_loop().time() == pytest.approx(600, abs=1)
    assert not made.redirects[0].open_now
    await made.close()


async def test_denied_in_the_browser_is_said_so() -> None:
    made = await house()
    coming = asyncio.create_task(made.events(flow="pkce"))
    await until(lambda: bool(made.redirects))
    made.redirects[0].refuse()
    assert "denied" in (await coming)[-1]["message"]
    assert state(made) == "signed-out"
    await made.close()


async def test_fifty_who_want_to_sign_in_join_one_sign_in() -> None:
    made = await house()
    coming = [asyncio.create_task(made.events()) for _ in range(50)]
    await asyncio.sleep(3)
    made.center.approve()
    everybody = await asyncio.gather(*coming)
    assert made.center.count("start_device_authorization") == 1
    assert all([event["event"] for event in events] == ["visit", "done"] for events in everybody)
    await made.close()


async def test_a_sign_in_ends_when_the_last_who_waits_has_left() -> None:
    made = await house()
    first = asyncio.create_task(made.events())
    second = asyncio.create_task(made.events())
    await asyncio.sleep(3)
    first.cancel()
    await asyncio.sleep(3)
    assert state(made) == "signing-in"
    second.cancel()
    await asyncio.sleep(0.1)
    assert state(made) == "signed-out"
    polls = made.center.count("exchange_device_code")
    await asyncio.sleep(30)
    assert made.center.count("exchange_device_code") == polls
    await made.close()


async def test_after_a_cancelled_sign_in_a_new_one_can_begin() -> None:
    made = await house()
    first = asyncio.create_task(made.events())
    await asyncio.sleep(3)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (await made.sign_in())[-1]["event"] == "done"
    await made.close()


async def test_who_waits_hears_a_heartbeat() -> None:
    made = await house()
    async with aclosing(made.sessions.login("dev", "device", force=False)) as events:
        assert [(await anext(events))["event"] for _ in range(3)] == ["visit", "waiting", "waiting"]
    await made.close()


async def test_signed_in_already_no_person_is_asked() -> None:
    made = await house()
    await made.sign_in()
    (event,) = await made.events()
    assert (event["event"], event["already"]) == ("done", True)
    assert made.center.count("start_device_authorization") == 1
    await made.close()


async def test_offline_one_is_signed_in_as_far_as_anybody_knows() -> None:
    made = await house()
    await made.sign_in()
    made.center.break_down("accounts", Unreachable("no route"))
    (event,) = await made.events()
    assert event["already"] is True
    assert state(made) == "offline"
    await made.close()


async def test_a_session_that_was_ended_elsewhere_is_signed_in_to_at_once() -> None:
    made = await house()
    await made.sign_in()
    made.center.end_sessions()
    assert [event["event"] for event in await made.sign_in()] == ["visit", "done"]
    assert state(made) == "signed-in"
    await made.close()


async def test_while_somebody_signs_in_anew_tools_go_on_with_what_is_held() -> None:
    made = await house()
    await made.sign_in()
    held = await made.broker.credentials(ADMIN)
    coming = asyncio.create_task(made.events(flow="pkce", force=True))
    await until(lambda: bool(made.redirects))
    assert made.center.count("logout") == 1
    assert await made.broker.credentials(ADMIN) == held
    made.redirects[0].arrive(made.center.authorize())
    assert (await coming)[-1]["event"] == "done"
    await made.close()


async def test_force_ends_the_old_session_at_the_portal_and_signs_in_anew() -> None:
    made = await house()
    await made.sign_in()
    before = made.sessions.named("dev").tokens
    await made.sign_in(force=True)
    assert made.center.count("logout") == 1
    assert made.sessions.named("dev").tokens != before
    assert state(made) == "signed-in"
    await made.close()


async def test_a_registration_is_used_again_and_replaced_where_identity_center_has_dropped_it() -> None:
    made = await house()
    await made.sign_in()
    await made.sign_in(force=True)
    assert made.center.count("register") == 1
    made.center.forget_clients()
    await made.sign_in(force=True)
    assert made.center.count("register") == 2
    await made.close()


async def test_device_and_browser_sign_ins_have_registrations_of_their_own() -> None:
    made = await house()
    await made.sign_in()
    coming = asyncio.create_task(made.events(flow="pkce", force=True))
    await until(lambda: bool(made.redirects))
    made.redirects[0].arrive(made.center.authorize())
    await coming
    assert [c.detail for c in made.center.calls if c.operation == "register"] == ["device", "pkce"]
    assert {r.flow for r in made.sessions.named("dev").registrations()} == {"device", "pkce"}
    await made.close()


async def test_a_lost_answer_to_the_exchange_is_asked_for_again() -> None:
    made = await house()
    made.center.fail("exchange_code", Unreachable("reset"))
    coming = asyncio.create_task(made.events(flow="pkce"))
    await until(lambda: bool(made.redirects))
    made.redirects[0].arrive(made.center.authorize())
    assert (await coming)[-1]["event"] == "done"
    await made.close()


async def test_a_sign_in_in_memory_says_that_it_ends_with_the_daemon() -> None:
    made = await house(store=MemoryStore(storage={"kind": "memory", "detail": "there is no keyring"}))
    done = (await made.sign_in())[-1]
    assert done["notes"] == ["This sign-in ends with the daemon: there is no keyring."]
    await made.close()


async def test_a_bug_in_a_sign_in_is_told_and_not_swallowed(caplog: pytest.LogCaptureFixture) -> None:
    made = await house()
    made.center.fail("start_device_authorization", ZeroDivisionError("boom"))
    assert (await made.events())[-1]["event"] == "failed"
    assert "failed unexpectedly" in caplog.text
    await made.close()


# --- tokens -------------------------------------------------------------------------------------------------------


async def test_access_tokens_are_renewed_ahead_of_time_with_nobody_asking() -> None:
    made = await house()
    await made.sign_in()
    await made.tend(12 * HOUR)
    refreshes = [c.at for c in made.center.calls if c.operation == "refresh"]
    assert len(refreshes) == pytest.approx(18, abs=1)  # one each 40 minutes, less the jitter
    assert state(made) == "signed-in"
    await made.close()


async def test_a_rotated_refresh_token_is_durable_before_the_next_call_uses_it() -> None:
    made = await house()
    made.center.refresh_tokens = "single-use"
    await made.sign_in()
    await made.tend(HOUR)
    newest = made.sessions.named("dev").tokens
    (sealed,) = made.store.contents
    assert sealed.tokens == newest
    assert made.center.count("refresh") == 1
    await made.close()


async def test_a_restart_resumes_from_the_sealed_file_without_a_sign_in() -> None:
    made = await house()
    await made.sign_in()
    await made.close()
    again = House(made.center, store=made.store)
    await again.sessions.open()
    assert (await again.sessions.role_credentials(ADMIN, asked())).role == ADMIN
    assert again.center.count("start_device_authorization") == 1
    await again.close()


async def test_requests_before_the_sealed_file_is_open_wait_for_it() -> None:
    made = await house()
    await made.sign_in()
    again = House(made.center, store=made.store)
    early = asyncio.create_task(again.sessions.role_credentials(ADMIN, asked()))
    await asyncio.sleep(0.5)
    assert not early.done()
    await again.sessions.open()
    assert (await early).role == ADMIN
    await made.close()
    await again.close()


async def test_an_expired_access_token_is_renewed_once_for_many_who_ask() -> None:
    made = await house()
    await made.sign_in()
    await asyncio.sleep(2 * HOUR)
    await asyncio.gather(*(made.sessions.role_credentials(ADMIN, asked()) for _ in range(30)))
    assert made.center.count("refresh") == 1
    await made.close()


async def test_a_token_without_a_refresh_token_ends_with_its_time() -> None:
    made = await house()
    made.center.refresh_tokens = "none"
    await made.sign_in()
    await made.sessions.role_credentials(ADMIN, asked())
    await asyncio.sleep(HOUR)
    with pytest.raises(SignInNeeded):
        await made.sessions.role_credentials(ADMIN, asked())
    assert state(made) == "sign-in-needed"
    await made.close()


async def test_a_token_refused_before_its_time_is_renewed_and_nobody_notices() -> None:
    made = await house()
    await made.sign_in()
    made.center.fail("role_credentials", TokenRejected("401"))
    assert (await made.sessions.role_credentials(ADMIN, asked())).role == ADMIN
    assert made.center.count("refresh") == 1
    await made.close()


async def test_a_renewed_token_that_is_refused_still_gets_five_seconds_to_settle() -> None:
    made = await house()
    await made.sign_in()
    made.center.fail("role_credentials", *[TokenRejected("401")] * 3)
    assert (await made.sessions.role_credentials(ADMIN, asked())).role == ADMIN
    assert (made.center.count("refresh"), made.center.count("role_credentials")) == (1, 4)
    await made.close()


async def test_a_token_that_goes_on_being_refused_ends_the_session_after_four_tries() -> None:
    made = await house()
    await made.sign_in()
    made.center.break_down("role_credentials", TokenRejected("401"))
    with pytest.raises(SignInNeeded, match="keyfob login dev"):
        await made.sessions.role_credentials(ADMIN, asked())
    assert (made.center.count("refresh"), made.center.count("role_credentials")) == (1, 4)
    assert state(made) == "sign-in-needed"
    await made.close()


async def test_a_session_that_is_over_makes_no_more_calls(caplog: pytest.LogCaptureFixture) -> None:
    made = await house()
    await made.sign_in()
    made.center.end_sessions()
    for _ in range(20):
        with pytest.raises(SignInNeeded):
            await made.sessions.role_credentials(ADMIN, asked())
    calls = len(made.center.calls)
    await made.tend(HOUR)
    assert len(made.center.calls) == calls
    assert caplog.text.count("has ended") == 1
    await made.close()


@pytest.mark.parametrize("error", [Unreachable("no route"), Busy("429")])
async def test_trouble_with_the_network_never_ends_a_session(error: KeyfobError) -> None:
    made = await house()
    await made.sign_in()
    made.center.break_down("refresh", error)
    await made.tend(3 * HOUR)
    assert state(made) == "offline"
    assert made.sessions.views()[0].detail == error.message
    made.center.mend()
    await made.tend(120)
    assert state(made) == "signed-in"
    await made.close()


async def test_a_registration_that_is_gone_ends_the_session_and_is_forgotten() -> None:
    made = await house()
    await made.sign_in()
    made.center.forget_clients()
    await made.tend(HOUR)
    assert state(made) == "sign-in-needed"
    assert made.sessions.named("dev").registrations() == ()
    assert (await made.sign_in())[-1]["event"] == "done"
    assert state(made) == "signed-in"
    await made.close()


async def test_tokens_are_not_sent_to_other_origins_than_their_own() -> None:
    made = await house()
    await made.sign_in()
    (sealed,) = made.store.contents
    elsewhere = replace(sealed, origins=Origins("https://oidc.other.test", "https://portal.other.test"))
    again = House(FakeIdentityCenter(LoopClock()), store=MemoryStore((elsewhere,)))
    await again.sessions.open()
    with pytest.raises(OriginsChanged):
        await again.sessions.role_credentials(ADMIN, asked())
    await again.tend(2 * HOUR)
    assert again.center.calls == []
    await made.close()
    await again.close()


async def test_a_full_disk_costs_no_sign_in(caplog: pytest.LogCaptureFixture) -> None:
    made = await house()
    made.store.problem = StorageProblem("The disk is full.")
    assert (await made.sign_in())[-1]["event"] == "done"
    await made.tend(2 * HOUR)
    assert (await made.sessions.role_credentials(ADMIN, asked())).role == ADMIN
    assert "The disk is full." in caplog.text
    await made.close()


async def test_behind_a_locked_keyring_is_locked_and_not_signed_out() -> None:
    made = await house(store=MemoryStore(storage={"kind": "locked", "detail": None}))
    assert state(made) == "locked"
    with pytest.raises(Locked):
        await made.sessions.role_credentials(ADMIN, asked())
    done = (await made.sign_in())[-1]
    assert "until the keyring is unlocked" in done["notes"][0]
    assert (await made.sessions.role_credentials(ADMIN, asked())).role == ADMIN
    await made.close()


# --- sessions and their names -------------------------------------------------------------------------------------


async def test_a_session_with_another_start_url_does_not_get_the_old_ones_tokens_and_they_are_not_lost() -> None:
    made = await house()
    await made.sign_in()
    moved = Session("dev", "https://d-0987654321.awsapps.com/start", "eu-west-1")
    made.sessions.configure([moved])
    with pytest.raises(SignInNeeded):
        await made.sessions.role_credentials(ADMIN, asked())
    await made.sign_in()
    assert len(made.store.contents) == 2
    made.sessions.configure([DEV])
    assert (await made.sessions.role_credentials(ADMIN, asked())).role == ADMIN
    await made.close()


async def test_another_spelling_of_the_start_url_is_the_same_session() -> None:
    made = await house()
    await made.sign_in()
    made.sessions.configure([replace(DEV, start_url="https://D-1234567890.awsapps.com/start/#/")])
    assert state(made) == "signed-in"
    await made.close()


async def test_an_unknown_session_is_said_so() -> None:
    made = await house()
    with pytest.raises(UnknownTarget):
        made.sessions.named("prod")
    await made.close()


# --- signing out --------------------------------------------------------------------------------------------------


async def test_signing_out_ends_the_session_at_the_portal_and_forgets_its_tokens() -> None:
    made = await house()
    await made.sign_in()
    assert (await made.sessions.logout("dev"))["portal"] == "signed-out"
    assert state(made) == "signed-out"
    (sealed,) = made.store.contents
    assert sealed.tokens is None
    with pytest.raises(SignInNeeded):
        await made.sessions.role_credentials(ADMIN, asked())
    await made.close()


async def test_signing_out_offline_forgets_and_says_what_was_not_done() -> None:
    made = await house()
    await made.sign_in()
    made.center.break_down("logout", Unreachable("no route to the portal"))
    answer = await made.sessions.logout("dev")
    assert (answer["portal"], answer["detail"]) == (
        "not-reached",
        "IAM Identity Center (session dev): no route to the portal",
    )
    assert state(made) == "signed-out"
    await made.close()


async def test_a_sign_out_that_nobody_waits_for_any_more_is_done_all_the_same() -> None:
    made = await house()
    await made.sign_in()
    gate = made.center.hold("logout")
    leaving = asyncio.create_task(made.sessions.logout("dev"))
    await until(lambda: made.center.count("logout") == 1)
    assert state(made) == "signed-out"
    assert made.store.contents[0].tokens is None
    leaving.cancel()
    gate.set()
    await asyncio.sleep(1)
    with pytest.raises(SignInNeeded):
        await made.sessions.catalogue("dev")
    assert made.center._grants[0].alive is False
    await made.close()


async def test_an_end_is_known_to_the_next_daemon() -> None:
    made = await house()
    await made.sign_in()
    made.center.end_sessions()
    with pytest.raises(SignInNeeded):
        await made.sessions.role_credentials(ADMIN, asked())
    await made.close()
    again = House(made.center, store=made.store)
    await again.sessions.open()
    assert again.sessions.views()[0].needs == "login"
    await again.close()


async def test_signing_out_without_being_signed_in_calls_nobody() -> None:
    made = await house()
    assert (await made.sessions.logout("dev"))["portal"] == "was-not-signed-in"
    assert made.center.calls == []
    await made.close()


async def test_signing_out_cancels_a_sign_in_and_tells_who_waits() -> None:
    made = await house()
    coming = asyncio.create_task(made.events())
    await asyncio.sleep(3)
    await made.sessions.logout("dev")
    assert (await coming)[-1]["message"] == "The sign-in was cancelled."
    await made.close()


async def test_a_role_that_is_not_assigned_is_refused_and_the_session_goes_on() -> None:
    made = await house()
    await made.sign_in()
    with pytest.raises(NotPermitted):
        await made.sessions.role_credentials(replace(ADMIN, role_name="Owner"), asked())
    assert state(made) == "signed-in"
    await made.close()


# --- the catalogue ------------------------------------------------------------------------------------------------


async def test_accounts_and_roles_are_listed_page_by_page_and_kept() -> None:
    made = await house()
    made.center.page_size = 1
    await made.sign_in()
    entries = await made.sessions.catalogue("dev")
    assert [(e.account.name, e.roles) for e in entries] == [
        ("Production", ("Admin", "ReadOnly")),
        ("Sandbox", ("Developer",)),
    ]
    calls = len(made.center.calls)
    assert await made.sessions.catalogue("dev") == entries
    assert len(made.center.calls) == calls
    assert made.store.contents[0].catalogue == entries
    await made.close()


async def test_a_refreshed_list_shows_what_has_changed() -> None:
    made = await house()
    await made.sign_in()
    await made.sessions.catalogue("dev")
    made.center.assign("777788889999", None, "Auditor")
    entries = await made.sessions.catalogue("dev", refresh=True)
    assert "777788889999" in [e.account.account_id for e in entries]
    await made.close()


async def test_six_hundred_accounts_are_listed_at_half_the_rate() -> None:
    made = await house()
    for number in range(600):
        made.center.assign(f"{number:012d}", f"Account {number}", "Admin")
    await made.sign_in()
    begun = asyncio.get_running_loop().time()
    assert len(await made.sessions.catalogue("dev")) == 602
    assert asyncio.get_running_loop().time() - begun == pytest.approx(120, abs=5)
    await made.close()


async def test_half_a_list_is_none() -> None:
    made = await house()
    await made.sign_in()
    before = await made.sessions.catalogue("dev")
    made.center.fail("account_roles", Unreachable("reset"))
    with pytest.raises(Unreachable):
        await made.sessions.catalogue("dev", refresh=True)
    assert made.sessions.known_catalogue("dev") == before
    await made.close()
