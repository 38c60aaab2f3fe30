"""A scenario as people write it: TOML in a file, or the same document as JSON over the control API."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from typing import TYPE_CHECKING, Any

from identity_center_simulator.settings import ScenarioProblem, Settings, seconds
from identity_center_simulator.world import Account, IamRole, PermissionSet, Scenario, User

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


EXAMPLE = """\
# A scenario for the IAM Identity Center simulator. Durations: seconds, or "20s", "15m", "8h", "90d".
start_urls = ["https://d-1234567890.awsapps.com/start"]   # never contacted; AWS CLIs insist on such a name
region = "us-east-1"

[settings]                      # all have defaults; see `keyfob-simulator --help`
session_duration = "8h"
refresh_tokens = "rotate"

[accounts.111111111111]
name = "Development"
email = "dev@example.com"

[accounts.222222222222]
name = "Production"
email = "prod@example.com"

[accounts.333333333333]         # neither name nor e-mail: it happens

[permission_sets]               # how long their role credentials live; real ones: 1 to 12 hours
AdministratorAccess = "1h"
ReadOnly = "12h"
ShortLived = "20s"

[users.alice.assignments]
111111111111 = ["AdministratorAccess", "ReadOnly", "ShortLived"]
222222222222 = ["ReadOnly", "ShortLived"]
333333333333 = []               # listed, without a role

[users.bob.assignments]
222222222222 = ["AdministratorAccess"]

[iam_roles."arn:aws:iam::222222222222:role/Deployer"]     # for AssumeRole
trusts = ["AdministratorAccess"]
duration = "1h"
"""


def example() -> Scenario:
    """The scenario that is used where none is named: `EXAMPLE`."""
    return parse(EXAMPLE)


def load(path: Path) -> Scenario:
    """Read a scenario file; raises ScenarioProblem, or OSError."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (ScenarioProblem, UnicodeDecodeError) as problem:
        raise ScenarioProblem(f"{path}: {problem}") from problem


def parse(text: str) -> Scenario:
    """A scenario from TOML; raises ScenarioProblem."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ScenarioProblem(str(problem)) from problem
    return from_document(document)


def from_document(document: Mapping[str, Any]) -> Scenario:
    """A scenario from the same document in any other dress, such as JSON; raises ScenarioProblem."""
    _known("the scenario", document, {field.name for field in dataclasses.fields(Scenario)})
    accounts = {id_: _account(id_, found) for id_, found in _table("accounts", document).items()}
    sets = {n: _permission_set(n, found) for n, found in _table("permission_sets", document).items()}
    users = {name: _user(name, found, accounts, sets) for name, found in _table("users", document).items()}
    settings = Settings().changed(_table("settings", document))
    if settings.warm_user is not None and settings.warm_user not in users:
        raise ScenarioProblem(f"settings.warm_user: there is no user {settings.warm_user!r}")
    return Scenario(
        accounts=accounts,
        permission_sets=sets,
        users=users,
        iam_roles={arn: _iam_role(arn, found, sets) for arn, found in _table("iam_roles", document).items()},
        start_urls=_start_urls(document),
        region=_string("region", document.get("region", "us-east-1")),
        settings=settings,
    )


def as_document(scenario: Scenario) -> dict[str, Any]:
    """What `from_document` makes the same scenario of."""
    accounts = scenario.accounts.values()
    return {
        "start_urls": list(scenario.start_urls),
        "region": scenario.region,
        "settings": dataclasses.asdict(scenario.settings),
        "accounts": {a.account_id: _present({"name": a.name, "email": a.email}) for a in accounts},
        "permission_sets": {each.name: each.duration for each in scenario.permission_sets.values()},
        "users": {
            user.name: {
                "assignments": {account_id: list(roles) for account_id, roles in user.assignments.items()},
                "disabled": user.disabled,
            }
            for user in scenario.users.values()
        },
        "iam_roles": {
            role.arn: _present(
                {"trusts": list(role.trusts), "duration": role.duration, "external_id": role.external_id}
            )
            for role in scenario.iam_roles.values()
        },
    }


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _start_urls(document: Mapping[str, Any]) -> tuple[str, ...]:
    found = document.get("start_urls", ["https://d-1234567890.awsapps.com/start"])
    urls = _names("start_urls", found)
    if not urls or not all(url.startswith("https://") for url in urls):
        raise ScenarioProblem("start_urls must be at least one https:// address (AWS CLIs refuse others)")
    return urls


def _account(account_id: str, found: Any) -> Account:
    if not re.fullmatch(r"[0-9]{12}", account_id):
        raise ScenarioProblem(f"accounts.{account_id}: an account id has twelve digits")
    where = f"accounts.{account_id}"
    _known(where, found, {"name", "email"})
    return Account(
        account_id, *(_string(f"{where}.{key}", found[key]) if key in found else None for key in ("name", "email"))
    )


def _permission_set(name: str, found: Any) -> PermissionSet:
    where = f"permission_sets.{name}"
    if isinstance(found, dict):
        _known(where, found, {"duration"})
        found = found.get("duration", 3600)
    return PermissionSet(name, seconds(where, found))


def _user(name: str, found: Any, accounts: Mapping[str, Account], sets: Mapping[str, PermissionSet]) -> User:
    where = f"users.{name}"
    _known(where, found, {"assignments", "disabled"})
    assignments = {}
    for account_id, listed in _table("assignments", found).items():
        _known(f"{where}.assignments", {account_id: listed}, set(accounts))
        roles = _names(f"{where}.assignments.{account_id}", listed)
        _known(f"{where}.assignments.{account_id}", dict.fromkeys(roles), set(sets))
        assignments[account_id] = roles
    return User(name, assignments, bool(found.get("disabled", False)))


def _iam_role(arn: str, found: Any, sets: Mapping[str, PermissionSet]) -> IamRole:
    where = f"iam_roles.{arn}"
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", arn):
        raise ScenarioProblem(f"{where}: not the ARN of a role")
    _known(where, found, {"trusts", "duration", "external_id"})
    trusts = _names(f"{where}.trusts", found.get("trusts", []))
    _known(f"{where}.trusts", dict.fromkeys(trusts), set(sets))
    return IamRole(arn, trusts, seconds(f"{where}.duration", found.get("duration", 3600)), found.get("external_id"))


def _table(name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    found = document.get(name, {})
    if not isinstance(found, dict):
        raise ScenarioProblem(f"{name} must be a table")
    return found


def _names(name: str, found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ScenarioProblem(f"{name} must be a list of names")
    return tuple(found)


def _string(name: str, found: Any) -> str:
    if not isinstance(found, str) or not found:
        raise ScenarioProblem(f"{name} must be text")
    return found


def _known(where: str, found: Any, names: set[str]) -> None:
    if not isinstance(found, dict):
        raise ScenarioProblem(f"{where} must be a table")
    unknown = sorted(str(name) for name in found if name not in names)
    if unknown:
        raise ScenarioProblem(f"{where}: {unknown[0]!r} is not one of {', '.join(sorted(names)) or 'none'}")
