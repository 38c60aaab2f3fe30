"""What the three services answer when they refuse, each in its own dress."""

from __future__ import annotations

from typing import ClassVar


class Refused(Exception):
    """A refusal, with the name an SDK knows it by."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code, message)
        self.status = status
        self.code = code
        self.message = message


class OidcRefused(Refused):
    """From SSO OIDC: the exception's name travels in a header, the OAuth code and its description in the body."""

    ERRORS: ClassVar[dict[str, tuple[int, str, str]]] = {
        "AccessDeniedException": (400, "access_denied", "Access denied"),
        "AuthorizationPendingException": (400, "authorization_pending", "Authorization is still pending"),
        "ExpiredTokenException": (400, "expired_token", "Token has expired"),
        "InternalServerException": (500, "server_error", "Internal server error"),
        "InvalidClientException": (401, "invalid_client", "Invalid client provided"),
        "InvalidClientMetadataException": (400, "invalid_client_metadata", "Invalid client metadata provided"),
        "InvalidGrantException": (400, "invalid_grant", "Invalid grant provided"),
        "InvalidRedirectUriException": (400, "invalid_redirect_uri", "Invalid redirect URI provided"),
        "InvalidRequestException": (400, "invalid_request", "Invalid request"),
        "InvalidScopeException": (400, "invalid_scope", "Invalid scope provided"),
        "SlowDownException": (400, "slow_down", "Slow down"),
        "UnauthorizedClientException": (400, "unauthorized_client", "Client is not authorized for this grant"),
        "UnsupportedGrantTypeException": (400, "unsupported_grant_type", "Unsupported grant type"),
    }

    def __init__(self, code: str, description: str | None = None) -> None:
        status, self.error, usual = self.ERRORS[code]
        super().__init__(status, code, usual if description is None else description)


class PortalRefused(Refused):
    """From the portal: ``message`` and ``__type`` in the body."""


class StsRefused(Refused):
    """From STS: an XML document."""


def session_not_found() -> PortalRefused:
    """What the portal says of a token that is missing, unknown, expired or revoked alike."""
    return PortalRefused(401, "UnauthorizedException", "Session token not found or invalid")


def no_access() -> PortalRefused:
    """What the portal says of an account or a role that one is not assigned to. Not in the service model, but real."""
    return PortalRefused(403, "ForbiddenException", "No access")


def too_many_requests() -> PortalRefused:
    """The front layer's throttle, whose text is odd and real."""
    return PortalRefused(429, "TooManyRequestsException", "HTTP 429 Unknown Code")
