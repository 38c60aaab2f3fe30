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

from keyfobd.core.errors import AmbiguousTarget, ConfigProblem, KeyfobError, UnknownTarget, UsageError
from keyfobd.core.model import Session, SsoRole
from keyfobd.core.profiles import Known, role_of_profile, session_of_profile
from keyfobd.core.spellings import ACCOUNT_ID, ROLE_NAME, matches, spelling_of, spellings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyfob.aws_config import Profile
    from keyfob.wire import Wanted


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
        return _checked(_by_profile(profile, known), profile, within)
    if target:
        return _by_target(target, within, known, partial=wanted.get("partial", False))
    if wanted.get("partial"):
        raise AmbiguousTarget("Which role?", "Name one of these.", _shown(within.roles, known))
    raise UsageError("No role was named.", "Name one of those that this prints: keyfob list")


def session_named(word: str | None, known: Known, first: Literal["session", "profile"] = "session") -> Session:
    """The session that goes by a word: its own name or that of a profile that uses it; for no word the only one there
    is. Raises UnknownTarget, UsageError or ConfigProblem."""
    if not known.sessions:
        raise _no_session(known)
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
        _checked(SsoRole(session.name, account_id, role_name), profile, within)
        account_id = account_id or found.get("sso_account_id") or found.get("keyfob_sso_account_id")
        role_name = role_name or found.get("sso_role_name") or found.get("keyfob_sso_role_name")
    else:
        session = session_named(None, within)
    if not (account_id and role_name):
        raise UsageError("An account and a role belong together.", "Give both: --account-id and --role-name")
    if re.fullmatch(ACCOUNT_ID, account_id, re.ASCII) is None:
        raise UsageError(f"{_printed(account_id)} is no account id: that is twelve digits.")
    if re.fullmatch(ROLE_NAME, role_name, re.ASCII) is None:
        raise UsageError(f"{_printed(role_name)} cannot be the name of a role.")
    return SsoRole(session.name, account_id, role_name)


def _by_profile(name: str, known: Known) -> SsoRole:
    return role_of_profile(_profile_named(name, known), known, lambda target: _asked_by_profile(name, target, known))


def _checked(role: SsoRole, profile: str, within: Known) -> SsoRole:
    if within.session(role.session) is None:
        raise UsageError(
            f"The profile {profile} uses the session {role.session}, not the one that was named.",
            "Leave out --profile or --sso-session",
        )
    return role


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
    found = matches(target, within)
    if len(found) == 1:
        return found[0]
    if found:
        raise AmbiguousTarget(
            f"{_printed(target)} fits more than one role.", "Name one of these.", _shown(found, known)
        )
    if partial and (parts := _with_part(target, within)):
        raise AmbiguousTarget(f"Nothing is called {_printed(target)}.", "Is it one of these?", _shown(parts, known))
    raise _nothing(target, within)


def _is_within(profile: Profile, within: Known, known: Known) -> bool:
    """Whether a profile counts where one session was named: what uses another session is not what was meant."""
    if within.sessions == known.sessions:
        return True
    try:
        name = session_of_profile(profile, known).name
    except KeyfobError:
        return any(within.session(role.session) for role in _role_if_any(profile.name, known))
    return within.session(name) is not None


def _role_if_any(profile: str, known: Known) -> list[SsoRole]:
    try:
        return [_by_profile(profile, known)]
    except KeyfobError:
        return []


# --- what a person is told ------------------------------------------------------------------------------------------


def _shown(roles: Iterable[SsoRole], known: Known) -> tuple[str, ...]:
    return tuple(spelling_of(role, known) for role in roles)


def _with_part(part: str, known: Known) -> list[SsoRole]:
    wanted = part.casefold()
    named = (role for name in known.profiles if wanted in name.casefold() for role in _role_if_any(name, known))
    spelt = (
        role
        for role, name in known.roles.items()
        for account in (role.account_id, name)
        if account and any(wanted in spelling.casefold() for spelling in spellings(role, account, known))
    )
    return list(dict.fromkeys((*named, *spelt)))


def _no_session(known: Known) -> ConfigProblem:
    return ConfigProblem(
        f"There is no IAM Identity Center session in {known.config_file}.", "Make one: aws configure sso"
    )


def _nothing(target: str, known: Known) -> KeyfobError:
    if not known.sessions:  # then nothing can be found, however well it is spelt
        return _no_session(known)
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
