"""What a request asks for: the names that the journal and faults use."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from identity_center_simulator import documents

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN = "Unknown"
"""Whatever no service has: a wrong path, a wrong method, no ``Action``."""
WITH_IAM = "CreateTokenWithIAM"
"""It shares its path with CreateToken: ``POST /token?aws_iam=t`` in the service model. Not simulated."""

OIDC = frozenset({"RegisterClient", "StartDeviceAuthorization", "CreateToken", WITH_IAM})
PORTAL = frozenset({"ListAccounts", "ListAccountRoles", "GetRoleCredentials", "Logout"})
STS = frozenset({"GetCallerIdentity", "AssumeRole"})
FEDERATION = frozenset({"GetSigninToken", "Login"})
PAGES = frozenset({"Authorize", "DevicePage", "SignIn"})

NAMES = OIDC | PORTAL | STS | FEDERATION | PAGES | {UNKNOWN}
JSON_ANSWERS = (OIDC | PORTAL | {"GetSigninToken"}) - {"Logout"}
"""Those whose answer has members. STS answers in XML, Logout with nothing, pages are pages."""

_BY_ROUTE = {
    ("POST", "/client/register"): "RegisterClient",
    ("POST", "/device_authorization"): "StartDeviceAuthorization",
    ("POST", "/token"): "CreateToken",
    ("GET", "/authorize"): "Authorize",
    ("GET", "/device"): "DevicePage",
    ("POST", "/sign-in"): "SignIn",
    ("GET", "/assignment/accounts"): "ListAccounts",
    ("GET", "/assignment/roles"): "ListAccountRoles",
    ("GET", "/federation/credentials"): "GetRoleCredentials",
    ("POST", "/logout"): "Logout",
}
"""STS and the console's federation endpoint are named by ``Action`` instead."""


def operation_of(method: str, path: str, parameters: Mapping[str, str]) -> str | None:
    """The name of what a request asks for; None for the control API, which is no part of what is simulated."""
    if path == "/simulator" or path.startswith("/simulator/"):
        return None
    if path in {"/", "/federation"} and parameters.get("Action"):
        return parameters["Action"][:1].upper() + parameters["Action"][1:]
    name = _BY_ROUTE.get(("GET" if method == "HEAD" else method, path), UNKNOWN)
    return WITH_IAM if name == "CreateToken" and parameters.get("aws_iam") == "t" else name


def parameters_of(query: Mapping[str, str], body: bytes) -> dict[str, str]:
    """Everything that a fault can match: the query, and the texts of a JSON or a form body."""
    found = dict(query)
    try:
        members = documents.read(body)
    except ValueError:
        members = dict(parse_qsl(body.decode("utf-8", "replace")))
    if isinstance(members, dict):
        found.update({name: value for name, value in members.items() if isinstance(value, str)})
    return found
