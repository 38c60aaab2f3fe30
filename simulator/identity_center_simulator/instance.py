"""One Identity Center instance: everything it knows. It reads no clock and does no I/O; ``now`` is an argument."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from identity_center_simulator.clients import Clients
from identity_center_simulator.errors import OidcRefused, no_access
from identity_center_simulator.role_keys import KeyRing, RoleKeys
from identity_center_simulator.sessions import PortalSession, Sessions
from identity_center_simulator.settings import ScenarioProblem
from identity_center_simulator.sign_ins import AuthorizationRequest, DeviceAuthorization, SignIns
from identity_center_simulator.world import Scenario, User, normalised_start_url

if TYPE_CHECKING:
    from collections.abc import Mapping


class NoSuchUser(LookupError):
    """Nobody of that name can sign in."""


class Instance:
    """The instance's state. Its parts are public: a test may look at, and do, anything."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.settings = scenario.settings
        self.clients = Clients()
        self.sign_ins = SignIns()
        self.sessions = Sessions()
        self.keys = KeyRing()
        self._browser = self.settings.warm_user  # who is signed in there

    def change(self, **changes: Any) -> None:
        """Change settings; raises ScenarioProblem."""
        settings = self.settings.changed(changes)
        if settings.warm_user is not None and settings.warm_user not in self.scenario.users:
            raise ScenarioProblem(f"warm_user: there is no user {settings.warm_user!r}")
        self.settings = settings
        if "warm_user" in changes:
            self._browser = settings.warm_user

    @property
    def warm_user(self) -> str | None:
        """Who is signed in at the browser, where there is a warm one; a disabled user is not."""
        known = self.scenario.users.get(self._browser) if self._browser is not None else None
        return None if known is None or known.disabled else known.name

    # --- people ---------------------------------------------------------------------------------------------------

    def sign_in(self, user: str, now: float) -> PortalSession:
        """A person signs in; raises NoSuchUser, for a disabled one too."""
        found = self._user(user)
        if found.disabled:
            raise NoSuchUser(f"{user} is disabled")
        return self.sessions.sign_in(user, found.assignments, self.settings, now)

    def answer(self, subject: AuthorizationRequest | DeviceAuthorization, user: str | None, now: float) -> str | None:
        """A person allows (as ``user``) or denies (None) a sign-in; the authorization code, where one is due.

        Raises NoSuchUser, and OidcRefused for a client whose registration is gone by now, and in the wrong Region:
        there the browser alone learns of it, and a device code stays pending.
        """
        if self.clients.find(subject.client_id, now) is None:
            raise OidcRefused("InvalidClientException")
        if user is not None and self.settings.wrong_region:
            raise OidcRefused("InvalidGrantException")
        session_id = None if user is None else self.sign_in(user, now).id
        if user is not None and self.settings.warm_user is not None:
            self._browser = user
        if isinstance(subject, DeviceAuthorization):
            self.sign_ins.decide_device(subject.device_code, session_id)
            return None
        if session_id is None:
            return None
        ends = now + self.settings.authorization_code_duration
        return self.sign_ins.grant_code(subject, session_id, ends).code

    def sign_out(self, session: PortalSession) -> None:
        """``Logout``. The browser, where it is that user's, asks who is there from now on."""
        self.sessions.sign_out(session.id)
        self._cool({session.user})

    # --- an administrator -----------------------------------------------------------------------------------------

    def disable(self, user: str, now: float) -> tuple[str, ...]:
        """A user may not sign in any more and their sessions end; the ids of those."""
        self._change_user(dataclasses.replace(self._user(user), disabled=True))
        return self.end_sessions(now, user=user)

    def end_sessions(self, now: float, *, user: str | None = None, session_id: str | None = None) -> tuple[str, ...]:
        """Sessions (of one user, or one, or all) end now; their ids. As with ``Logout``, the browser asks then."""
        ended = self.sessions.end(now, user=user, session_id=session_id)
        self._cool({session.user for session in self.sessions.every() if session.id in ended})
        return ended

    def enable(self, user: str) -> None:
        self._change_user(dataclasses.replace(self._user(user), disabled=False))

    def assign(self, user: str, account_id: str, role: str) -> None:
        """Raises ScenarioProblem for an account or a permission set that there is not."""
        if account_id not in self.scenario.accounts or role not in self.scenario.permission_sets:
            raise ScenarioProblem(f"there is no permission set {role!r} or no account {account_id!r}")
        found = self._user(user)
        roles = found.assignments.get(account_id, ())
        roles = roles if role in roles else (*roles, role)
        self._change_user(dataclasses.replace(found, assignments={**found.assignments, account_id: roles}))

    def unassign(self, user: str, account_id: str, role: str | None = None) -> None:
        """One role, or the account whole."""
        found = self._user(user)
        assignments = dict(found.assignments)
        roles = tuple(name for name in assignments.pop(account_id, ()) if role not in {None, name})
        if roles:
            assignments[account_id] = roles
        self._change_user(dataclasses.replace(found, assignments=assignments))

    # --- entitlements ---------------------------------------------------------------------------------------------

    def knows_start_url(self, url: Any) -> bool:
        known = {normalised_start_url(each) for each in self.scenario.start_urls}
        try:
            return isinstance(url, str) and normalised_start_url(url) in known
        except ValueError:  # http://[
            return False

    def assignments(self, session: PortalSession) -> Mapping[str, tuple[str, ...]]:
        """What a session is entitled to."""
        if self.settings.assignments == "snapshot":
            return session.assignments
        return self.scenario.users[session.user].assignments

    def role_credentials(self, session: PortalSession, account_id: str, role: str, now: float) -> RoleKeys:
        """Keys for a role; raises PortalRefused ("No access")."""
        if role not in self.assignments(session).get(account_id, ()):
            raise no_access()
        permission_set, partition = self.scenario.permission_sets[role], self.scenario.partition
        return self.keys.for_permission_set(permission_set, account_id, session.user, now, partition)

    def _cool(self, users: set[str]) -> None:
        if self._browser in users:
            self._browser = None

    def _user(self, name: str) -> User:
        try:
            return self.scenario.users[name]
        except KeyError:
            raise NoSuchUser(f"there is no user {name!r}") from None

    def _change_user(self, user: User) -> None:
        self.scenario = self.scenario.with_user(user)
