"""What the person's ``~/.aws/config`` says of sessions and roles.

A profile uses a session in one of three ways: it names an ``[sso-session]`` section; it holds ``sso_start_url`` and
``sso_region`` itself (*legacy*); or it was adopted by keyfob, and the same keys stand there as ``keyfob_sso_…``. Legacy
sessions have no name of their own: they get the first label of their start URL's host, and profiles of one start URL
and region share one. They are registered with scopes like any other, so that they too can be renewed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from keyfob import aws_config
from keyfobd.core.errors import ConfigProblem, KeyfobError, UsageError
from keyfobd.core.model import DEFAULT_SCOPES, CatalogueEntry, Session, SsoRole, normalised_start_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keyfob.aws_config import Profile

Catalogues = Mapping[str, tuple[CatalogueEntry, ...]]

# What a profile without a session may be instead, in the order in which botocore would choose.
_NOT_OURS = (
    ("role_arn", "assumes another role (role_arn), which keyfob does not serve yet"),
    ("web_identity_token_file", "gets its credentials with a web identity token, not from IAM Identity Center"),
    ("login_session", "signs in with aws login, which is not IAM Identity Center"),
    ("credential_process", "gets its credentials from another program"),
    ("aws_access_key_id", "holds keys of its own, not a role of IAM Identity Center"),
)


@dataclass(frozen=True, slots=True)
class Known:
    """Everything a person can name. Made by ``known``."""

    config_file: str
    sessions: tuple[Session, ...]
    profiles: Mapping[str, Profile]
    roles: Mapping[SsoRole, str | None]  # every role listed or named by a profile, with its account's name
    aliases: Mapping[str, tuple[str, ...]]  # by session: the profiles whose names it answers to, for it has none itself

    def session(self, name: str) -> Session | None:
        """The session that goes by a name of its own."""
        return next((session for session in self.sessions if session.name == name), None)

    def names(self, session: Session) -> tuple[str, ...]:
        """What a session answers to, its own name first."""
        return (session.name, *self.aliases.get(session.name, ()))


def known(config: aws_config.Config, catalogues: Catalogues, config_file: str = "~/.aws/config") -> Known:
    """What there is to name, by a config file and what Identity Center listed."""
    sessions = sessions_of(config)
    profiles = aws_config.profiles(config)
    bare = Known(config_file, sessions, profiles, {}, {})
    aliases = {
        session.name: tuple(
            name
            for name, profile in profiles.items()
            if _legacy_identity(profile) == _identity(session) and bare.session(name) is None
        )
        for session in sessions
        if session.legacy
    }
    return Known(config_file, sessions, profiles, _roles(bare, catalogues), aliases)


def sessions_of(config: aws_config.Config) -> tuple[Session, ...]:
    """Every session that can be signed in to: the ``[sso-session]`` sections, then the legacy ones. Sections that lack
    their start URL or region are left out; ``problems_of`` names them."""
    found = [
        Session(section.name, section.start_url, section.region, section.scopes or DEFAULT_SCOPES)
        for section in aws_config.sso_sessions(config).values()
        if section.start_url and section.region
    ]
    taken = set(aws_config.sso_sessions(config))
    seen: set[tuple[str, str]] = set()
    for profile in aws_config.profiles(config).values():
        identity = _legacy_identity(profile)
        if identity is None or identity in seen:
            continue
        seen.add(identity)
        name = _free_name(_first_label(identity[0]), taken)
        taken.add(name)
        found.append(Session(name, _sso(profile, "start_url"), identity[1], legacy=True))
    return tuple(found)


def problems_of(everything: Known, config: aws_config.Config) -> tuple[KeyfobError, ...]:
    """What is wrong with single sessions and profiles; none of it keeps the others from working."""
    incomplete = [
        ConfigProblem(f"The sso-session {section.name} (line {section.line}) lacks its sso_start_url or sso_region.")
        for section in aws_config.sso_sessions(config).values()
        if not (section.start_url and section.region)
    ]
    meant = [
        profile for profile in everything.profiles.values() if _sso(profile, "session") or _sso(profile, "start_url")
    ]
    return (*incomplete, *(problem for profile in meant if (problem := _problem(profile, everything)) is not None))


def session_of_profile(profile: Profile, everything: Known) -> Session:
    """The session a profile uses. Raises ConfigProblem where that cannot be said, UsageError where it uses none."""
    name = _sso(profile, "session")
    if name:
        return _agreeing(profile, name, everything)
    identity = _legacy_identity(profile)
    for session in everything.sessions:
        if session.legacy and identity == _identity(session):
            return session
    if _sso(profile, "start_url"):
        raise ConfigProblem(
            f"The profile {profile.name} has an sso_start_url but no sso_region that fits it.",
            _mend(profile, everything),
        )
    raise _not_ours(profile)


def role_of_profile(profile: Profile, everything: Known, by_target: Callable[[str], SsoRole] | None = None) -> SsoRole:
    """The role a profile names. ``by_target`` finds what a profile made by keyfob asks for in its own words.
    Raises ConfigProblem, or UsageError where the profile names no role."""
    # Taking a command line apart is slow where there are a thousand profiles: only where it is the way to the role.
    target = profile.keyfob_target if by_target is not None and not _uses_a_session(profile) else None
    if target is not None and by_target is not None and target != profile.name:
        return by_target(target)
    session = session_of_profile(profile, everything)
    account_id, role_name = _sso(profile, "account_id"), _sso(profile, "role_name")
    if not (account_id and role_name):
        missing = " and no ".join(
            key for key, value in (("sso_account_id", account_id), ("sso_role_name", role_name)) if not value
        )
        raise UsageError(
            f"The profile {profile.name} names the session {session.name}, but has no {missing}.",
            f"Add --account-id and --role-name, or see what there is: keyfob list {session.name}",
        )
    return SsoRole(session.name, account_id, role_name)


def profiles_of_role(role: SsoRole, everything: Known) -> tuple[Profile, ...]:
    """The profiles that name a role, in the order of the file."""
    return tuple(profile for profile, named in _named_roles(everything) if named == role)


def _roles(bare: Known, catalogues: Catalogues) -> dict[SsoRole, str | None]:
    account_names = {
        (session, entry.account.account_id): entry.account.name
        for session, entries in catalogues.items()
        for entry in entries
    }
    listed = [
        SsoRole(session, entry.account.account_id, role_name)
        for session, entries in catalogues.items()
        if bare.session(session) is not None
        for entry in entries
        for role_name in entry.roles
    ]
    named = [role for _, role in _named_roles(bare)]
    return {role: account_names.get((role.session, role.account_id)) for role in (*listed, *named)}


def _named_roles(everything: Known) -> Iterator[tuple[Profile, SsoRole]]:
    for profile in everything.profiles.values():
        try:
            yield profile, role_of_profile(profile, everything)
        except KeyfobError:
            continue  # what is wrong with it is told to whoever asks for it


def _problem(profile: Profile, everything: Known) -> KeyfobError | None:
    try:
        session_of_profile(profile, everything)
    except KeyfobError as problem:
        return problem
    return None


def _agreeing(profile: Profile, name: str, everything: Known) -> Session:
    session = everything.session(name)
    if session is None or session.legacy:
        raise ConfigProblem(
            f"The profile {profile.name} names the sso-session {name}, which is not there or lacks its start URL "
            "or region.",
            _mend(profile, everything),
        )
    for key, said in (("start_url", session.start_url), ("region", session.region)):
        if _sso(profile, key) not in ("", said):
            raise ConfigProblem(
                f"sso_{key} differs between the profile {profile.name} and its sso-session {name}.",
                _mend(profile, everything),
            )
    return session


def _mend(profile: Profile, everything: Known) -> str:
    return f"Mend {everything.config_file}, line {profile.line}, then run: keyfob status"


def _not_ours(profile: Profile) -> UsageError:
    for key, what in _NOT_OURS:
        if profile.get(key):
            return UsageError(f"The profile {profile.name} {what}.", "For the roles there are, run: keyfob list")
    return UsageError(
        f"The profile {profile.name} names no session of IAM Identity Center.",
        "For the roles there are, run: keyfob list",
    )


def _sso(profile: Profile, key: str) -> str:
    return profile.get(f"sso_{key}") or profile.get(f"keyfob_sso_{key}")


def _uses_a_session(profile: Profile) -> bool:
    return bool(_sso(profile, "session") or _sso(profile, "start_url"))


def _legacy_identity(profile: Profile) -> tuple[str, str] | None:
    url, region = _sso(profile, "start_url"), _sso(profile, "region")
    if _sso(profile, "session") or not (region and _first_label(url)):
        return None
    return (normalised_start_url(url), region)


def _identity(session: Session) -> tuple[str, str]:
    return (normalised_start_url(session.start_url), session.region)


def _first_label(url: str) -> str:
    try:
        return (urlsplit(url.strip()).hostname or "").partition(".")[0]
    except ValueError:  # "http://[": not a URL at all
        return ""


def _free_name(label: str, taken: set[str]) -> str:
    name, number = label, 1
    while name in taken:
        number += 1
        name = f"{label}-{number}"
    return name
