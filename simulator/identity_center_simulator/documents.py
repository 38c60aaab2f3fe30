"""JSON from strangers."""

from __future__ import annotations

import json
from typing import Any


class Unreadable(ValueError):
    """No JSON, or none that anything can be done with."""


def read(body: bytes | str) -> Any:
    """What JSON says; raises Unreadable, also for what is nested too deeply for the parser, and for half of a surrogate
    pair, which is no text: it can neither be compared nor sent."""
    try:
        found = json.loads(body)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as problem:
        raise Unreadable(str(problem)) from None
    return found
