"""What was asked of the simulator, by whom, and how it ended; for tests to read."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_CALLS = 20_000
LONGEST_NUMBER = 9  # digits


@dataclass(slots=True)
class Call:
    """One call. Secrets appear as fingerprints only: the same for the same token, of no use to anybody."""

    number: int
    operation: str
    method: str
    path: str
    started_at: float
    concurrent: int
    """Calls of this operation in flight when it began, itself included."""
    user_agent: str = ""
    invocation_id: str = ""
    """An SDK's own id of the call, the same through its retries (``amz-sdk-invocation-id``)."""
    attempt: int = 1
    """From ``amz-sdk-request``: more than 1 is a retry."""
    grant: str | None = None
    client_id: str | None = None
    token: str | None = None
    """Fingerprint of the access or refresh token that was presented, or the access key id for STS."""
    token_uses: int | None = None
    """A refresh token's: how often it had been presented, this time included."""
    user: str | None = None
    session: str | None = None
    account_id: str | None = None
    role_name: str | None = None
    status: int | None = None
    """None while in flight, and when no answer was sent."""
    error: str | None = None
    fault: str | None = None
    finished_at: float | None = None


def fingerprint(secret: str) -> str:
    """Tells one secret from another, and nothing else."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def attempt_of(header: str) -> int:
    """``attempt=2; max=5`` → 2; what cannot be read counts as the first."""
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == "attempt" and value.isdecimal() and len(value) <= LONGEST_NUMBER:
            return int(value)
    return 1


class Journal:
    """The last `MOST_CALLS` calls, oldest first."""

    def __init__(self) -> None:
        self._calls: collections.deque[Call] = collections.deque(maxlen=MOST_CALLS)
        self._in_flight: collections.Counter[str] = collections.Counter()
        self._count = 0
        self._changed = asyncio.Condition()

    def begin(self, operation: str, method: str, path: str, headers: Mapping[str, str], now: float) -> Call:
        self._count += 1
        self._in_flight[operation] += 1
        call = Call(
            number=self._count,
            operation=operation,
            method=method,
            path=path,
            started_at=now,
            concurrent=self._in_flight[operation],
            user_agent=headers.get("User-Agent", ""),
            invocation_id=headers.get("amz-sdk-invocation-id", ""),
            attempt=attempt_of(headers.get("amz-sdk-request", "")),
        )
        self._calls.append(call)
        return call

    async def finish(self, call: Call, now: float) -> None:
        call.finished_at = now
        self._in_flight[call.operation] -= 1
        async with self._changed:
            self._changed.notify_all()

    async def begun(self) -> None:
        """Tell those who wait that a call was noted."""
        async with self._changed:
            self._changed.notify_all()

    def calls(self, operation: str | None = None, **facts: Any) -> list[Call]:
        """Calls of an operation (or all) whose fields are as named, oldest first."""
        return [
            call
            for call in self._calls
            if operation in {None, call.operation} and all(getattr(call, name) == fact for name, fact in facts.items())
        ]

    async def wait(self, count: int, operation: str | None = None, **facts: Any) -> list[Call]:
        """Such calls, once there are so many, begun at least. The caller brings a time-out."""
        return await self.wait_for(lambda: len(self.calls(operation, **facts)) >= count, operation, **facts)

    async def wait_for(self, condition: Callable[[], bool], operation: str | None = None, **facts: Any) -> list[Call]:
        async with self._changed:
            await self._changed.wait_for(condition)
        return self.calls(operation, **facts)

    def clear(self) -> None:
        """Forget what is finished."""
        running = [call for call in self._calls if call.finished_at is None]
        self._calls.clear()
        self._calls.extend(running)

    def summary(self) -> dict[str, Any]:
        """Figures that tests assert on: calls and the most at a time by operation, refreshes by session and hour,
        refresh tokens presented more than once."""
        refreshes = self.calls("CreateToken", grant="refresh_token")
        hours = collections.Counter((call.session or "", int(call.started_at // 3600)) for call in refreshes)
        return {
            "calls": dict(collections.Counter(call.operation for call in self._calls)),
            "most_concurrent": _most_concurrent(self._calls),
            "retries": sum(call.attempt > 1 for call in self._calls),
            "refreshes_per_session_and_hour": [
                {"session": session, "hour": hour, "count": count} for (session, hour), count in hours.items()
            ],
            "refresh_tokens_reused": sorted({call.token or "" for call in refreshes if (call.token_uses or 0) > 1}),
        }


def _most_concurrent(calls: collections.deque[Call]) -> dict[str, int]:
    most: dict[str, int] = {}
    for call in calls:
        most[call.operation] = max(most.get(call.operation, 0), call.concurrent)
    return most


def as_json(call: Call) -> dict[str, Any]:
    return dataclasses.asdict(call)
