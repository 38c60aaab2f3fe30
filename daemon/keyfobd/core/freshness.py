"""What to do with something perishable now, and when to look again.

Perishable are role credentials and access tokens. The rules, in the order in which they are asked:

1. What has no life left is never served.
2. With more life left than ``renew_before``, it is served as it is.
3. Below that it is served and renewed beside: not within ``spacing`` of the last success, not in a back-off.
4. With 15 minutes or less left, although its lifetime allows more, a request waits for the renewal first. That is so
   after a sleep or an outage, and spares botocore from asking again at every signature.

A decision carries what it decided about, so that whoever acts on it needs no second look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from keyfobd.core.errors import Busy, InternalError, KeyfobError, Unreachable
from keyfobd.core.model import Instant, elapsed

MINUTE = 60.0
BOTOCORE_ADVISORY = 15 * MINUTE
"""Below this botocore asks again at every signature (sdk-contract: measured, 905 s one fetch, 899 s twelve)."""
IMPATIENCE = 2.0
"""Seconds after a failure in which even a request that needs the answer does not make a new try."""
LONGEST_PAUSE = 60.0
REFUSAL_MEMORY = 60.0
"""Seconds for which "No access" is answered from memory."""


class Perishable(Protocol):
    """What has a life and was fetched at some moment."""

    @property
    def fetched(self) -> Instant: ...
    @property
    def lifetime(self) -> float: ...
    def remaining(self, now: Instant) -> float: ...


P = TypeVar("P", bound=Perishable)


@dataclass(frozen=True, slots=True)
class Failure:
    """The last try failed: when, why, how often in a row, and for how many seconds none is made unasked."""

    error: KeyfobError
    at: Instant
    count: int
    pause: float


@dataclass(frozen=True, slots=True)
class Serve(Generic[P]):
    """Good as it is."""

    item: P


@dataclass(frozen=True, slots=True)
class ServeAndRenew(Generic[P]):
    """Good as it is, and to be renewed beside."""

    item: P


@dataclass(frozen=True, slots=True)
class RenewThenServe(Generic[P]):
    """Good enough if the renewal does not come in time."""

    item: P


@dataclass(frozen=True, slots=True)
class RenewFirst:
    """Nothing valid is held."""


Decision = Serve[P] | ServeAndRenew[P] | RenewThenServe[P] | RenewFirst


def renew_before(lifetime: float) -> float:
    """Seconds that are left when a renewal is due: 20 minutes, less for lives under 25 minutes, half of those under
    10. For 21 minutes and more that leaves over 15 whenever Identity Center answers within a minute."""
    if lifetime >= 10 * MINUTE:
        return min(20 * MINUTE, lifetime - 5 * MINUTE)
    return lifetime / 2


def spacing(lifetime: float) -> float:
    """Seconds after a success in which there is no second renewal: 30, or half of a life under a minute."""
    return max(1.0, min(30.0, lifetime / 2))


def decide(item: P | None, early: float, failure: Failure | None, now: Instant) -> Decision[P]:
    """What a request gets. ``early`` in [0, 0.1] is the item's own jitter: that part of ``renew_before`` sooner."""
    if item is None or item.remaining(now) <= 0:
        return RenewFirst()
    if not renewal_due(item, early, now):
        return Serve(item)
    if failure is not None and elapsed(failure.at, now) < failure.pause:
        return ServeAndRenew(item) if may_try(failure, now, asked=True) else Serve(item)
    if item.remaining(now) <= BOTOCORE_ADVISORY < renew_before(item.lifetime):
        return RenewThenServe(item)
    return ServeAndRenew(item)


def renewal_due(item: Perishable, early: float, now: Instant) -> bool:
    """Whether it has reached its last part of life, and was not fetched just now."""
    last_part = min(renew_before(item.lifetime) * (1 + early), item.lifetime)
    return item.remaining(now) <= last_part and elapsed(item.fetched, now) >= spacing(item.lifetime)


def seconds_until_due(item: Perishable, early: float, failure: Failure | None, now: Instant) -> float:
    """How long nobody needs to look at it: until its renewal is due and no back-off runs. Zero: now."""
    last_part = min(renew_before(item.lifetime) * (1 + early), item.lifetime)
    waits = [item.remaining(now) - last_part, spacing(item.lifetime) - elapsed(item.fetched, now)]
    if failure is not None:
        waits.append(failure.pause - elapsed(failure.at, now))
    return max(0.0, *waits)


def may_try(failure: Failure | None, now: Instant, *, asked: bool) -> bool:
    """Whether a new try may be made now. Somebody who asks need not wait for the end of a back-off when the cause was
    the network; a throttle or a refusal is not argued with."""
    if failure is None:
        return True
    since = elapsed(failure.at, now)
    if since >= failure.pause:
        return True
    network = isinstance(failure.error, Unreachable | InternalError) and not isinstance(failure.error, Busy)
    return asked and network and since >= IMPATIENCE


def failed(error: KeyfobError, before: Failure | None, now: Instant, chance: float) -> Failure:
    """The failure to remember: pauses of 1, 2, 4 … 60 seconds with full jitter (``chance`` in [0, 1)), so that many
    roles do not come back together; a refusal is remembered for its whole minute."""
    count = before.count + 1 if before is not None else 1
    if not isinstance(error, Unreachable | InternalError):
        return Failure(error.bare(), now, count, REFUSAL_MEMORY)
    return Failure(error.bare(), now, count, chance * min(LONGEST_PAUSE, 2.0 ** min(count - 1, 6)))
