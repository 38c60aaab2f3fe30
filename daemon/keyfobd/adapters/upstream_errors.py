"""Identity Center's modelled errors as ours. Pure; no text of the server's is repeated, since it may hold anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyfobd.core.errors import (
    Busy,
    GrantRefused,
    KeyfobError,
    NotPermitted,
    RegistrationGone,
    SignInFailed,
    SignInPending,
    SignInSlower,
    TokenRejected,
    Unreachable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGN_IN = ("register", "start_device_authorization", "exchange_device_code", "exchange_code")

_ALWAYS: dict[str, tuple[type[KeyfobError], str]] = {
    "UnauthorizedException": (TokenRejected, "The portal does not know the access token (any more, or yet)."),
    # 403 "No access" is in no model, and is what everybody gets for a role that is not assigned.
    "ForbiddenException": (NotPermitted, "Identity Center says: no access."),
    "ResourceNotFoundException": (NotPermitted, "Identity Center says: no such account or role."),
    "InvalidGrantException": (GrantRefused, "Identity Center does not take the refresh token or code (any more)."),
    "InvalidClientException": (RegistrationGone, "Identity Center does not know the client registration (any more)."),
    # A registration made for another grant: a new one mends it.
    "UnauthorizedClientException": (RegistrationGone, "The client registration is not for this kind of sign-in."),
    "TooManyRequestsException": (Busy, "Identity Center asks for fewer calls."),
    "ThrottlingException": (Busy, "Identity Center asks for fewer calls."),
    "SlowDownException": (Busy, "Identity Center asks for fewer calls."),
}
_IN_SIGN_IN: dict[str, tuple[type[KeyfobError], str]] = {
    "AuthorizationPendingException": (SignInPending, "The sign-in is not yet approved."),
    "AccessDeniedException": (SignInFailed, "The sign-in was denied."),
    "ExpiredTokenException": (SignInFailed, "The sign-in was not finished in time: its code has expired."),
    "InvalidRequestException": (SignInFailed, "Identity Center refused the sign-in: are start URL and region right?"),
    "InvalidRequestRegionException": (SignInFailed, "Identity Center is not in this region: is sso_region right?"),
    "InvalidScopeException": (SignInFailed, "Identity Center refused the scopes: mend sso_registration_scopes."),
}


def error_for(response: Mapping[str, Any], operation: str) -> KeyfobError:
    """The error for an answer of 400 or more, by its modelled code; ``operation`` is one of ours. Anything unknown is
    Unreachable, for nothing unknown may sign anybody out or take a role away."""
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if operation == "exchange_device_code" and code == "SlowDownException":
        return SignInSlower("Identity Center asks to poll more slowly.")
    if operation == "refresh" and code == "ExpiredTokenException":
        return GrantRefused("The refresh token has expired.")
    known = _ALWAYS.get(code) or (_IN_SIGN_IN.get(code) if operation in SIGN_IN else None)
    if known:
        kind, message = known
        return kind(message)
    named = f" {code}" if code.isascii() and code.isalnum() and len(code) < 60 else ""
    if operation in SIGN_IN and status == 400:
        return SignInFailed(f"Identity Center refused the sign-in ({status}{named}).")
    return Unreachable(f"Identity Center refused the request ({status}{named}).")
