"""Bounded daemon threads, fair by key."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from keyfobd.adapters.threads import Threads


class Held:
    """A call that blocks until it is let go, and says when it has begun."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.begun = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def __call__(self) -> str:
        self._loop.call_soon_threadsafe(self.begun.set)
        self.go_on.wait()
        return "done"


async def test_a_call_returns_what_it_returned() -> None:
    assert await Threads("test", limit=1).run(lambda: 6 * 7) == 42


async def test_a_call_raises_what_it_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        await Threads("test", limit=1).run(lambda: 1 // 0)


async def test_no_more_than_the_limit_run_at_once() -> None:
    threads = Threads("test", limit=2)
    held = [Held() for _ in range(3)]
    tasks = [asyncio.create_task(threads.run(call)) for call in held]
    await held[0].begun.wait()
    await held[1].begun.wait()
    assert threads.running == 2
    assert not held[2].begun.is_set()
    held[0].go_on.set()
    await held[2].begun.wait()
    assert threads.running == 2
    for call in held:
        call.go_on.set()
    assert await asyncio.gather(*tasks) == ["done"] * 3
    assert threads.running == 0


async def test_a_key_that_holds_all_threads_keeps_no_other_key_from_its_first() -> None:
    threads = Threads("test", limit=2)
    held = [Held() for _ in range(4)]
    tasks = [asyncio.create_task(threads.run(call, key="black hole")) for call in held]
    await held[1].begun.wait()
    assert await threads.run(lambda: "served", key="other region") == "served"
    for call in held:
        call.go_on.set()
    await asyncio.gather(*tasks)


async def test_one_key_gets_no_more_than_its_share() -> None:
    threads = Threads("test", limit=8, per_key=1)
    first, second = Held(), Held()
    tasks = [asyncio.create_task(threads.run(call, key="a")) for call in (first, second)]
    await first.begun.wait()
    assert not second.begun.is_set()
    first.go_on.set()
    second.go_on.set()
    assert await asyncio.gather(*tasks) == ["done", "done"]


async def test_an_abandoned_call_keeps_its_place_until_it_ends() -> None:
    threads = Threads("test", limit=1)
    abandoned, next_one = Held(), Held()
    task = asyncio.create_task(threads.run(abandoned))
    await abandoned.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    waiting = asyncio.create_task(threads.run(next_one))
    assert threads.running == 1
    assert not next_one.begun.is_set()
    abandoned.go_on.set()
    await next_one.begun.wait()
    next_one.go_on.set()
    assert await waiting == "done"


async def test_a_call_that_is_cancelled_while_it_waits_is_never_made() -> None:
    threads = Threads("test", limit=1)
    first, never = Held(), Held()
    running = asyncio.create_task(threads.run(first))
    waiting = asyncio.create_task(threads.run(never))
    await first.begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    first.go_on.set()
    await running
    assert not never.begun.is_set()
    assert threads.running == 0


async def test_a_call_cancelled_in_the_moment_its_turn_comes_gives_its_place_back() -> None:
    threads = Threads("test", limit=1)
    first = Held()
    running = asyncio.create_task(threads.run(first))
    waiting = asyncio.create_task(threads.run(lambda: "never"))
    await first.begun.wait()
    threads._ended("")  # the first one's thread says so, and before the second can go on …
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert threads.running == 0
    assert await threads.run(lambda: "next") == "next"
    threads._running[""] += 1  # what was taken away above
    first.go_on.set()
    await running


async def test_a_call_without_a_thread_to_be_had_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    threads = Threads("test", limit=1)
    monkeypatch.setattr(threading.Thread, "start", no_more)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        await threads.run(lambda: "never")
    monkeypatch.undo()
    assert await threads.run(lambda: "next") == "next"


def test_a_call_that_ends_after_its_loop_is_dropped() -> None:
    go_on = threading.Event()

    async def abandon() -> None:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def call() -> None:
            loop.call_soon_threadsafe(begun.set)
            go_on.wait()

        task = asyncio.create_task(Threads("abandoned", limit=1).run(call))
        await begun.wait()
        task.cancel()

    with asyncio.Runner() as runner:
        runner.run(abandon())
    (thread,) = [t for t in threading.enumerate() if t.name == "abandoned"]
    go_on.set()
    thread.join()  # an exception in it would fail this test


def test_a_hung_call_does_not_keep_the_process_from_its_end() -> None:
    script = """
import asyncio, threading
from keyfobd.adapters.threads import Threads
async def main():
    hung = threading.Event()
    task = asyncio.create_task(Threads("test", 1).run(hung.wait))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
asyncio.run(main())
print("ended")
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("ended\n", "", 0)
