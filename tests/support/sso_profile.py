"""A person's ``~/.aws`` with SSO profiles and a token cache as ``aws sso login`` leaves it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from support.simulator import DEVELOPMENT, PRODUCTION, REGION, START_URL

if TYPE_CHECKING:
    from pathlib import Path

    from support.aws_clients import SignedIn
    from support.simulator import SimulatorProcess

CONFIG = f"""\
[sso-session work]
sso_start_url = {START_URL}
sso_region = {REGION}
sso_registration_scopes = sso:account:access

[profile dev]
sso_session = work
sso_account_id = {DEVELOPMENT}
sso_role_name = ReadOnly
region = {REGION}

[profile old]
sso_start_url = {START_URL}
sso_region = {REGION}
sso_account_id = {PRODUCTION}
sso_role_name = ReadOnly
region = {REGION}
"""


class Home:
    """A home directory with that config, and a token cache that is empty so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / ".aws" / "sso" / "cache").mkdir(parents=True)
        (path / ".aws" / "config").write_text(CONFIG, encoding="utf-8")

    def environment(self, simulator: SimulatorProcess) -> dict[str, str]:
        """What an AWS tool needs to look here, and at the simulator, and nowhere else."""
        return {
            "HOME": str(self.path),
            "AWS_CONFIG_FILE": str(self.path / ".aws" / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.path / ".aws" / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            **simulator.exports,
        }

    def cache_file(self, key: str) -> Path:
        return self.path / ".aws" / "sso" / "cache" / f"{hashlib.sha1(key.encode()).hexdigest()}.json"  # noqa: S324 - the AWS CLI's naming

    def write_token(self, one: SignedIn, *, key: str = "work", left: timedelta, registered: bool = True) -> None:
        """As `aws sso login` writes it, with so much time left."""
        words = {
            "startUrl": START_URL,
            "region": REGION,
            "accessToken": one.access_token,
            "expiresAt": stamp(left),
        }
        if registered:
            words |= {**one.client, "registrationExpiresAt": stamp(timedelta(days=90))}
            words["refreshToken"] = one.refresh_token or ""
        self.cache_file(key).write_text(json.dumps(words), encoding="utf-8")

    def token(self, key: str = "work") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.cache_file(key).read_text(encoding="utf-8"))
        return found


def stamp(left: timedelta) -> str:
    return (datetime.now(UTC) + left).strftime("%Y-%m-%dT%H:%M:%SZ")
