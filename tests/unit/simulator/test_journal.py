from __future__ import annotations

import asyncio

import pytest

from identity_center_simulator.journal import MOST_CALLS, Journal, attempt_of, fingerprint


@pytest.mark.parametrize(
    ("header", "attempt"),
    [
        ("attempt=1; max=5", 1),
        ("attempt=3", 3),
        ("ttl=20260101T000000Z; attempt=2; max=3", 2),
        ("", 1),
        ("attempt=", 1),
        ("attempt=two", 1),
    ],
)
def test_the_attempt_is_read_from_the_sdks_own_header(header: str, attempt: int) -> None:
    assert attempt_of(header) == attempt


def test_fingerprints_tell_secrets_apart_and_do_not_tell_them() -> None:
    assert fingerprint("a") == fingerprint("a") != fingerprint("b")
    assert "secret" not in fingerprint("secret")


async def test_calls_are_numbered_and_found_by_their_facts() -> None:
    journal = Journal()
    for operation in ("A", "B", "A"):
        call = journal.begin(operation, "GET", "/", {}, 0)
        call.user = operation.lower()
        await journal.finish(call, 1)

    assert [call.number for call in journal.calls("A")] == [1, 3]
    assert [call.number for call in journal.calls(user="b")] == [2]
    assert journal.calls("A", user="b") == []


async def test_calls_in_flight_are_counted_by_operation() -> None:
    journal = Journal()
    first = journal.begin("A", "GET", "/", {}, 0)
    journal.begin("B", "GET", "/", {}, 0)
    journal.begin("A", "GET", "/", {}, 0)
    await journal.finish(first, 1)
    journal.begin("A", "GET", "/", {}, 0)

    assert [call.concurrent for call in journal.calls("A")] == [1, 2, 2]
    assert journal.summary()["most_concurrent"] == {"A": 2, "B": 1}


async def test_somebody_can_wait_for_a_call_to_begin() -> None:
    journal = Journal()
    waiting = asyncio.create_task(journal.wait(1, "A"))
    await asyncio.sleep(0)

    journal.begin("A", "GET", "/", {}, 0)
    await journal.begun()

    assert [call.operation for call in await waiting] == ["A"]


async def test_clearing_keeps_what_is_still_running() -> None:
    journal = Journal()
    done = journal.begin("A", "GET", "/", {}, 0)
    running = journal.begin("A", "GET", "/", {}, 0)
    await journal.finish(done, 1)

    journal.clear()

    assert journal.calls() == [running]


async def test_the_oldest_give_way() -> None:
    journal = Journal()
    for _ in range(MOST_CALLS + 5):
        journal.begin("A", "GET", "/", {}, 0)

    assert (len(journal.calls()), journal.calls()[0].number) == (MOST_CALLS, 6)


async def test_refreshes_are_counted_by_session_and_hour() -> None:
    journal = Journal()
    for at, session, token, uses in ((0, "s", "t", 1), (10, "s", "t", 2), (3600, "s", "u", 1), (3700, "r", "v", 1)):
        call = journal.begin("CreateToken", "POST", "/token", {}, at)
        call.grant, call.session, call.token, call.token_uses = "refresh_token", session, token, uses
    other = journal.begin("CreateToken", "POST", "/token", {}, 0)
    other.grant = "authorization_code"

    summary = journal.summary()

    assert summary["refreshes_per_session_and_hour"] == [
        {"session": "s", "hour": 0, "count": 2},
        {"session": "s", "hour": 1, "count": 1},
        {"session": "r", "hour": 1, "count": 1},
    ]
    assert summary["refresh_tokens_reused"] == ["t"]
    assert summary["calls"] == {"CreateToken": 5}
