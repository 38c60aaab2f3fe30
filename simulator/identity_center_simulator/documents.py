"""JSON from strangers."""

from __future__ import annotations

import json
from typing import Any


def read(body: bytes | str) -> Any:
    """What JSON says; raises ValueError for what is none, for what is nested too deeply to be read, and for half of a
    surrogate pair, which is no text: nothing can be compared with it or made of it."""
    try:
        found = json.loads(body)
        json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return found
