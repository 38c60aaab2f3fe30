"""Which role a person means, and asking the daemon for it: what env, exec and credential-process share."""

from __future__ import annotations

import os

from keyfob import ask, config_files, terminal, wire
from keyfob.errors import ClientError, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.arguments import Arguments

_NAMED = {
    "--profile": "profile",
    "--sso-session": "sso_session",
    "--account-id": "account_id",
    "--role-name": "role_name",
}


def wanted(arguments: Arguments) -> wire.Wanted:
    """The words as they were typed, for the daemon to judge; AWS_PROFILE stands for a role where none is named."""
    found: dict[str, object] = {field: arguments.get(option) for option, field in _NAMED.items() if option in arguments}
    if arguments.words:
        found["target"] = arguments.words[0]
    profile = os.environ.get("AWS_PROFILE")
    if profile and not _names_a_role(found):
        found["profile"] = profile
    found["config_file"] = config_files.path_of("AWS_CONFIG_FILE", os.environ)
    return found  # type: ignore[return-value]  # built by the names of the fields


def _names_a_role(request: Mapping[str, object]) -> bool:
    return any(name in request for name in ("target", "profile", "account_id", "role_name"))


def answered(route: str, request: wire.Wanted, *, start: bool, may_ask: bool) -> wire.Answer:
    """The daemon's answer for a role. With ``may_ask`` a person is asked which role of several, and offered to sign in,
    once each. Raises ClientError."""
    if may_ask and not _names_a_role(request):
        request = _for_target(_pick(start=start, session=request.get("sso_session", "")), request)
    elif may_ask and "target" in request:
        request = {**request, "partial": True}
    settled: set[str] = set()
    while True:
        try:
            return ask.ask(route, request, start=start)
        except Refused as refused:
            if not may_ask or refused.code in settled:
                raise with_origin(refused, request) from refused
            settled.add(refused.code)
            request = _settle(refused, request)


def _settle(refused: Refused, request: wire.Wanted) -> wire.Wanted:
    """What to ask for next, after a word with the person. Raises the refusal where there is nothing to talk about."""
    if refused.code == "ambiguous-target" and refused.candidates:
        return _for_target(terminal.choose(f"{refused.message} Which one?", refused.candidates), request)
    if refused.code == "sign-in-needed":
        sign_in_offered(refused)
        return request
    raise with_origin(refused, request) from refused


def _for_target(target: str, request: wire.Wanted) -> wire.Wanted:
    """The same request, but for the one role that was picked."""
    kept = {name: value for name, value in request.items() if name in ("config_file", "fetch", "keep")}
    return {**kept, "target": target}  # type: ignore[typeddict-item]  # some of the fields


def sign_in_offered(refused: Refused) -> None:
    """Returns when the person has signed in. Raises the refusal again where they would rather not."""
    if not terminal.confirm(f"keyfob: {refused.message} Sign in now?"):
        raise refused
    from keyfob.commands import login  # noqa: PLC0415 - with a person waiting there is time to import

    login.sign_in({"session": refused.session} if refused.session else {}, login.Ways(), start=False)


def with_origin(refused: Refused, request: Mapping[str, object]) -> ClientError:
    """The refusal; where it is about a name that nobody typed, it says whose that was."""
    if refused.exit_status == wire.EXIT_USAGE and request.get("profile") == os.environ.get("AWS_PROFILE", ""):
        refused.message = f"{refused.message} (The name is from AWS_PROFILE.)"
    return refused


def _pick(*, start: bool, session: str) -> str:
    """A TARGET from the list of all. Raises ClientError, KeyboardInterrupt."""
    request: wire.ListRequest = {"session": session} if session else {}
    try:
        answer = ask.ask(wire.LIST, request, start=start, patience=None)
    except Refused as refused:
        if refused.code != "sign-in-needed":
            raise
        sign_in_offered(refused)
        answer = ask.ask(wire.LIST, request, patience=None)
    choices = {
        f"{role}@{account['account_name'] or account['account_id']}  ({account['session']}, {account['account_id']})": (
            f"{account['session']}/{account['account_id']}/{role}"
        )
        for account in answer["accounts"]
        for role in account["roles"]
    }
    if not choices:
        raise ClientError("There is no account with a role for you.", "Ask who assigns roles in IAM Identity Center.")
    return choices[terminal.choose("Which role?", list(choices))]


def say_notes(notes: list[str]) -> None:
    """What the daemon has to say beside its answer."""
    for line in notes:
        terminal.note(line)
