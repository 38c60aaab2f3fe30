"""Identity Center's modelled errors: what each means in each operation."""

from __future__ import annotations

from typing import Any

import pytest

from keyfobd.adapters.upstream_errors import SIGN_IN, error_for
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

OTHERS = ("refresh", "role_credentials", "accounts", "account_roles", "logout")


def answer(code: str, status: int = 400) -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": "s3cret"}, "ResponseMetadata": {"HTTPStatusCode": status}}


@pytest.mark.parametrize(
    ("operation", "code", "kind"),
    [
        ("exchange_device_code", "AuthorizationPendingException", SignInPending),
        ("exchange_device_code", "SlowDownException", SignInSlower),
        ("exchange_device_code", "ExpiredTokenException", SignInFailed),
        ("exchange_device_code", "AccessDeniedException", SignInFailed),
        ("exchange_device_code", "InvalidGrantException", GrantRefused),
        ("exchange_code", "InvalidGrantException", GrantRefused),
        ("exchange_code", "SlowDownException", Busy),
        ("start_device_authorization", "InvalidRequestException", SignInFailed),
        ("start_device_authorization", "InvalidClientException", RegistrationGone),
        ("start_device_authorization", "UnauthorizedClientException", RegistrationGone),
        ("register", "InvalidScopeException", SignInFailed),
        ("register", "InvalidRedirectUriException", SignInFailed),
        ("register", "InvalidRequestRegionException", SignInFailed),
        ("refresh", "InvalidGrantException", GrantRefused),
        ("refresh", "ExpiredTokenException", GrantRefused),
        ("refresh", "InvalidClientException", RegistrationGone),
        ("refresh", "SlowDownException", Busy),
        ("refresh", "InvalidRequestException", Unreachable),
        ("refresh", "AccessDeniedException", Unreachable),
        ("role_credentials", "UnauthorizedException", TokenRejected),
        ("role_credentials", "ForbiddenException", NotPermitted),
        ("role_credentials", "ResourceNotFoundException", NotPermitted),
        ("role_credentials", "TooManyRequestsException", Busy),
        ("role_credentials", "InvalidRequestException", Unreachable),
        ("accounts", "UnauthorizedException", TokenRejected),
        ("logout", "UnauthorizedException", TokenRejected),
    ],
)
def test_a_modelled_error_means_one_of_ours(operation: str, code: str, kind: type[KeyfobError]) -> None:
    error = error_for(answer(code), operation)
    assert type(error) is kind
    assert "s3cret" not in str(error)


@pytest.mark.parametrize("operation", OTHERS)
@pytest.mark.parametrize("code", ["TooManyRequestsException", "ThrottlingException", "SlowDownException"])
def test_to_be_asked_for_fewer_calls_is_busy_in_every_operation(operation: str, code: str) -> None:
    assert type(error_for(answer(code), operation)) is Busy


@pytest.mark.parametrize("operation", ["register", "refresh"])
def test_a_code_of_any_length_makes_no_long_message(operation: str) -> None:
    assert len(error_for(answer("x" * 5000), operation).message) < 100


@pytest.mark.parametrize("operation", OTHERS)
@pytest.mark.parametrize("code", ["SomethingNew", "", "400", "AccessDeniedException", "<script>"])
def test_what_is_unknown_signs_nobody_out_and_takes_no_role_away(operation: str, code: str) -> None:
    assert type(error_for(answer(code), operation)) is Unreachable


@pytest.mark.parametrize("operation", SIGN_IN)
def test_what_is_unknown_ends_a_sign_in_and_is_named(operation: str) -> None:
    error = error_for(answer("SomethingNew"), operation)
    assert type(error) is SignInFailed
    assert "SomethingNew" in error.message


@pytest.mark.parametrize("operation", SIGN_IN)
def test_a_refusal_that_is_no_400_does_not_end_a_sign_in(operation: str) -> None:
    assert type(error_for(answer("SomethingNew", 404), operation)) is Unreachable


@pytest.mark.parametrize("response", [{}, {"Error": {}}, {"Error": {"Code": None}}, {"Error": {"Code": 5}}])
def test_an_error_without_a_code_is_unreachable(response: dict[str, Any]) -> None:
    assert type(error_for(response, "refresh")) is Unreachable
