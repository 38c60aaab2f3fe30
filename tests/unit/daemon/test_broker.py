"""Role credentials: served from memory, renewed ahead, one call for all who ask. Time is virtual."""

from __future__ import annotations

import asyncio
import contextlib
import json
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfobd.broker import rendered
from keyfobd.core.errors import (
    Busy,
    InternalError,
    KeyfobError,
    NotPermitted,
    NotYet,
    SignInNeeded,
    Unreachable,
)
from keyfobd.core.model import ChainedRole, Instant, RoleCredentials, SsoRole
from support.sessions import ADMIN, DEV, DEVELOPER, READ_ONLY, House, house, until

pytestmark = pytest.mark.looptime

MINUTE = 60.0
HOUR = 3600.0


async def signed_in(**options: object) -> House:
    made = await house(**options)
    await made.sign_in()
    await made.sessions.catalogue("dev")
    return made


def fetches(made: House) -> int:
    return made.center.count("role_credentials")


def role_state(made: House) -> str:
    return made.broker.views()[0].state


# --- what is answered ---------------------------------------------------------------------------------------------


async def test_the_body_is_what_every_sdk_understands() -> None:
    made = await signed_in()
    held = await made.broker.credentials(ADMIN)
    answer = json.loads(held.body)
    assert list(answer) == ["Code", "AccessKeyId", "SecretAccessKey", "Token", "Expiration", "AccountId"]
    assert answer["Code"] == "Success"
    assert answer["AccountId"] == "111122223333"
    assert answer["Expiration"].endswith("Z")
    assert all(isinstance(value, str) and value for value in answer.values())
    await made.close()


async def test_the_expiration_is_the_same_from_answer_to_answer() -> None:
    made = await signed_in()
    first = await made.broker.credentials(ADMIN)
    await asyncio.sleep(10 * MINUTE)
    assert (await made.broker.credentials(ADMIN)).body is first.body
    await made.close()


def test_an_answer_too_large_for_the_crt_is_refused() -> None:
    huge = RoleCredentials(ADMIN, "ASIA", "s", "t" * 10_000, 1_790_003_600, Instant(1_790_000_000, 0), 3600)
    with pytest.raises(Unreachable, match="too large"):
        rendered(huge)


async def test_secrets_are_not_in_the_repr() -> None:
    made = await signed_in()
    held = await made.broker.credentials(ADMIN)
    assert held.credentials.secret_access_key not in repr(held)
    assert held.credentials.session_token not in repr(held)
    await made.close()


# --- one call for all ---------------------------------------------------------------------------------------------


async def test_five_hundred_who_ask_for_one_cold_role_cause_one_call() -> None:
    made = await signed_in()
    held = await asyncio.gather(*(made.broker.credentials(ADMIN) for _ in range(500)))
    assert fetches(made) == 1
    assert len({h.credentials.access_key_id for h in held}) == 1
    await made.close()


async def test_who_asks_again_is_answered_from_memory() -> None:
    made = await signed_in()
    await asyncio.gather(*(made.broker.credentials(ADMIN) for _ in range(10)))
    for _ in range(100):
        await made.broker.credentials(ADMIN)
    assert fetches(made) == 1
    await made.close()


async def test_who_hangs_up_takes_nobody_with_him() -> None:
    made = await signed_in()
    gate = made.center.hold("role_credentials")
    impatient = asyncio.create_task(made.broker.credentials(ADMIN))
    patient = asyncio.create_task(made.broker.credentials(ADMIN))
    await until(lambda: fetches(made) == 1)
    impatient.cancel()
    gate.set()
    assert (await patient).credentials.role == ADMIN
    assert fetches(made) == 1
    await made.close()


# --- never slow ---------------------------------------------------------------------------------------------------


async def test_nobody_waits_longer_than_the_deadline_and_the_work_goes_on() -> None:
    made = await signed_in()
    gate = made.center.hold("role_credentials")
    begun = asyncio.get_running_loop().time()
    with pytest.raises(NotYet):
        await made.broker.credentials(ADMIN)
    assert 0.8 <= asyncio.get_running_loop().time() - begun <= 0.9
    gate.set()
    await asyncio.sleep(0.1)
    assert (await made.broker.credentials(ADMIN)).credentials.role == ADMIN
    assert fetches(made) == 1
    await made.close()


async def test_who_has_more_patience_waits_longer() -> None:
    made = await signed_in()
    gate = made.center.hold("role_credentials")
    asyncio.get_running_loop().call_later(5, gate.set)
    assert (await made.broker.credentials(ADMIN, wait=10)).credentials.role == ADMIN
    await made.close()


async def test_who_cannot_have_a_turn_in_time_is_told_at_once() -> None:
    made = await signed_in()
    await asyncio.sleep(10)  # the listing has used up turns
    roles = [SsoRole("dev", "111122223333", f"Role{n}") for n in range(100)]
    made.center.assign("111122223333", "Production", *(r.role_name for r in roles))
    begun = asyncio.get_running_loop().time()

    async def waited(role: SsoRole) -> float:
        with contextlib.suppress(NotYet):
            await made.broker.credentials(role)
        return asyncio.get_running_loop().time() - begun

    times = sorted(await asyncio.gather(*(waited(role) for role in roles)))
    assert times[-1] <= 0.9
    assert sum(t < 0.06 for t in times) >= 80 - 8  # twenty at once, eight more in time
    await asyncio.sleep(10)
    assert fetches(made) == 100
    await made.close()


async def test_somebody_who_asks_goes_before_what_is_renewed_ahead() -> None:
    made = await signed_in()
    await asyncio.sleep(10)
    idle = [SsoRole("dev", "111122223333", f"Role{n}") for n in range(200)]
    made.center.assign("111122223333", "Production", *(r.role_name for r in idle))
    made.broker.want(idle)
    await asyncio.sleep(0.01)
    asked = asyncio.create_task(made.broker.credentials(idle[-1]))
    assert (await asked).credentials.role == idle[-1]
    assert fetches(made) < 40
    await made.close()


# --- fresh --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lifetime", [21 * MINUTE, 30 * MINUTE, HOUR, 12 * HOUR])
async def test_a_tool_in_use_never_sees_15_minutes_or_less(lifetime: float) -> None:
    made = await signed_in()
    made.center.credentials_lifetime = lifetime
    tending = asyncio.create_task(made.tend(lifetime * 3))
    least = lifetime
    while not tending.done():
        held = await made.broker.credentials(ADMIN)
        least = min(least, held.credentials.remaining(made.clock.now()))
        await asyncio.sleep(50)
    assert least > 15 * MINUTE
    assert fetches(made) < 4 * lifetime / (lifetime - 22 * MINUTE if lifetime > 30 * MINUTE else 4 * MINUTE)
    await made.close()


async def test_a_role_that_was_asked_for_once_is_not_renewed_ahead() -> None:
    made = await signed_in()
    roles = [SsoRole("dev", "111122223333", f"Role{n}") for n in range(900)]
    made.center.assign("111122223333", "Production", *(r.role_name for r in roles))
    tending = asyncio.create_task(made.tend(3 * HOUR))
    for role in roles:
        await made.broker.credentials(role, wait=120)
    await tending
    assert fetches(made) == 900
    await made.close()


async def test_a_role_that_fell_out_of_use_is_renewed_twice_more_and_then_left() -> None:
    made = await signed_in()
    tending = asyncio.create_task(made.tend(6 * HOUR))
    await made.broker.credentials(ADMIN)
    await asyncio.sleep(30 * MINUTE)
    await made.broker.credentials(ADMIN)
    await tending
    assert fetches(made) == 3
    await made.close()


async def test_twenty_second_credentials_are_replaced_in_time_for_each_who_asks() -> None:
    made = await signed_in()
    made.center.credentials_lifetime = 20
    seen = set()
    for _ in range(120):
        held = await made.broker.credentials(ADMIN)
        assert held.credentials.remaining(made.clock.now()) > 0
        seen.add(held.credentials.access_key_id)
        await asyncio.sleep(1)
    assert 6 <= len(seen) <= 12
    await made.close()


async def test_after_a_sleep_the_first_request_waits_for_the_one_renewal() -> None:
    made = await signed_in()
    await made.broker.credentials(ADMIN)
    made.clock.advance(8 * HOUR)
    held = await asyncio.gather(*(made.broker.credentials(ADMIN) for _ in range(100)))
    assert fetches(made) == 2
    assert all(h.credentials.remaining(made.clock.now()) > 55 * MINUTE for h in held)
    await made.close()


async def test_credentials_that_arrive_expired_are_not_held() -> None:
    made = await signed_in()
    made.center.credentials_lifetime = -5
    with pytest.raises(Unreachable, match="already expired"):
        await made.broker.credentials(ADMIN)
    await made.close()


# --- static stability ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [Unreachable("no route"), Busy("429")])
async def test_while_identity_center_does_not_answer_what_is_held_is_served_to_its_last_second(
    error: KeyfobError,
) -> None:
    made = await signed_in()
    await made.broker.credentials(ADMIN)
    made.center.break_down("role_credentials", error)
    made.center.break_down("refresh", error)
    tending = asyncio.create_task(made.tend(2 * HOUR))
    for _ in range(3599):
        await asyncio.sleep(1)
        assert (await made.broker.credentials(ADMIN)).credentials.remaining(made.clock.now()) > 0
    assert role_state(made) == "failing"
    await asyncio.sleep(1)
    for _ in range(100):
        with pytest.raises(Unreachable):
            await made.broker.credentials(ADMIN)
        await asyncio.sleep(7)
    made.center.mend()
    await asyncio.sleep(61)
    assert (await made.broker.credentials(ADMIN)).credentials.remaining(made.clock.now()) > 0
    tending.cancel()
    await made.close()


async def test_a_failed_role_is_not_tried_again_within_two_seconds_however_many_ask() -> None:
    made = await signed_in()
    made.center.break_down("role_credentials", Unreachable("no route"))
    made.broker._chance = lambda: 0.999
    for _ in range(100):
        with pytest.raises(Unreachable):
            await made.broker.credentials(ADMIN)
        await asyncio.sleep(0.1)
    assert fetches(made) <= 7  # once, and each two seconds after the first pause of one
    await made.close()


@pytest.mark.parametrize("error", [Unreachable("no route"), NotPermitted("no access"), ZeroDivisionError("boom")])
async def test_an_error_that_is_met_again_and_again_does_not_grow(error: Exception) -> None:
    made = await signed_in()
    made.center.break_down("role_credentials", error)
    frames = []
    for _ in range(100):
        with pytest.raises(KeyfobError) as caught:
            await made.broker.credentials(ADMIN)
        frames.append(len(traceback.extract_tb(caught.value.__traceback__)))
        assert caught.value.__context__ is None
    assert max(frames) < 10
    await made.close()


async def test_a_failure_that_goes_on_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    made = await signed_in()
    made.center.end_sessions()
    caplog.set_level("INFO")
    for _ in range(50):
        with pytest.raises(SignInNeeded):
            await made.broker.credentials(ADMIN)
    assert caplog.text.count("no new credentials") == 1
    await made.close()


async def test_a_role_asked_for_in_vain_is_fetched_when_the_network_is_back() -> None:
    made = await signed_in()
    made.center.break_down("role_credentials", Unreachable("no route"))
    tending = asyncio.create_task(made.tend(5 * MINUTE))
    with pytest.raises(Unreachable, match="run: keyfob status"):
        await made.broker.credentials(ADMIN)
    assert role_state(made) == "expired"
    await asyncio.sleep(20)
    made.center.mend()
    await tending
    assert role_state(made) == "fresh"
    await made.close()


# --- refusals -----------------------------------------------------------------------------------------------------


async def test_a_role_not_assigned_is_refused_from_memory_for_a_minute() -> None:
    made = await signed_in()
    await made.broker.credentials(ADMIN)
    made.center.unassign(ADMIN)
    await asyncio.sleep(50 * MINUTE)
    for _ in range(50):
        with pytest.raises(NotPermitted):
            await made.broker.credentials(ADMIN)
        await asyncio.sleep(1)
    assert fetches(made) == 2
    assert role_state(made) == "not-permitted"
    await asyncio.sleep(11)
    made.center.assign("111122223333", "Production", "Admin")
    assert (await made.broker.credentials(ADMIN)).credentials.role == ADMIN
    await made.close()


async def test_an_ended_session_is_noticed_only_when_nothing_valid_is_left_for_a_role() -> None:
    made = await signed_in()
    await made.broker.credentials(ADMIN)
    made.center.end_sessions()
    tending = asyncio.create_task(made.tend(59 * MINUTE))
    for _ in range(58):
        await asyncio.sleep(MINUTE)
        await made.broker.credentials(ADMIN)
    await tending
    assert made.sessions.views()[0].state == "sign-in-needed"
    await asyncio.sleep(2 * MINUTE)
    with pytest.raises(SignInNeeded):
        await made.broker.credentials(ADMIN)
    assert role_state(made) == "waiting-for-sign-in"
    await made.close()


async def test_a_new_sign_in_brings_roles_back_at_once() -> None:
    made = await signed_in()
    made.center.end_sessions()
    with pytest.raises(SignInNeeded):
        await made.broker.credentials(ADMIN)
    tending = asyncio.create_task(made.tend(5))
    await made.sign_in()
    await tending
    assert role_state(made) == "fresh"
    await made.close()


async def test_signing_out_takes_every_role_of_the_session_and_of_no_other() -> None:
    other = SsoRole("prod", "444455556666", "Developer")
    prod = type(DEV)("prod", "https://d-0000000000.awsapps.com/start", "eu-west-1")
    made = await signed_in(sessions=(DEV, prod))
    await made.sign_in("prod")
    await made.broker.credentials(ADMIN)
    kept = await made.broker.credentials(other)
    await made.sessions.logout("dev")
    with pytest.raises(SignInNeeded):
        await made.broker.credentials(ADMIN)
    assert await made.broker.credentials(other) == kept
    await made.close()


async def test_what_was_on_its_way_at_a_sign_out_is_not_taken() -> None:
    made = await signed_in()
    gate = made.center.hold("role_credentials")
    asked = asyncio.create_task(made.broker.credentials(ADMIN))
    await until(lambda: fetches(made) == 1)
    await made.sessions.logout("dev")
    gate.set()
    with pytest.raises(KeyfobError):
        await asked
    with pytest.raises(SignInNeeded):
        await made.broker.credentials(ADMIN)
    await made.close()


async def test_a_chained_role_is_not_yet_done_and_says_so() -> None:
    made = await signed_in()
    with pytest.raises(NotPermitted, match="role_arn"):
        await made.broker.credentials(ChainedRole("prod-admin"))
    await made.close()


async def test_a_bug_in_one_renewal_is_that_roles_alone(caplog: pytest.LogCaptureFixture) -> None:
    made = await signed_in()
    made.center.fail("role_credentials", ZeroDivisionError("boom"))
    with pytest.raises(InternalError):
        await made.broker.credentials(ADMIN)
    assert made.broker.unexpected == 1
    assert "failed unexpectedly" in caplog.text
    assert (await made.broker.credentials(DEVELOPER)).credentials.role == DEVELOPER
    await made.close()


# --- any order of things --------------------------------------------------------------------------------------------

events = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from([ADMIN, READ_ONLY, DEVELOPER])),
        st.tuples(st.just("pass"), st.floats(0.1, HOUR)),
        st.tuples(st.just("wall"), st.sampled_from([-2 * HOUR, -1.0, 1.0, HOUR, 8 * HOUR])),
        st.tuples(st.just("sleep"), st.floats(1.0, 10 * HOUR)),
        st.tuples(st.just("break"), st.sampled_from([Unreachable("x"), Busy("x"), ZeroDivisionError("x")])),
        st.tuples(st.just("mend"), st.none()),
        st.tuples(st.just("life"), st.sampled_from([20.0, MINUTE, 10 * MINUTE, 21 * MINUTE, HOUR, 12 * HOUR])),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=25)
@given(events=events)
async def test_whatever_happens_nothing_expired_is_served(events: list[tuple[str, object]]) -> None:
    made = await signed_in()
    tending = asyncio.create_task(made.tend(1e9))
    for what, argument in events:
        await _happen(made, what, argument)
        for role in (ADMIN, READ_ONLY, DEVELOPER):
            await _ask(made, role)
    tending.cancel()
    await made.close()


async def _ask(made: House, role: SsoRole) -> None:
    """A request gets credentials with life left by either clock, or one of our errors, within its deadline."""
    begun = asyncio.get_running_loop().time()
    try:
        held = await made.broker.credentials(role)
    except KeyfobError:
        pass
    else:
        assert held.credentials.remaining(made.clock.now()) > 0
        assert json.loads(held.body)["AccessKeyId"] == held.credentials.access_key_id
    assert asyncio.get_running_loop().time() - begun <= 0.9


async def _happen(made: House, what: str, argument: object) -> None:
    match what, argument:
        case "ask", SsoRole() as role:
            await _ask(made, role)
        case "pass", float(seconds):
            await asyncio.sleep(seconds)
        case "wall", float(jump):
            made.clock.advance(wall=jump)
        case "sleep", float(seconds):
            made.clock.advance(seconds)
        case "break", Exception() as error:
            made.center.break_down("role_credentials", error)
            made.center.break_down("refresh", error)
        case "mend", _:
            made.center.mend()
        case "life", float(seconds):
            made.center.credentials_lifetime = seconds
        case _:
            raise AssertionError(what)
