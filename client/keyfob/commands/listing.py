"""``keyfob list``: the accounts and roles one is entitled to."""

from __future__ import annotations

import json

from keyfob import ask, terminal, wire
from keyfob.commands import role
from keyfob.errors import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Sequence


def run(options: Namespace) -> int:
    """Exit status. Raises ClientError."""
    request: wire.ListRequest = {"refresh": options.refresh}
    if options.session or options.sso_session:
        request["session"] = options.session or options.sso_session
    try:
        answer = ask.ask(wire.LIST, request, start=not options.no_start, patience=None)
    except Refused as refused:
        if refused.code != "sign-in-needed" or options.no_login or not terminal.interactive():
            raise
        role.sign_in_offered(refused)
        answer = ask.ask(wire.LIST, request, patience=None)
    role.say_notes(answer["notes"])
    accounts = answer["accounts"]
    terminal.write_out(json.dumps(accounts, indent=2) + "\n" if options.json else as_text(accounts))
    if not accounts:
        terminal.note("no account is assigned to you in IAM Identity Center.")
    return wire.EXIT_DONE


def as_text(accounts: Iterable[wire.AccountAnswer]) -> str:
    """A line for each role, with what TARGET takes in columns."""
    rows = [
        (account["session"], account["account_id"], account["account_name"] or "-", name)
        for account in accounts
        for name in account["roles"] or ["-"]
    ]
    return columns(("SESSION", "ACCOUNT ID", "ACCOUNT", "ROLE"), rows) if rows else ""


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Plain columns, two blanks apart: box lines break in some terminals (East Asian fonts)."""
    table = [head, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table)
    return "".join(f"{line}\n" for line in lines)
