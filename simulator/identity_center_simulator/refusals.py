"""From a refusal to the response that its service gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from identity_center_simulator import oidc, operations, portal, sts
from identity_center_simulator.errors import OidcRefused, PortalRefused, Refused, StsRefused

if TYPE_CHECKING:
    from aiohttp import web

_PORTAL_STATUS = {
    "ForbiddenException": 403,
    "InvalidRequestException": 400,
    "ResourceNotFoundException": 404,
    "TooManyRequestsException": 429,
    "UnauthorizedException": 401,
}


def render(refused: Refused) -> web.Response:
    match refused:
        case OidcRefused():
            return oidc.refusal(refused)
        case PortalRefused():
            return portal.refusal(refused)
        case StsRefused():
            return sts.refusal(refused)
        case _:
            raise TypeError(f"{type(refused).__name__} is of no service")


def unexpected(operation: str) -> web.Response:
    """What the operation's service says when it has failed itself."""
    code = "InternalServerException" if operation in operations.OIDC | operations.PORTAL else "InternalFailure"
    return render(make(operation, code, 500, None))


def make(operation: str, code: str, status: int | None, message: str | None) -> Refused:
    """A refusal that an operation's service could give."""
    if operation in operations.OIDC:
        # One that this API has not, or not here (InvalidRequestRegionException): the general 400 under that name.
        refused = OidcRefused(code if code in OidcRefused.ERRORS else "InvalidRequestException", message)
        refused.code, refused.status = code, status or refused.status
        return refused
    if operation in operations.PORTAL:
        return PortalRefused(status or _PORTAL_STATUS.get(code, 500), code, message or "")
    return StsRefused(status or (500 if code.startswith("Internal") else 403), code, message or "")
