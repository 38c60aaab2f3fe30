"""Which roles the next daemon fetches before anybody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fakes import FakeClock
from keyfobd.broker import RoleView
from keyfobd.core.model import ChainedRole, Role, SsoRole
from keyfobd.roles_in_use import FETCHED_AT_START, GRAIN, MOST_AT_START, REMEMBERED, RolesInUse

if TYPE_CHECKING:
    from collections.abc import Iterable

READER = SsoRole("corp", "111111111111", "Reader")
ADMIN = SsoRole("corp", "222222222222", "Admin")
LAB = SsoRole("lab", "333333333333", "Admin")


class FakeBroker:
    def __init__(self) -> None:
        self.asked: dict[Role, float | None] = {}

    def views(self) -> list[RoleView]:
        return [RoleView(role, "fresh", None, None, asked, None) for role, asked in self.asked.items()]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def in_use(broker: FakeBroker, clock: FakeClock) -> RolesInUse:
    return RolesInUse(broker, clock)


def ago(clock: FakeClock, seconds: float, roles: Iterable[Role]) -> dict[Role, float]:
    return dict.fromkeys(roles, clock.now().wall - seconds)


def test_what_was_asked_for_is_remembered_in_grains(in_use: RolesInUse, broker: FakeBroker, clock: FakeClock) -> None:
    broker.asked = {READER: clock.now().wall, ADMIN: None}
    first = in_use.now()
    assert set(first) == {READER}
    assert clock.now().wall - GRAIN < first[READER] <= clock.now().wall


def test_what_an_earlier_daemon_served_is_remembered_until_it_is_long_ago(in_use: RolesInUse, clock: FakeClock) -> None:
    in_use.remember(ago(clock, 60, [READER]) | ago(clock, REMEMBERED - 10, [ADMIN]))
    assert set(in_use.now()) == {READER, ADMIN}
    clock.advance(20)
    assert set(in_use.now()) == {READER}


def test_the_most_recently_asked_for_is_fetched_first(in_use: RolesInUse, clock: FakeClock) -> None:
    in_use.remember(ago(clock, 600, [READER]) | ago(clock, 60, [ADMIN]) | ago(clock, 300, [LAB]))
    assert in_use.to_fetch(["corp", "lab"]) == [ADMIN, LAB, READER]


def test_roles_of_sessions_that_are_gone_and_of_last_week_are_not_fetched(in_use: RolesInUse, clock: FakeClock) -> None:
    in_use.remember(ago(clock, FETCHED_AT_START + 1, [READER]) | ago(clock, 60, [LAB, ADMIN, ChainedRole("deploy")]))
    assert in_use.to_fetch(["corp"]) == [ADMIN]


def test_a_tool_that_resolved_every_profile_once_does_not_flood_the_next_start(
    in_use: RolesInUse, clock: FakeClock
) -> None:
    in_use.remember(ago(clock, 60, [SsoRole("corp", f"{number:012}", "Reader") for number in range(900)]))
    assert len(in_use.to_fetch(["corp"])) == MOST_AT_START


def test_a_sign_out_forgets_the_sessions_roles(in_use: RolesInUse, clock: FakeClock) -> None:
    in_use.remember(ago(clock, 60, [READER, LAB]))
    in_use.forget_session("corp")
    assert set(in_use.now()) == {LAB}
