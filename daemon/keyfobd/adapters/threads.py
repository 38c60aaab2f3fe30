"""Blocking calls in daemon threads of our own, bounded, fair between those who call.

Not ThreadPoolExecutor: at the interpreter's end it joins its threads, so that one call hung in a resolver or a locked
keyring would hang the daemon's end as well. Here a call that nobody awaits any more is abandoned, and dies with the
process.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A call that has no thread yet."""

    key: str
    call: Callable[[], Any]
    result: asyncio.Future[Any]


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
        waiting = _Waiting(key, call, loop.create_future())
        self._waiting.append(waiting)
        self._start_what_may(loop)
        try:
            return await waiting.result  # type: ignore[no-any-return]  # the future holds what call, a T, returned
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    @property
    def running(self) -> int:
        """How many threads there are now."""
        return self._running.total()

    def _start_what_may(self, loop: asyncio.AbstractEventLoop) -> None:
        for waiting in tuple(self._waiting):
            if self._may_start(waiting.key):
                self._waiting.remove(waiting)
                self._running[waiting.key] += 1
                run = partial(self._in_thread, loop, waiting)
                threading.Thread(target=run, name=f"{self._name} {waiting.key}".strip(), daemon=True).start()

    def _may_start(self, key: str) -> bool:
        running = self._running[key]
        return running == 0 or (running < self._per_key and self.running < self._limit)

    def _in_thread(self, loop: asyncio.AbstractEventLoop, waiting: _Waiting) -> None:
        ended: Callable[[], None]
        try:
            ended = partial(_resolve, waiting.result, waiting.call())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the awaiter
            ended = partial(_reject, waiting.result, error)
        try:
            loop.call_soon_threadsafe(self._ended, loop, waiting.key, ended)
        except RuntimeError:
            return  # the loop is closed: the process is about to end and nobody awaits this any more

    def _ended(self, loop: asyncio.AbstractEventLoop, key: str, tell: Callable[[], None]) -> None:
        self._running[key] -= 1
        if not self._running[key]:
            del self._running[key]
        tell()
        self._start_what_may(loop)


def _resolve(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)


def _reject(future: asyncio.Future[Any], error: BaseException) -> None:
    if future.done():
        return
    if isinstance(error, StopIteration):  # a future refuses it
        error = RuntimeError("the call raised StopIteration")
    future.set_exception(error)
