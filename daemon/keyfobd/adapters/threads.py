"""Blocking calls in daemon threads of our own, bounded, fair between those who call.

Not ThreadPoolExecutor: at the interpreter's end it joins its threads, so that one call hung in a resolver or a locked
keyring would hang the daemon's end as well. Here a call that nobody awaits any more is abandoned, and dies with the
process.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A call that has no thread yet; ``turn`` is set when it has one."""

    key: str
    turn: asyncio.Future[None]


class Threads:
    """At most ``limit`` threads at once, ``per_key`` of them for one key. The first call of each key always gets one,
    above the limit if need be: a black-holed region that holds all the others does not keep it from its own. A thread
    counts until its call has ended, abandoned or not."""

    def __init__(self, name: str, limit: int, per_key: int | None = None) -> None:
        self._name = name
        self._limit = limit
        self._per_key = per_key or limit
        self._running: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []

    async def run(self, call: Callable[[], T], key: str = "") -> T:
        """What ``call`` returns or raises. Cancelling the awaiter abandons the call: it is never interrupted, and what
        comes of it is dropped."""
        loop = asyncio.get_running_loop()
        await self._turn(loop, key)
        executor = _DaemonThread(f"{self._name} {key}".strip(), lambda: self._tell(loop, key))
        return await loop.run_in_executor(executor, call)

    @property
    def running(self) -> int:
        """How many threads there are now."""
        return self._running.total()

    async def _turn(self, loop: asyncio.AbstractEventLoop, key: str) -> None:
        waiting = _Waiting(key, loop.create_future())
        self._waiting.append(waiting)
        self._let_go_on()
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            elif not waiting.turn.cancelled():  # cancelled in the moment its turn came
                self._ended(key)
            raise

    def _let_go_on(self) -> None:
        for waiting in tuple(self._waiting):
            if self._may_start(waiting.key):
                self._waiting.remove(waiting)
                if not waiting.turn.cancelled():
                    self._running[waiting.key] += 1
                    waiting.turn.set_result(None)

    def _may_start(self, key: str) -> bool:
        running = self._running[key]
        return running == 0 or (running < self._per_key and self.running < self._limit)

    def _tell(self, loop: asyncio.AbstractEventLoop, key: str) -> None:
        """In the thread: its call has ended."""
        try:
            loop.call_soon_threadsafe(self._ended, key)
        except RuntimeError:
            return  # the loop is closed: the process is about to end

    def _ended(self, key: str) -> None:
        self._running[key] -= 1
        if not self._running[key]:
            del self._running[key]
        self._let_go_on()


class _DaemonThread(Executor):
    """An executor of one call, so that asyncio, and looptime in tests, know what is awaited."""

    def __init__(self, name: str, ended: Callable[[], None]) -> None:
        self._name = name
        self._ended = ended

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # from here on cancelling it does nothing: the call runs
        run = threading.Thread(target=self._run, args=(future, lambda: fn(*args, **kwargs)), name=self._name)
        run.daemon = True
        try:
            run.start()
        except RuntimeError:  # no more threads to be had
            self._ended()
            raise
        return future

    def _run(self, future: Future[T], call: Callable[[], T]) -> None:
        try:
            tell = partial(future.set_result, call())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the awaiter
            tell = partial(future.set_exception, error)
        self._ended()
        try:
            tell()
        except RuntimeError:
            return  # asyncio's part of it: the loop is closed
