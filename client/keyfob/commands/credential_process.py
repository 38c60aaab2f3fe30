"""``keyfob credential-process``: for a profile's ``credential_process`` line; never asks anybody anything."""

from __future__ import annotations

import json

from keyfob import arguments, terminal, wire
from keyfob.commands import role

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

OPTIONS = (*arguments.TARGET, arguments.NO_START)
_PURPOSE = "Prints the JSON that credential_process in ~/.aws/config wants. TARGET must be exact."


def run(argv: Sequence[str]) -> int:
    """Exit status. Raises ClientError."""
    found = arguments.parse("credential-process", argv, OPTIONS, words=1)
    if "--help" in found:
        terminal.write_out(arguments.help_text("credential-process", "TARGET", _PURPOSE, OPTIONS))
        return wire.EXIT_DONE
    request = role.wanted(found)
    start = "--no-start" not in found
    answer = role.answered(wire.CREDENTIAL_PROCESS, request, start=start, may_ask=False)
    terminal.write_out(json.dumps(answer) + "\n")
    return wire.EXIT_DONE
