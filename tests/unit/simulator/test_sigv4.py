from __future__ import annotations

import hashlib
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from multidict import CIMultiDict

from identity_center_simulator.errors import StsRefused
from identity_center_simulator.sigv4 import Claim, check_age, claim_of, verify

URL = "http://127.0.0.1:5399/"
BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
SECRET = "made-up-secret"


def signed(
    *, url: str = URL, service: str = "sts", token: str | None = "token", digest: str | None = None
) -> CIMultiDict[str]:
    """The headers of a request as botocore signs and sends it. ``digest``: what they say of the body."""
    headers = {"Host": "127.0.0.1:5399", "Content-Type": "application/x-www-form-urlencoded"}
    if digest is not None:
        headers["X-Amz-Content-SHA256"] = digest
    request = AWSRequest("POST", url, headers=headers, data=BODY)
    SigV4Auth(Credentials("ASIAEXAMPLE", SECRET, token), service, "eu-west-1").add_auth(request)
    return CIMultiDict(request.headers.items())


def outcome(headers: CIMultiDict[str], **instead: Any) -> str:
    """``good``, or the refusal's name."""
    words: dict[str, Any] = {
        "secret": SECRET,
        "method": "POST",
        "url": URL,
        "headers": headers,
        "body": BODY,
        **instead,
    }
    try:
        verify(claim_of(headers), **words)
    except StsRefused as refused:
        return refused.code
    return "good"


def test_what_botocore_signs_is_good() -> None:
    assert outcome(signed()) == "good"
    assert outcome(signed(url=URL + "?a=1&b=%20x"), url=URL + "?a=1&b=%20x") == "good"


@pytest.mark.parametrize(
    "instead",
    [
        {"secret": "other"},
        {"method": "GET"},
        {"url": URL + "?a=1"},
        {"url": URL + "other"},
        {"body": BODY + b"&x=1"},
        {"body": b""},
    ],
)
def test_what_was_changed_after_signing_is_not(instead: dict[str, Any]) -> None:
    assert outcome(signed(), **instead) == "SignatureDoesNotMatch"


@pytest.mark.parametrize("name", ["Host", "X-Amz-Security-Token", "X-Amz-Date"])
def test_nor_what_had_a_signed_header_changed(name: str) -> None:
    headers = signed()
    headers[name] += "0"

    assert outcome(headers) == "SignatureDoesNotMatch"


def test_a_signed_digest_of_the_body_must_be_true() -> None:
    digest = hashlib.sha256(BODY).hexdigest()

    assert outcome(signed(digest=digest)) == "good"
    assert outcome(signed(digest=digest), body=BODY + b"&x=1") == "SignatureDoesNotMatch"


def test_a_body_may_not_stay_unsigned() -> None:
    assert outcome(signed(digest="UNSIGNED-PAYLOAD")) == "SignatureDoesNotMatch"


def test_the_token_must_be_among_what_was_signed() -> None:
    headers = signed(token=None)
    headers["X-Amz-Security-Token"] = "slipped in"

    assert outcome(headers) == "SignatureDoesNotMatch"


def test_a_signature_for_another_service_is_refused() -> None:
    assert outcome(signed(service="s3")) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "MissingAuthenticationToken"),
        ({"Authorization": ""}, "MissingAuthenticationToken"),
        ({"Authorization": "Bearer x"}, "IncompleteSignature"),
        ({"Authorization": "AWS4-HMAC-SHA256 Credential=a/b/c"}, "IncompleteSignature"),
        ({**signed(), "X-Amz-Date": "19990101T000000Z"}, "IncompleteSignature"),
    ],
)
def test_what_is_no_signature_is_called_that(headers: dict[str, str], code: str) -> None:
    with pytest.raises(StsRefused) as caught:
        claim_of(headers)

    assert caught.value.code == code


NOON = 1_704_110_400.0  # 2024-01-01T12:00:00Z


def signed_at(timestamp: str) -> Claim:
    return Claim("ASIAEXAMPLE", "eu-west-1", "sts", (), "", timestamp)


@pytest.mark.parametrize("timestamp", ["20240101T114500Z", "20240101T120000Z", "20240101T121500Z"])
def test_a_signature_is_good_for_a_quarter_of_an_hour_either_way(timestamp: str) -> None:
    check_age(signed_at(timestamp), (NOON, NOON), 900)


@pytest.mark.parametrize(
    ("timestamp", "says"),
    [
        (
            "20240101T114459Z",
            "Signature expired: 20240101T114459Z is now earlier than 20240101T114500Z (20240101T120000Z - 15 min.)",
        ),
        (
            "20240101T121501Z",
            (
                "Signature not yet current: 20240101T121501Z is still later than "
                "20240101T121500Z (20240101T120000Z + 15 min.)"
            ),
        ),
    ],
)
def test_older_and_later_ones_are_refused_in_the_words_of_sts(timestamp: str, says: str) -> None:
    with pytest.raises(StsRefused) as caught:
        check_age(signed_at(timestamp), (NOON, NOON), 900)

    assert (caught.value.status, caught.value.code, caught.value.message) == (403, "SignatureDoesNotMatch", says)


@pytest.mark.parametrize("timestamp", ["20240101T120000Z", "20240101T130000Z", "20240101T140000Z"])
def test_a_moved_clock_lets_programs_sign_by_either_time(timestamp: str) -> None:
    check_age(signed_at(timestamp), (NOON, NOON + 7200), 900)
    check_age(signed_at(timestamp), (NOON + 7200, NOON), 900)


@pytest.mark.parametrize("timestamp", ["20240101", "20240101T990000Z", "20240101T120000Z0"])
def test_a_time_that_is_none_is_refused(timestamp: str) -> None:
    with pytest.raises(StsRefused, match="IncompleteSignature"):
        check_age(signed_at(timestamp), (NOON, NOON), 900)
