"""Role credentials: what the portal and AssumeRole hand out, and STS and the console recognise."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from identity_center_simulator import issue
from identity_center_simulator.errors import StsRefused

if TYPE_CHECKING:
    from identity_center_simulator.world import IamRole, PermissionSet

INVALID_TOKEN = "The security token included in the request is invalid"  # noqa: S105 - a message
EXPIRED_TOKEN = "The security token included in the request is expired"  # noqa: S105 - a message


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds keys: a role's session in an account. ``permission_set`` is None for a plain role."""

    partition: str
    account_id: str
    role_name: str
    session_name: str
    permission_set: str | None = None

    @property
    def arn(self) -> str:
        role = f"{self.role_name}/{self.session_name}"
        return f"arn:{self.partition}:sts::{self.account_id}:assumed-role/{role}"

    @property
    def user_id(self) -> str:
        return f"{issue.stable_id('AROA', self.account_id, self.role_name)}:{self.session_name}"


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """Temporary keys. ``expires_at``: seconds since 1970."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expires_at: int
    holder: Holder


class KeyRing:
    """All keys that were issued."""

    def __init__(self) -> None:
        self._by_id: dict[str, RoleKeys] = {}
        self._links: dict[str, tuple[RoleKeys, float]] = {}

    def for_permission_set(
        self, permission_set: PermissionSet, account_id: str, user: str, now: float, partition: str = "aws"
    ) -> RoleKeys:
        """Keys of a permission set's role; whole seconds, and never cut by the end of the portal session."""
        name = f"AWSReservedSSO_{permission_set.name}_{issue.stable_hex(permission_set.name, account_id)}"
        return self._issue(Holder(partition, account_id, name, user, permission_set.name), permission_set.duration, now)

    def for_role(self, role: IamRole, session_name: str, duration: float, now: float) -> RoleKeys:
        """Keys of a plain role that was assumed."""
        _, partition, _, _, account_id, path = role.arn.split(":")
        return self._issue(Holder(partition, account_id, path.rpartition("/")[2], session_name), duration, now)

    def check(self, access_key_id: str, session_token: str | None, now: float) -> RoleKeys:
        """The keys that these words belong to, while they live; raises StsRefused."""
        keys = self._by_id.get(access_key_id)
        if keys is None or not hmac.compare_digest(keys.session_token.encode(), (session_token or "").encode()):
            raise StsRefused(403, "InvalidClientTokenId", INVALID_TOKEN)
        if now >= keys.expires_at:
            raise StsRefused(403, "ExpiredToken", EXPIRED_TOKEN)
        return keys

    def check_whole(self, words: Any, now: float) -> RoleKeys:
        """The keys that three words in a federation request belong to; raises StsRefused."""
        if not isinstance(words, dict) or not all(isinstance(word, str) for word in words.values()):
            raise StsRefused(400, "InvalidSession", "Invalid session")
        keys = self.check(words.get("sessionId", ""), words.get("sessionToken"), now)
        if not hmac.compare_digest(keys.secret_access_key.encode(), words.get("sessionKey", "").encode()):
            raise StsRefused(403, "InvalidClientTokenId", INVALID_TOKEN)
        return keys

    def link(self, keys: RoleKeys, expires_at: float) -> str:
        """A sign-in token for the console, good until then, in seconds since 1970."""
        token = issue.authorization_code()
        self._links[token] = (keys, expires_at)
        return token

    def linked(self, token: str, now: float) -> RoleKeys:
        """Whose sign-in token that is; raises StsRefused."""
        keys, expires_at = self._links.get(token, (None, 0.0))
        if keys is None or now >= expires_at:
            raise StsRefused(400, "InvalidSigninToken", "The sign-in link is too old, or nobody's.")
        return keys

    def _issue(self, holder: Holder, duration: float, now: float) -> RoleKeys:
        keys = RoleKeys(
            access_key_id=issue.access_key_id(),
            secret_access_key=issue.secret_access_key(),
            session_token=issue.session_token(),
            expires_at=int(now) + int(duration),
            holder=holder,
        )
        self._by_id[keys.access_key_id] = keys
        return keys
