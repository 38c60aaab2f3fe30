"""What every part of the server works with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from identity_center_simulator.faults import Faults
from identity_center_simulator.instance import Instance
from identity_center_simulator.journal import Call, Journal
from identity_center_simulator.throttle import Bucket

if TYPE_CHECKING:
    from identity_center_simulator.clock import Clock
    from identity_center_simulator.world import Scenario


@dataclass(slots=True)
class Context:
    """One simulator's state."""

    clock: Clock
    instance: Instance
    movable_clock: bool = False
    faults: Faults = field(default_factory=Faults)
    journal: Journal = field(default_factory=Journal)
    bucket: Bucket = field(default_factory=Bucket)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def begin_anew(self, scenario: Scenario) -> None:
        """Forget everybody and everything: tokens, faults, the journal, and how far the clock was moved."""
        self.clock.reset()
        self.instance = Instance(scenario)
        self.faults.clear()
        self.journal.clear()
        self.bucket = Bucket()


CALL: web.RequestKey[Call] = web.RequestKey("call", Call)
"""The journal's entry of a request: handlers note there what they learn."""
