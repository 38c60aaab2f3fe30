"""What the person's config file and the listed accounts say: which sessions there are, and which role is meant."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from keyfobd.core.errors import ConfigMismatch, ConfigProblem, KeyfobError, UnknownTarget
from keyfobd.core.profiles import Known, known, problems_of, profiles_of_role, sessions_of
from keyfobd.core.targets import resolve, session_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from keyfob.aws_config import Config, Profile
    from keyfob.wire import Wanted
    from keyfobd.core.model import CatalogueEntry, Session, SsoRole

log = logging.getLogger(__name__)

MOST_PROBLEMS = 3


@dataclass(frozen=True, slots=True)
class Target:
    """A role as a person knows it."""

    role: SsoRole
    account_name: str | None
    profile: str | None  # the one that was typed, or the only one that names this role
    region: str | None  # that profile's
    keyfob_profile: str | None  # a profile of keyfob's own for exactly this role

    @property
    def label(self) -> str:
        """For prompts and messages."""
        return f"{self.role.role_name}@{self.account_name or self.role.account_id}"


class ConfigFile(Protocol):
    """``~/.aws/config``: the last good one, and what is wrong with a newer one."""

    @property
    def path(self) -> Path: ...
    @property
    def config(self) -> Config: ...
    @property
    def problem(self) -> ConfigProblem | None: ...
    def refresh(self) -> bool: ...


class Sessions(Protocol):
    """Who holds the sessions."""

    def configure(self, sessions: Iterable[Session]) -> None: ...
    def known_catalogue(self, name: str) -> tuple[CatalogueEntry, ...]: ...


class Directory:
    """Follows the file, tells ``sessions`` what it says, and finds what people name."""

    def __init__(self, file: ConfigFile, sessions: Sessions) -> None:
        self._file = file
        self._sessions = sessions
        self._config = file.config  # the file's last one, but for one that lost every session
        self._emptied: ConfigProblem | None = None
        self._known = known(file.config, {}, str(file.path))

    def refresh(self) -> None:
        """Looks whether the file has changed. To be called at each request and each look: it costs one stat. A file
        without any session, after one that had some, changes nothing but ``problem``: many programs write a file by
        emptying it first, and a moment like that must not cost every session its credentials."""
        if not self._file.refresh():
            return
        if self._known.sessions and not sessions_of(self._file.config):
            self._keep()
            return
        self._config, self._emptied = self._file.config, None
        self._known = self._anew()
        self._sessions.configure(self._known.sessions)
        log.debug("%s: %d sessions", self._file.path, len(self._known.sessions))

    def _keep(self) -> None:
        """Stay with the sessions there were."""
        if self._emptied is None:
            log.warning(
                "%s no longer has any session that can be signed in to; what it said before stays in force",
                self._file.path,
            )
        self._emptied = ConfigProblem(
            f"{self._file.path} no longer has any session that can be signed in to.",
            "What it said before stays in force. If that is how you want it, run: keyfob restart",
        )

    def sessions(self) -> tuple[Session, ...]:
        """Every session there is."""
        return self._known.sessions

    @property
    def problem(self) -> str | None:
        """What is wrong with the file, for ``status``."""
        if (problem := self._file_problem) is not None:
            return str(problem)
        found = problems_of(self._known, self._config)
        more = f" And {len(found) - MOST_PROBLEMS} more." if len(found) > MOST_PROBLEMS else ""
        return " ".join(error.message for error in found[:MOST_PROBLEMS]) + more or None

    @property
    def _file_problem(self) -> ConfigProblem | None:
        """What keeps the file as it is now from being in force."""
        return self._file.problem or self._emptied

    def resolve(self, body: Mapping[str, Any]) -> Target:
        """The role that a request names. Raises UnknownTarget, AmbiguousTarget, UsageError, ConfigProblem, and
        ConfigMismatch where the words were meant for another file."""
        everything = self._anew()
        try:
            role = resolve(cast("Wanted", body), everything)
        except (UnknownTarget, ConfigProblem) as error:
            raise self._cause(body) or error from None
        typed = everything.profiles.get(body.get("profile") or body.get("target") or "")
        if typed is not None and (mismatch := self._mismatch(body)) is not None:
            raise mismatch
        return _target(role, typed, everything)

    def session(self, body: Mapping[str, Any]) -> Session:
        """The session that a request names, by its own name or a profile's; the only one there is where it names none.
        Raises as ``resolve`` does."""
        profile = body.get("profile")
        try:
            found = session_named(profile or body.get("session"), self._known, "profile" if profile else "session")
        except (UnknownTarget, ConfigProblem) as error:
            raise self._cause(body) or error from None
        if profile and (mismatch := self._mismatch(body)) is not None:
            raise mismatch
        return found

    def _anew(self) -> Known:
        """With the accounts as they are listed now."""
        names = [session.name for session in self._known.sessions]
        catalogues = {name: self._sessions.known_catalogue(name) for name in names}
        return known(self._config, catalogues, str(self._file.path))

    def _cause(self, body: Mapping[str, Any]) -> KeyfobError | None:
        """Why something that may well be there is not found: another file was meant, or ours cannot be read."""
        return self._mismatch(body) or self._file_problem

    def _mismatch(self, body: Mapping[str, Any]) -> ConfigMismatch | None:
        theirs = body.get("config_file")
        if not theirs or os.path.realpath(theirs) == os.path.realpath(self._file.path):
            return None
        return ConfigMismatch(
            f"keyfobd uses {self._file.path}, but here AWS_CONFIG_FILE is {theirs}.",
            "Unset AWS_CONFIG_FILE, or to use that file, run: keyfob restart",
        )


def _target(role: SsoRole, typed: Profile | None, everything: Known) -> Target:
    naming = profiles_of_role(role, everything)
    only = naming[0] if len(naming) == 1 else None
    profile = typed or only
    own = next((found for found in _keyfob_profiles(role, naming, everything) if _means(found, role, everything)), None)
    return Target(
        role=role,
        account_name=everything.roles.get(role),
        profile=profile.name if profile is not None else None,
        region=(profile.get("region") or None) if profile is not None else None,
        keyfob_profile=own.name if own is not None else None,
    )


def _keyfob_profiles(role: SsoRole, naming: Iterable[Profile], everything: Known) -> Iterator[Profile]:
    """Profiles of keyfob's own that may be for this role: by their keys, or by the usual spellings of a TARGET. Not
    every profile is resolved: there can be a thousand."""
    spellings = {str(role), f"{role.account_id}/{role.role_name}", f"{role.role_name}@{role.account_id}"}
    yield from (profile for profile in naming if profile.keyfob_target is not None)
    yield from (profile for profile in everything.profiles.values() if profile.keyfob_target in spellings)


def _means(profile: Profile, role: SsoRole, everything: Known) -> bool:
    try:
        return resolve({"profile": profile.name}, everything) == role
    except KeyfobError:
        return False
