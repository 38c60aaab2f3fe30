"""Who and what exists: accounts, permission sets, users and their assignments."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from identity_center_simulator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Account:
    """An AWS account. Real listings lack names and e-mails at times, so these may too."""

    account_id: str
    name: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class PermissionSet:
    """What Identity Center calls a role in its portal. ``duration``: seconds that its role credentials live; real ones
    have 1 to 12 hours."""

    name: str
    duration: float = 3600


@dataclass(frozen=True, slots=True)
class IamRole:
    """A plain role that can be assumed by the holders of some permission sets."""

    arn: str
    trusts: tuple[str, ...]
    duration: float = 3600
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A person. ``assignments``: account id to the permission sets there, in the order they are listed; no permission
    sets means an account that is listed and has no role."""

    name: str
    assignments: Mapping[str, tuple[str, ...]]
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """One Identity Center instance."""

    accounts: Mapping[str, Account]
    permission_sets: Mapping[str, PermissionSet]
    users: Mapping[str, User]
    iam_roles: Mapping[str, IamRole] = field(default_factory=dict)
    start_urls: tuple[str, ...] = ("https://d-1234567890.awsapps.com/start",)
    region: str = "us-east-1"
    settings: Settings = field(default_factory=Settings)

    @property
    def partition(self) -> str:
        """The first word of every ARN there."""
        return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(self.region.rpartition("-")[0].rpartition("-")[0], "aws")

    def with_user(self, user: User) -> Scenario:
        """The same with one user changed."""
        return dataclasses.replace(self, users={**self.users, user.name: user})


def normalised_start_url(url: str) -> str:
    """For comparison: people paste ``…/start``, ``…/start/``, ``…/start#`` and ``…/start/#/`` for the same.
    Raises ValueError for what is no address."""
    parts = urlsplit(url.strip())
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"
