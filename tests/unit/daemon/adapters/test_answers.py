"""How long what arrives will live, by whose clock."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest

from keyfobd.adapters.answers import (
    LONGEST_ROLE_CREDENTIALS,
    Answer,
    NoSense,
    accounts,
    device_authorization,
    registration,
    role_credentials,
    role_names,
    server_wall,
    tokens,
)
from keyfobd.core.model import Account, Instant, Registration, SsoRole

HERE = Instant(1_790_000_000.0, 50.0)
ROLE = SsoRole("dev", "111122223333", "Admin")
REGISTRATION = Registration("id", "secret", 2_000_000_000, "device")


def credentials(expiration: float, server: float = HERE.wall) -> Any:
    found = {
        "accessKeyId": "ASIA",
        "secretAccessKey": "secret",
        "sessionToken": "token",
        "expiration": int(expiration * 1000),
    }
    return role_credentials(Answer({"roleCredentials": found}, HERE, server), ROLE)


def device(**changes: Any) -> Answer:
    members = {
        "deviceCode": "code",
        "userCode": "BCDF-GHJK",
        "verificationUri": "https://d-1.awsapps.com/start/#/device",
        "verificationUriComplete": "https://d-1.awsapps.com/start/#/device?user_code=BCDF-GHJK",
        "expiresIn": 600,
        "interval": 1,
    }
    return Answer(members | changes, HERE, HERE.wall)


def test_the_date_of_an_answer_is_the_server_s_time_at_the_end_of_that_second() -> None:
    assert server_wall(formatdate(1_800_000_000.9, usegmt=True), own=5.0) == 1_800_000_001


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Foo 2026 25:61:61 GMT", "0", "\x00"])
def test_without_a_date_that_is_one_our_own_time_counts(date: str | None) -> None:
    assert server_wall(date, own=5.0) == 5.0


@pytest.mark.parametrize("ahead", [-7200.0, 0.0, 7200.0])
def test_a_wrong_clock_here_shortens_and_lengthens_nothing(ahead: float) -> None:
    found = credentials(HERE.wall + ahead + 3600, server=HERE.wall + ahead)
    assert found.lifetime == 3600
    assert found.expiration == HERE.wall + ahead + 3600  # as issued
    assert found.fetched == HERE


def test_a_date_from_long_ago_does_not_make_credentials_live_longer() -> None:
    assert credentials(HERE.wall + 3600, server=0.0).lifetime == 3600


def test_credentials_that_outlive_every_permission_set_make_no_sense() -> None:
    assert credentials(HERE.wall + LONGEST_ROLE_CREDENTIALS).lifetime == LONGEST_ROLE_CREDENTIALS
    with pytest.raises(NoSense, match="expiration"):
        credentials(HERE.wall + LONGEST_ROLE_CREDENTIALS + 1)


def test_credentials_that_have_expired_by_the_server_s_own_clock_make_no_sense() -> None:
    with pytest.raises(NoSense, match="expiration"):
        credentials(HERE.wall, server=HERE.wall)


def test_a_poll_interval_that_is_not_named_is_five_seconds() -> None:
    assert device_authorization(device(interval=None)).interval == 5.0


@pytest.mark.parametrize(("named", "used"), [(0, 1.0), (-3, 1.0), (1, 1.0), (7, 7.0), (10**9, 60.0)])
def test_a_poll_interval_is_kept_within_reason(named: float, used: float) -> None:
    assert device_authorization(device(interval=named)).interval == used


def test_without_a_complete_page_the_plain_one_is_shown() -> None:
    found = device_authorization(device(verificationUriComplete=None))
    assert found.verification_uri_complete == found.verification_uri


@pytest.mark.parametrize("name", ["deviceCode", "userCode", "verificationUri", "expiresIn"])
def test_a_device_authorization_needs_all_its_members(name: str) -> None:
    with pytest.raises(NoSense, match=name):
        device_authorization(device(**{name: None}))


def test_a_page_on_this_machine_may_be_plain_http() -> None:
    page = "http://127.0.0.1:8080/device"
    assert device_authorization(device(verificationUri=page)).verification_uri == page


@pytest.mark.parametrize("page", ["https://", "https://[::1", "https://x/\n--flag", "HTTP://example.com"])
def test_a_page_that_is_no_url_is_refused(page: str) -> None:
    with pytest.raises(NoSense, match="verificationUri"):
        device_authorization(device(verificationUri=page))


@pytest.mark.parametrize("expires_at", [HERE.wall, 0, None, "2000000000", HERE.wall + 11 * 365 * 86400])
def test_a_registration_without_a_sensible_end_is_none(expires_at: object) -> None:
    members = {"clientId": "id", "clientSecret": "secret", "clientSecretExpiresAt": expires_at}
    with pytest.raises(NoSense, match="clientSecretExpiresAt"):
        registration(Answer(members, HERE, HERE.wall), "pkce")


def test_a_first_sign_in_may_be_without_a_refresh_token() -> None:
    found = tokens(Answer({"accessToken": "a", "expiresIn": 28800}, HERE, HERE.wall), REGISTRATION)
    assert (found.refresh_token, found.lifetime) == (None, 28800)


@pytest.mark.parametrize("token", ["two\nlines", "a blank", "é", "\x1b[2J", "\x00"])
def test_a_token_that_no_header_can_carry_makes_no_sense(token: str) -> None:
    with pytest.raises(NoSense, match="accessToken"):
        tokens(Answer({"accessToken": token, "expiresIn": 60}, HERE, HERE.wall), REGISTRATION)


def test_accounts_without_name_or_with_one_for_no_terminal_are_listed_all_the_same() -> None:
    found = [
        {"accountId": "1", "accountName": "Prod ünd", "emailAddress": "a@example.com"},
        {"accountId": "2", "accountName": "\x1b[2J", "emailAddress": None},
        {"accountId": "3"},
    ]
    assert accounts(Answer({"accountList": found, "nextToken": "more"}, HERE, HERE.wall)) == (
        (Account("1", "Prod ünd", "a@example.com"), Account("2"), Account("3")),
        "more",
    )


@pytest.mark.parametrize("found", ["text", {"accountId": "1"}, [5], [{"accountName": "x"}], [{"accountId": 5}]])
def test_a_list_of_anything_but_accounts_makes_no_sense(found: object) -> None:
    with pytest.raises(NoSense, match=r"accountList|accountId"):
        accounts(Answer({"accountList": found}, HERE, HERE.wall))


@pytest.mark.parametrize("found", ["text", [{"roleName": "\x1b[2J"}], [{"roleName": None}]])
def test_a_list_of_anything_but_roles_makes_no_sense(found: object) -> None:
    with pytest.raises(NoSense, match=r"roleList|roleName"):
        role_names(Answer({"roleList": found}, HERE, HERE.wall))


def test_an_absent_list_is_empty() -> None:
    assert accounts(Answer({}, HERE, HERE.wall)) == ((), None)
    assert role_names(Answer({"roleList": None, "nextToken": None}, HERE, HERE.wall)) == ((), None)


def test_nothing_secret_is_in_the_repr_of_what_arrived() -> None:
    found = tokens(
        Answer({"accessToken": "s3cret", "expiresIn": 60, "refreshToken": "s3cret"}, HERE, 0.0), REGISTRATION
    )
    assert "s3cret" not in repr(found)
    assert "secret" not in repr(REGISTRATION).replace("client_secret", "")
    assert "s3cret" not in repr(Answer({"accessToken": "s3cret"}, HERE, 0.0))
