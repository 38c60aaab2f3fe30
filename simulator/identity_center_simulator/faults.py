"""Trouble to order: what goes wrong, with which operation, how often or until when.

A fault fits a call by its operation and by parameters of the request (query, JSON members or form fields). The first
that fits is taken. Kinds:

===============  =====================================================================================================
``delay``        wait ``delay`` seconds, then answer as usual (any other kind may have a ``delay`` as well)
``hang``         never answer
``reset``        reset the connection before anything happened
``reset-after``  reset the connection after the effect: the caller cannot know that it happened
``hang-after``   do it, never answer: the same, for a caller that gives up waiting
``status``       answer ``status`` with ``body``
``error``        refuse as the service itself would: ``code``; ``status`` and ``message`` where the usual will not do;
                 ``set`` adds members to a JSON refusal (``endpoint`` and ``region`` of another Region)
``html``         answer ``status`` (200) with a web page, as a captive portal or a proxy does
``redirect``     answer ``status`` (307) with ``location``
``truncated``    do it, promise the whole answer, send half of it, close
``drip``         do it, send the answer one byte every ``seconds``
``members``      do it, then ``remove`` members from the JSON answer and ``set`` others (``roleCredentials.expiration``)
===============  =====================================================================================================
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from identity_center_simulator import operations

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal[
    "delay",
    "hang",
    "hang-after",
    "reset",
    "reset-after",
    "status",
    "error",
    "html",
    "redirect",
    "truncated",
    "drip",
    "members",
]
BEFORE = frozenset({"hang", "reset", "status", "error", "html", "redirect"})
"""Kinds that answer in the operation's place: it never happens."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble. ``operation``: a name from the journal, or ``*``."""

    operation: str
    kind: Kind
    match: Mapping[str, str] = field(default_factory=dict)
    times: int | None = None
    """How many calls it meets; None: any number."""
    until: float | None = None
    """When it is over, in seconds since 1970 by the simulator's clock; None: never."""
    delay: float = 0
    seconds: float = 0.01
    status: int | None = None
    body: str = ""
    code: str = "InternalServerException"
    message: str | None = None
    location: str = "http://127.0.0.1:9/"
    remove: tuple[str, ...] = ()
    set: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, operation: str, parameters: Mapping[str, str]) -> bool:
        right = self.operation in {"*", operation} and (self.kind != "members" or operation in operations.JSON_ANSWERS)
        return right and all(parameters.get(name) == value for name, value in self.match.items())


class Faults:
    """The faults that are set, in the order they were."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def active(self, now: float) -> tuple[Fault, ...]:
        self._faults = [f for f in self._faults if f.times != 0 and (f.until is None or now < f.until)]
        return tuple(self._faults)

    def take(self, operation: str, parameters: Mapping[str, str], now: float) -> Fault | None:
        """The fault that meets this call; one of its times is spent."""
        for fault in self.active(now):
            if fault.fits(operation, parameters):
                if fault.times is not None:
                    self._faults[self._faults.index(fault)] = dataclasses.replace(fault, times=fault.times - 1)
                return fault
        return None


def with_members(body: bytes, fault: Fault) -> bytes:
    """A JSON answer with members removed and set; dots lead into objects, and by number into lists. A path that leads
    nowhere changes nothing: an answer may be a refusal, or a shorter list than usual."""
    document = json.loads(body)
    for path in fault.remove:
        *way, last = path.split(".")
        _remove(_reached(document, way, make=False), last)
    for path, value in fault.set.items():
        *way, last = path.split(".")
        _set(_reached(document, way, make=True), last, value)
    return json.dumps(document, separators=(",", ":")).encode()


def _reached(document: Any, way: list[str], *, make: bool) -> Any:
    """What is at the end of a way; None for nothing. Objects that are missed can be made."""
    for name in way:
        if isinstance(document, dict):
            document = document.setdefault(name, {}) if make else document.get(name)
        else:
            document = document[int(name)] if _has(document, name) else None
    return document


def _remove(holder: Any, name: str) -> None:
    if isinstance(holder, dict):
        holder.pop(name, None)
    elif _has(holder, name):
        del holder[int(name)]


def _set(holder: Any, name: str, value: Any) -> None:
    if isinstance(holder, dict):
        holder[name] = value
    elif _has(holder, name):
        holder[int(name)] = value


def _has(holder: Any, number: str) -> bool:
    """Whether a list is that long; ten thousand entries are more than any answer has."""
    return isinstance(holder, list) and number.isdecimal() and len(number) < 5 and int(number) < len(holder)
