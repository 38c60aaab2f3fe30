"""What no client should send is refused in the words of the service it was sent to."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from support.aws_clients import SignedIn, register
from support.simulator import START_URL, SimulatorProcess, open_url

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN_HEADER = "x-amz-sso_bearer_token"


def answer(
    simulator: SimulatorProcess, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, str, bytes]:
    """Status, error type and body of a refusal."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        open_url(urllib.request.Request(simulator.url + path, body, dict(headers or {})))
    with caught.value as response:
        return response.code, response.headers.get("x-amzn-ErrorType", ""), response.read()


@pytest.mark.parametrize(("path", "body"), [("/", b""), ("/?Action=", None)])
def test_sts_wants_to_be_asked_something(simulator: SimulatorProcess, path: str, body: bytes | None) -> None:
    status, _, document = answer(simulator, path, body)

    assert document.startswith(b"<ErrorResponse")
    assert [call["status"] for call in simulator.journal("Unknown")] == [status]
    assert status in {400, 403}


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b"{", b"\xff", b'{"clientSecret": "\\ud800"}', b'{"x": ' * 100_000 + b"1" + b"}" * 100_000]
)
def test_bodies_that_cannot_be_read_are_invalid_requests(simulator: SimulatorProcess, body: bytes) -> None:
    status, kind, document = answer(simulator, "/token", body)

    assert (status, kind.partition(":")[0]) == (400, "InvalidRequestException")
    assert json.loads(document)["error"] == "invalid_request"
    assert simulator.journal("CreateToken")[0]["status"] == 400


def test_half_a_character_is_no_secret(simulator: SimulatorProcess) -> None:
    words = {**register(simulator.url), "clientSecret": "\ud800", "startUrl": START_URL}

    assert answer(simulator, "/device_authorization", json.dumps(words).encode())[0] == 400


def test_a_start_url_that_is_none_is_not_known(simulator: SimulatorProcess) -> None:
    words = {**register(simulator.url), "startUrl": "https://["}

    status, kind, _ = answer(simulator, "/device_authorization", json.dumps(words).encode())

    assert (status, kind.partition(":")[0]) == (400, "InvalidRequestException")


def test_a_page_size_of_thousands_of_digits_is_beyond_the_limits(simulator: SimulatorProcess, alice: SignedIn) -> None:
    path = f"/assignment/accounts?max_result={'1' * 5000}"

    status, kind, document = answer(simulator, path, headers={TOKEN_HEADER: alice.access_token})

    assert (status, kind) == (400, "InvalidRequestException")
    assert "valid limits of: 1-100" in json.loads(document)["message"]


def test_tokens_that_are_no_text_are_nobodys(simulator: SimulatorProcess) -> None:
    assert answer(simulator, "/assignment/accounts", headers={TOKEN_HEADER: "\xff"})[0] == 401


def test_an_attempt_of_thousands_of_digits_is_the_first(simulator: SimulatorProcess) -> None:
    answer(simulator, "/assignment/accounts", headers={"amz-sdk-request": "attempt=" + "1" * 5000})

    assert simulator.journal("ListAccounts")[0]["attempt"] == 1


def test_tokens_by_iam_are_not_simulated_and_say_so(simulator: SimulatorProcess) -> None:
    body = json.dumps({"clientId": "x", "grantType": "refresh_token", "refreshToken": "y"}).encode()

    status, kind, document = answer(simulator, "/token?aws_iam=t", body)

    assert (status, kind.partition(":")[0]) == (400, "UnsupportedGrantTypeException")
    assert "CreateTokenWithIAM" in json.loads(document)["error_description"]
    assert simulator.journal("CreateToken") == []
    assert simulator.journal("CreateTokenWithIAM")[0]["status"] == 400


def test_a_body_that_is_too_long_is_refused_and_noted(simulator: SimulatorProcess) -> None:
    assert answer(simulator, "/token", b"x" * (1024 * 1024 + 1))[0] == 413

    assert [call["status"] for call in simulator.journal("CreateToken")] == [413]
