"""``keyfob token``: the endpoint tokens that consumers hold."""

from __future__ import annotations

import json

from keyfob import ask, terminal, wire
from keyfob.commands.listing import columns
from keyfob.errors import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace


def run_list(options: Namespace) -> int:
    """Exit status. Raises ClientError."""
    tokens: list[wire.TokenAnswer] = ask.ask(wire.TOKEN_LIST, {})["tokens"]
    terminal.write_out(json.dumps(tokens, indent=2) + "\n" if options.json else as_text(tokens))
    if not tokens:
        terminal.note("there is no endpoint token.")
    return wire.EXIT_DONE


def as_text(tokens: list[wire.TokenAnswer]) -> str:
    """A line for each token."""
    rows = [
        (
            token["id"],
            token["kind"],
            token["last_used_at"] or "never",
            "-" if token["pid"] is None else str(token["pid"]),
            ", ".join(token["roles"]),
        )
        for token in tokens
    ]
    return columns(("ID", "KIND", "LAST USED", "PID", "ROLES"), rows) if rows else ""


def run_revoke(options: Namespace) -> int:
    """Exit status. Raises ClientError."""
    if bool(options.id) == options.all:
        raise Usage("token revoke: name one token's ID, or --all.", "See: keyfob token list")
    request: wire.TokenRevokeRequest = {"all": True} if options.all else {"id": options.id}
    for revoked in ask.ask(wire.TOKEN_REVOKE, request)["revoked"]:
        terminal.say(f"Revoked {revoked}.")
    return wire.EXIT_DONE
