"""What a person may type for a role, and which role it means.

A TARGET is compared, byte for byte, with every spelling of every known thing, and never split: ``@``, ``/``, ``.`` and
blanks are legal in the names of profiles, sessions and accounts. The levels, of which the first with a match decides:

1. a profile's name;
2. ``SESSION/ACCOUNT-ID/ROLE``, ``ACCOUNT-ID/ROLE``, ``ROLE@ACCOUNT-ID``; the account need not be listed, since an id
   cannot be anything else;
3. the same with the account's name;
4. a role ARN as ``sts get-caller-identity`` or the IAM console shows it, or a link to the role in the access portal.

Two matches on one level are ambiguous, and each is shown by a spelling that fits it alone. Where the client can ask
back (``partial``), a part of a spelling is tried last, in any case, and even a single match is only proposed.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs, urlsplit

from keyfobd.core.errors import AmbiguousTarget, ConfigProblem, KeyfobError, UnknownTarget, UsageError
from keyfobd.core.model import Session, SsoRole, normalised_start_url
from keyfobd.core.profiles import Known, role_of_profile, session_of_profile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyfob.aws_config import Profile
    from keyfob.wire import Wanted

_ACCOUNT = r"(?P<account>\d{12})"
_ROLE = r"(?P<role>[\w+=,.@-]+)"  # what a permission set's name may hold: no slash, no blank
_UNLISTED = tuple(re.compile(form, re.ASCII) for form in (f"{_ACCOUNT}/{_ROLE}", f"{_ROLE}@{_ACCOUNT}"))
_ARNS = (
    re.compile(
        rf"arn:[\w-]+:iam::{_ACCOUNT}:role/aws-reserved/sso\.amazonaws\.com/(?:[\w-]+/)?"
        rf"AWSReservedSSO_{_ROLE}_[0-9a-f]{{16}}",
        re.ASCII,
    ),
    re.compile(rf"arn:[\w-]+:sts::{_ACCOUNT}:assumed-role/AWSReservedSSO_{_ROLE}_[0-9a-f]{{16}}(?:/.*)?", re.ASCII),
)


def resolve(wanted: Wanted, known: Known) -> SsoRole:
    """The role that was meant. Raises UnknownTarget, AmbiguousTarget, UsageError or ConfigProblem."""
    target, profile = wanted.get("target", ""), wanted.get("profile", "")
    parts = wanted.get("account_id", ""), wanted.get("role_name", "")
    if target and (profile or any(parts)):
        raise UsageError("A TARGET stands for itself: leave out --profile, --account-id and --role-name.")
    within = _within(wanted.get("sso_session", ""), known)
    if any(parts):
        return _by_parts(profile, *parts, within, known)
    if profile:
        return _by_profile(profile, known)
    if target:
        return _by_target(target, within, known, partial=wanted.get("partial", False))
    if wanted.get("partial"):
        raise AmbiguousTarget("Which role?", "Name one of these.", _shown(within.roles, known))
    raise UsageError("No role was named.", "Name one of those that this prints: keyfob list")


def session_named(word: str | None, known: Known, first: Literal["session", "profile"] = "session") -> Session:
    """The session that goes by a word: its own name or that of a profile that uses it; for no word the only one there
    is. Raises UnknownTarget, UsageError or ConfigProblem."""
    if not known.sessions:
        raise ConfigProblem(
            f"There is no IAM Identity Center session in {known.config_file}.", "Make one: aws configure sso"
        )
    names = tuple(session.name for session in known.sessions)
    if not word:
        if len(known.sessions) == 1:
            return known.sessions[0]
        raise AmbiguousTarget("There is more than one session.", f"Name one of: {', '.join(names)}", names)
    session, profile = known.session(word), known.profiles.get(word)
    if session is not None and (first == "session" or profile is None):
        return session
    if profile is not None:
        return session_of_profile(profile, known)
    raise _unknown(f"No session or profile is called {_printed(word)}.", word, (*names, *known.profiles))


def _within(session_word: str, known: Known) -> Known:
    """What is known of one session alone, where one was named."""
    if not session_word:
        return known
    session = session_named(session_word, known)
    roles = {role: name for role, name in known.roles.items() if role.session == session.name}
    return replace(known, sessions=(session,), roles=roles)


def _by_parts(profile: str, account_id: str, role_name: str, within: Known, known: Known) -> SsoRole:
    if profile:
        found = _profile_named(profile, known)
        session = session_of_profile(found, known)
        account_id = account_id or found.get("sso_account_id") or found.get("keyfob_sso_account_id")
        role_name = role_name or found.get("sso_role_name") or found.get("keyfob_sso_role_name")
    else:
        session = session_named(None, within)
    if not (account_id and role_name):
        raise UsageError("An account and a role belong together.", "Give both: --account-id and --role-name")
    if re.fullmatch(_ACCOUNT, account_id, re.ASCII) is None:
        raise UsageError(f"{_printed(account_id)} is no account id: that is twelve digits.")
    if re.fullmatch(_ROLE, role_name, re.ASCII) is None:
        raise UsageError(f"{_printed(role_name)} cannot be the name of a role.")
    return SsoRole(session.name, account_id, role_name)


def _by_profile(name: str, known: Known) -> SsoRole:
    return role_of_profile(_profile_named(name, known), known, lambda target: _asked_by_profile(name, target, known))


def _asked_by_profile(name: str, target: str, known: Known) -> SsoRole:
    # Without this profile, lest two that ask for each other go round for ever.
    others = {other: profile for other, profile in known.profiles.items() if other != name}
    return _by_target(target, replace(known, profiles=others), known, partial=False)


def _profile_named(name: str, known: Known) -> Profile:
    profile = known.profiles.get(name)
    if profile is None:
        raise _unknown(f"There is no profile {_printed(name)} in {known.config_file}.", name, known.profiles)
    return profile


def _by_target(target: str, within: Known, known: Known, *, partial: bool) -> SsoRole:
    profile = within.profiles.get(target)
    if profile is not None and _is_within(profile, within, known):
        return role_of_profile(profile, known, lambda asked: _asked_by_profile(target, asked, within))
    matches = _matches(target, within)
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise AmbiguousTarget(
            f"{_printed(target)} fits more than one role.", "Name one of these.", _shown(matches, known)
        )
    if partial and (parts := _with_part(target, within)):
        raise AmbiguousTarget(f"Nothing is called {_printed(target)}.", "Is it one of these?", _shown(parts, known))
    raise _nothing(target, within)


def _is_within(profile: Profile, within: Known, known: Known) -> bool:
    """Whether a profile counts where one session was named: what uses another session is not what was meant."""
    if within.sessions == known.sessions:
        return True
    try:
        return session_of_profile(profile, known) in within.sessions
    except KeyfobError:
        return False


# --- levels 2 to 4 --------------------------------------------------------------------------------------------------


def _matches(target: str, known: Known) -> tuple[SsoRole, ...]:
    for level in (_by_account_id, _by_account_name, _by_arn, _by_portal_link):
        found = dict.fromkeys(level(target, known))
        if found:
            return tuple(found)
    return ()


def _by_account_id(target: str, known: Known) -> list[SsoRole]:
    # Every spelling holds the role's name: that spares the making of nearly all of them.
    likely = (role for role in known.roles if role.role_name in target)
    listed = [role for role in likely if target in _spellings(role, role.account_id, known)]
    return listed or _unlisted(target, known)


def _by_account_name(target: str, known: Known) -> list[SsoRole]:
    return [
        role
        for role, name in known.roles.items()
        if name and role.role_name in target and target in _spellings(role, name, known)
    ]


def _by_arn(target: str, known: Known) -> list[SsoRole]:
    for form in _ARNS:
        if found := form.fullmatch(target):
            return _placed(found["account"], found["role"], known.sessions, known)
    return []


def _by_portal_link(target: str, known: Known) -> list[SsoRole]:
    try:
        route, _, query = urlsplit(target).fragment.partition("?")
    except ValueError:  # "http://[": not a link at all
        return []
    asked = parse_qs(query)
    account_id, role_name = asked.get("account_id", [""])[0], asked.get("role_name", [""])[0]
    if route.strip("/") != "console" or _UNLISTED[0].fullmatch(f"{account_id}/{role_name}") is None:
        return []
    start_url = normalised_start_url(target)
    sessions = [session for session in known.sessions if normalised_start_url(session.start_url) == start_url]
    return _placed(account_id, role_name, sessions, known) if sessions else []


def _unlisted(target: str, known: Known) -> list[SsoRole]:
    """An account id and a role, with or without a session, that nobody has listed."""
    for form in _UNLISTED:
        if found := form.fullmatch(target):
            return _placed(found["account"], found["role"], known.sessions, known)
    return [
        SsoRole(session.name, found["account"], found["role"])
        for session in known.sessions
        for name in known.names(session)
        if target.startswith(f"{name}/") and (found := _UNLISTED[0].fullmatch(target[len(name) + 1 :]))
    ]


def _placed(account_id: str, role_name: str, sessions: Iterable[Session], known: Known) -> list[SsoRole]:
    """The session is not said: it is one that has the role; else one that has the account; else any."""
    possible = [SsoRole(session.name, account_id, role_name) for session in sessions]
    with_account = {role.session for role in known.roles if role.account_id == account_id}
    return (
        [role for role in possible if role in known.roles]
        or [role for role in possible if role.session in with_account]
        or possible
    )


def _spellings(role: SsoRole, account: str, known: Known) -> tuple[str, ...]:
    session = known.session(role.session)
    names = known.names(session) if session is not None else (role.session,)
    bare = f"{account}/{role.role_name}"
    return (*(f"{name}/{bare}" for name in names), bare, f"{role.role_name}@{account}")


# --- what a person is told ------------------------------------------------------------------------------------------


def _shown(roles: Iterable[SsoRole], known: Known) -> tuple[str, ...]:
    return tuple(spelling_of(role, known) for role in roles)


def spelling_of(role: SsoRole, known: Known) -> str:
    """A TARGET that fits this role alone."""
    for account in (role.account_id, known.roles.get(role)):
        for spelling in _spellings(role, account, known) if account else ():
            if spelling not in known.profiles and _matches(spelling, known) == (role,):
                return spelling
    return str(role)


def _with_part(part: str, known: Known) -> list[SsoRole]:
    wanted = part.casefold()
    named = {
        role_of_profile(profile, known): name
        for name, profile in known.profiles.items()
        if wanted in name.casefold() and _names_a_role(profile, known)
    }
    spelt = (
        role
        for role, name in known.roles.items()
        for account in (role.account_id, name)
        if account and any(wanted in spelling.casefold() for spelling in _spellings(role, account, known))
    )
    return list(dict.fromkeys((*named, *spelt)))


def _names_a_role(profile: Profile, known: Known) -> bool:
    try:
        role_of_profile(profile, known)
    except KeyfobError:
        return False
    return True


def _nothing(target: str, known: Known) -> UnknownTarget:
    if target.startswith("arn:"):
        return UnknownTarget(
            f"{_printed(target)} is no role of IAM Identity Center (AWSReservedSSO_…).",
            "See what there is: keyfob list",
        )
    if "#/console?" in target:
        return UnknownTarget(
            f"No session in {known.config_file} has the start URL of this link.", "See what there is: keyfob status"
        )
    # The form that was typed: comparing with all forms of some thousand roles would take long.
    form = "{1}@{0}" if "@" in target else "{0}/{1}"
    spelt = (form.format(name or role.account_id, role.role_name) for role, name in known.roles.items())
    return _unknown(f"Nothing is called {_printed(target)}.", target, (*known.profiles, *spelt))


def _unknown(message: str, word: str, names: Iterable[str]) -> UnknownTarget:
    nearest = tuple(difflib.get_close_matches(word, dict.fromkeys(names), n=3, cutoff=0.6))
    hint = f"Did you mean {' or '.join(nearest)}? " if nearest else ""
    return UnknownTarget(message, f"{hint}See what there is: keyfob list", nearest)


def _printed(word: str) -> str:
    """What somebody typed, on one line."""
    shown = "".join(c if c.isprintable() else "?" for c in word)
    return shown if len(shown) <= 100 else shown[:100] + "…"
