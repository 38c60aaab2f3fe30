"""Which port the endpoint has. Shells keep its number in their environment, so it is chosen once and kept."""

from __future__ import annotations

from keyfobd.core.errors import StartProblem

USUAL = 5393
"""Tried first by a daemon that never had one. Unassigned at IANA, below every ephemeral range."""
TRIES = 1000


def decided_port(*, inherited: int | None = None, setting: int | None, remembered: int | None) -> int | None:
    """The port that must be had, or None where it may be chosen. Raises StartProblem where two of these disagree: with
    either, tools that were told the other would fail."""
    named = [
        (what, port)
        for what, port in (
            (f"the socket that was handed over has port {inherited}", inherited),
            (f"the setting [endpoint] port is {setting}", setting),
            (f"the state file, and shells set up before, have {remembered}", remembered),
        )
        if port is not None
    ]
    if not named:
        return None
    for what, port in named[1:]:
        if port != named[0][1]:
            raise StartProblem(
                f"Two ports for the endpoint: {named[0][0]}, but {what}.",
                "Make them one (to move for good, remove state.json from the state folder), then run: keyfob start",
            )
    return named[0][1]


def ports_to_try(lowest_ephemeral: int) -> range:
    """The usual port and those after it, below the range that the kernel hands out for outgoing connections: a port in
    there may be taken by anybody's connection just when the daemon starts again."""
    return range(USUAL, min(USUAL + TRIES, max(lowest_ephemeral, USUAL + 1)))
