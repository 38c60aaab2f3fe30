"""How long an exec token lives, over processes that end when the test says so."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from fakes import FakeClock
from keyfobd.core.errors import StorageProblem
from keyfobd.core.model import EndpointToken, Process, SsoRole
from keyfobd.exec_tokens import ExecTokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROLE = SsoRole("corp", "111111111111", "Reader")
SHELL = Process(100, "1")
CHILD = Process(200, "2")


class FakeTable:
    def __init__(self) -> None:
        self.revoked: list[str] = []
        self.revocation = asyncio.Event()
        self.problem: StorageProblem | None = None

    async def revoke(self, token_id: str) -> bool:
        self.revocation.set()
        if self.problem is not None:
            raise self.problem
        self.revoked.append(token_id)
        return True


class FakeProcesses:
    """``carrying`` is who has the token in its environment."""

    def __init__(self, *, watchable: bool = True) -> None:
        self.alive = {SHELL: asyncio.Event(), CHILD: asyncio.Event()}
        self.carrying: set[Process] = set()
        self.looks = 0
        self._watchable = watchable

    def end(self, process: Process) -> None:
        self.carrying.discard(process)
        self.alive[process].set()

    def is_alive(self, process: Process) -> bool:
        return not self.alive[process].is_set()

    async def ended(self, process: Process) -> None:
        if not self._watchable:
            raise PermissionError
        await self.alive[process].wait()

    async def carriers(self, token: EndpointToken) -> tuple[Process, ...]:
        assert token.kind == "exec"
        self.looks += 1
        return tuple(self.carrying)


def token(keep_until: int | None = None, kind: str = "exec") -> EndpointToken:
    assert kind in ("exec", "standing")
    process = SHELL if kind == "exec" else None
    return EndpointToken("t1", b"", kind, "", (ROLE,), 0, process=process, keep_until=keep_until)  # type: ignore[arg-type]  # asserted above


@pytest.fixture
def table() -> FakeTable:
    return FakeTable()


@pytest.fixture
def processes() -> FakeProcesses:
    return FakeProcesses()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def exec_tokens(table: FakeTable, processes: FakeProcesses, clock: FakeClock) -> AsyncIterator[ExecTokens]:
    made = ExecTokens(table, processes, clock)
    yield made
    await made.close()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_it_lives_as_long_as_its_process(
    exec_tokens: ExecTokens, table: FakeTable, processes: FakeProcesses
) -> None:
    exec_tokens.watch(token())
    await settle()
    assert not table.revoked
    processes.end(SHELL)
    await table.revocation.wait()
    assert table.revoked == ["t1"]


async def test_it_goes_on_with_those_who_carry_it_when_its_process_ends(
    exec_tokens: ExecTokens, table: FakeTable, processes: FakeProcesses
) -> None:
    processes.carrying = {CHILD}
    exec_tokens.watch(token())
    processes.end(SHELL)
    await settle()
    assert not table.revoked
    processes.end(CHILD)
    await table.revocation.wait()
    assert processes.looks == 2


async def test_one_that_is_kept_outlives_its_process_until_its_time(
    exec_tokens: ExecTokens, table: FakeTable, processes: FakeProcesses, clock: FakeClock
) -> None:
    exec_tokens.watch(token(keep_until=int(clock.now().wall) + 100))
    processes.end(SHELL)
    exec_tokens.look()
    await settle()
    assert not table.revoked
    clock.advance(101)
    exec_tokens.look()
    await table.revocation.wait()


async def test_where_processes_cannot_be_watched_they_are_looked_for(table: FakeTable, clock: FakeClock) -> None:
    processes = FakeProcesses(watchable=False)
    exec_tokens = ExecTokens(table, processes, clock)
    exec_tokens.watch(token())
    await settle()
    exec_tokens.look()
    await settle()
    assert not table.revoked
    processes.end(SHELL)
    exec_tokens.look()
    await table.revocation.wait()


async def test_after_a_restart_those_whose_process_is_gone_are_revoked(
    exec_tokens: ExecTokens, table: FakeTable, processes: FakeProcesses
) -> None:
    processes.end(SHELL)
    exec_tokens.resume([token()])
    await table.revocation.wait()
    assert table.revoked == ["t1"]


async def test_standing_tokens_are_bound_to_no_process(exec_tokens: ExecTokens, table: FakeTable) -> None:
    exec_tokens.resume([token(kind="standing")])
    await settle()
    assert not table.revoked


async def test_stopping_revokes_nothing(exec_tokens: ExecTokens, table: FakeTable) -> None:
    exec_tokens.watch(token())
    await settle()
    await exec_tokens.close()
    assert not table.revoked


async def test_a_revocation_that_cannot_be_stored_is_said(
    exec_tokens: ExecTokens, table: FakeTable, processes: FakeProcesses, caplog: pytest.LogCaptureFixture
) -> None:
    table.problem = StorageProblem("No space left on device.")
    with caplog.at_level(logging.ERROR):
        exec_tokens.watch(token())
        processes.end(SHELL)
        await table.revocation.wait()
        await settle()
    assert "No space left" in caplog.text
