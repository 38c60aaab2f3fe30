"""Names, pages, durations and refusals: the small decisions of the services."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity_center_simulator.errors import OidcRefused, PortalRefused, Refused, StsRefused
from identity_center_simulator.operations import operation_of, parameters_of
from identity_center_simulator.portal import page_of
from identity_center_simulator.refusals import make, render
from identity_center_simulator.server import is_loopback
from identity_center_simulator.sts import chained_duration


@pytest.mark.parametrize(
    ("method", "path", "parameters", "name"),
    [
        ("POST", "/token", {}, "CreateToken"),
        ("GET", "/token", {}, "Unknown"),
        ("POST", "/token", {"aws_iam": "t"}, "CreateTokenWithIAM"),
        ("HEAD", "/assignment/accounts", {}, "ListAccounts"),
        ("POST", "/", {"Action": "GetCallerIdentity"}, "GetCallerIdentity"),
        ("GET", "/federation", {"Action": "getSigninToken"}, "GetSigninToken"),
        ("GET", "/federation", {"Action": "login"}, "Login"),
        ("GET", "/", {}, "Unknown"),
        ("GET", "/nothing", {}, "Unknown"),
        ("GET", "/simulator/journal", {}, None),
    ],
)
def test_operations_have_the_names_of_the_service_models(
    method: str, path: str, parameters: dict[str, str], name: str | None
) -> None:
    assert operation_of(method, path, parameters) == name


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"grantType": "refresh_token", "scope": ["x"]}', {"q": "1", "grantType": "refresh_token"}),
        (b"Action=AssumeRole&RoleArn=a%2Fb", {"q": "1", "Action": "AssumeRole", "RoleArn": "a/b"}),
        (b"[1]", {"q": "1"}),
        (b"\xff\xfe", {"q": "1"}),
        (b"", {"q": "1"}),
    ],
)
def test_parameters_are_the_query_and_the_texts_of_any_body(body: bytes, found: dict[str, str]) -> None:
    assert parameters_of({"q": "1"}, body) == found


@given(st.lists(st.integers()), st.integers(1, 100), st.integers(1, 100))
def test_pages_together_are_the_whole_list_and_none_is_too_long(items: list[int], asked: int, most: int) -> None:
    pages, token = [], ""
    while True:
        page, following = page_of(items, {"max_result": str(asked), "next_token": token}, most)
        pages.append(list(page))
        if following is None:
            break
        token = following

    assert [item for page in pages for item in page] == items
    assert all(len(page) == min(asked, most) for page in pages[:-1])


@pytest.mark.parametrize("asked", ["0", "101", "-1", "x", "1.5", ""])
def test_page_sizes_beyond_the_limits_are_refused(asked: str) -> None:
    with pytest.raises(PortalRefused, match="1-100"):
        page_of([1], {"max_result": asked}, 10)


@pytest.mark.parametrize("token", ["x", "b2Zmc2V0Oi0x", "b3RoZXI6MQ==", "é"])
def test_page_tokens_of_nobodys_making_are_refused(token: str) -> None:
    with pytest.raises(PortalRefused):
        page_of([1], {"next_token": token}, 10)


@pytest.mark.parametrize(("asked", "found"), [(None, 1200), ("900", 900), ("3600", 3600)])
def test_an_assumed_role_lives_as_long_as_was_asked_within_the_limits(asked: str | None, found: float) -> None:
    assert chained_duration(asked, 1200) == found


@pytest.mark.parametrize("asked", ["899", "3601", "-900", "long"])
def test_other_durations_are_refused(asked: str) -> None:
    with pytest.raises(StsRefused, match="ValidationError"):
        chained_duration(asked, 1200)


@pytest.mark.parametrize(
    ("operation", "code", "kind", "status"),
    [
        ("CreateToken", "InvalidClientException", OidcRefused, 401),
        ("CreateToken", "InvalidGrantException", OidcRefused, 400),
        ("CreateToken", "InvalidRequestRegionException", OidcRefused, 400),
        ("GetRoleCredentials", "TooManyRequestsException", PortalRefused, 429),
        ("GetRoleCredentials", "SomethingNew", PortalRefused, 500),
        ("AssumeRole", "AccessDenied", StsRefused, 403),
        ("AssumeRole", "InternalFailure", StsRefused, 500),
    ],
)
def test_an_ordered_refusal_is_of_the_operations_own_service(
    operation: str, code: str, kind: type[Refused], status: int
) -> None:
    found = make(operation, code, None, None)

    assert (type(found), found.code, found.status) == (kind, code, status)
    assert render(found).status == status


def test_an_ordered_refusal_may_have_another_status() -> None:
    assert render(make("CreateToken", "InvalidGrantException", 503, None)).status == 503


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],  # noqa: S104 - asked about
)
def test_loopback_is_told_from_the_rest(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
