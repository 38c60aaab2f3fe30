"""``keyfob status --check``: the exit status alone, for prompts and scripts."""

from __future__ import annotations

from keyfob import arguments, ask, wire
from keyfob.arguments import Option
from keyfob.errors import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

OPTIONS = (Option("--check", "", "no output, the exit status alone"), Option("--sso-session", "NAME", "this one"))


def run(argv: Sequence[str]) -> int:
    """0 ready, 3 sign-in needed, 5 offline with nothing valid, 1 what else a person must mend. Raises ClientError."""
    found = arguments.parse("status", argv, OPTIONS, words=1)
    request: wire.StatusRequest = {"check": True}
    return verdict(ask.ask(wire.STATUS, request), found.words[0] if found.words else found.get("--sso-session"))


def verdict(status: wire.Answer, name: str) -> int:
    """The exit status for one session, or with no name for all that were ever signed in to."""
    sessions = chosen(status["sessions"], name)
    in_use = [session for session in sessions if session["state"] != "signed-out"]
    states = {session["state"] for session in in_use}
    if not sessions or "locked" in states:
        return wire.EXIT_FAILED
    if not in_use or states & {"sign-in-needed", "signing-in"}:
        return wire.EXIT_SIGN_IN_NEEDED
    offline = [session["name"] for session in in_use if session["state"] == "offline"]
    roles = [role for role in status["roles"] if role["session"] in offline]
    all_valid = bool(roles) and all(role["state"] in ("fresh", "renewing", "failing") for role in roles)
    return wire.EXIT_DONE if all_valid or not offline else wire.EXIT_UNREACHABLE


def chosen(sessions: Sequence[wire.SessionStatus], name: str) -> list[wire.SessionStatus]:
    """The session of that name, or all for no name. Raises ClientError where there is none."""
    found = [session for session in sessions if name in ("", session["name"])]
    if name and not found:
        raise Usage(f"There is no session {name}.", "See: keyfob status")
    return found
