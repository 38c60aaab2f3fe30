"""``keyfob status``: one sentence first, then sessions, roles in use, and what needs doing."""

from __future__ import annotations

import json

from keyfob import ask, terminal, wire
from keyfob.commands import check, login
from keyfob.commands.listing import columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence


def run(options: Namespace) -> int:
    """Exit status. Raises ClientError."""
    status = ask.ask(wire.STATUS, {})
    name = options.session or options.sso_session or ""
    if name:
        status["sessions"] = check.chosen(status["sessions"], name)
        status["roles"] = [role for role in status["roles"] if role["session"] == name]
    if options.json:
        shown = {part: status[part] for part in ("daemon", "sessions", "roles", "storage")}
        terminal.write_out(json.dumps(shown, indent=2) + "\n")
    else:
        terminal.write_out(as_text(status))
    login.say_network_differs(status)
    return wire.EXIT_DONE


def as_text(status: wire.Answer) -> str:
    """All of it, for a person."""
    parts = [sentence(status) + "\n"]
    if status["sessions"]:
        rows = [_session_row(session) for session in status["sessions"]]
        parts.append(columns(("SESSION", "STATE", "TOKEN UNTIL", "START URL"), rows))
    if status["roles"]:
        rows = [_role_row(role) for role in status["roles"]]
        parts.append(columns(("ROLE", "ACCOUNT", "STATE", "UNTIL", "LAST USED"), rows))
    parts.append("".join(f"{line}\n" for line in _remarks(status)))
    return "\n".join(part for part in parts if part)


_SENTENCES = (
    ("sign-in-needed", "Sign-in needed: {names} ended. Run: keyfob login {first}"),
    ("locked", "Locked: {names} cannot be opened until the keyring is."),
    ("offline", "Offline: Identity Center is not reached for {names}; what is still valid is served."),
    ("signed-in", "Signed in to {names}."),
    ("signing-in", "A sign-in to {names} is under way."),
    ("signed-out", "Not signed in. Run: keyfob login {first}"),
)
"""For each state of a session; the first that fits one is what a person must know."""


def sentence(status: wire.Answer) -> str:
    """How things are, and what to do about them."""
    sessions: Sequence[wire.SessionStatus] = status["sessions"]
    for state, text in _SENTENCES:
        names = [session["name"] for session in sessions if session["state"] == state]
        if names:
            return text.format(names=_and(names), first=names[0])
    return "No session is configured: ~/.aws/config has no sso-session. Run: aws configure sso"


def _and(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]


def _session_row(session: wire.SessionStatus) -> tuple[str, ...]:
    until = session["session_ends_at"] or session["token_expires_at"] or "-"
    return (session["name"], session["state"], until, session["start_url"])


def _role_row(role: wire.RoleStatus) -> tuple[str, ...]:
    account = role["account_name"] or role["account_id"]
    return (role["role_name"], account, role["state"], role["expires_at"] or "-", role["last_used_at"] or "-")


def _remarks(status: wire.Answer) -> list[str]:
    daemon: wire.DaemonStatus = status["daemon"]
    storage: wire.StorageAnswer = status["storage"]
    remarks = [f"keyfobd {daemon['version']}: pid {daemon['pid']}, {daemon['endpoint']}, {daemon['config_file']}"]
    remarks += [f"keyfobd: {daemon['detail']}"] if daemon["detail"] else []
    remarks += [f"{s['name']}: {s['detail']}" for s in status["sessions"] if s["detail"]]
    remarks += [f"{r['role_name']}@{r['account_id']}: {r['detail']}" for r in status["roles"] if r["detail"]]
    if storage["kind"] == "memory":
        reason = f" ({storage['detail']})" if storage["detail"] else ""
        remarks.append(f"Sessions are kept in memory alone{reason}: they end with keyfobd.")
        return [*remarks, login.WITHOUT_KEYRING] if storage.get("offer_key_file") else remarks
    return [*remarks, f"storage: {storage['detail']}"] if storage["detail"] else remarks
