from __future__ import annotations

import base64
import dataclasses
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity_center_simulator.errors import OidcRefused
from identity_center_simulator.sign_ins import (
    AuthorizationCode,
    AuthorizationRequest,
    DeviceAuthorization,
    SignIns,
    challenge_of,
    check_code,
    check_poll,
)

PENDING = DeviceAuthorization("device", "BCDF-GHJK", "client", "https://x/start", expires_at=600)
APPROVED = dataclasses.replace(PENDING, state="approved", session_id="session")
DENIED = dataclasses.replace(PENDING, state="denied")
USED = dataclasses.replace(APPROVED, state="used")
VERIFIER = "v" * 64
REQUEST = AuthorizationRequest("client", "http://127.0.0.1:1/oauth/callback", challenge_of(VERIFIER))
CODE = AuthorizationCode("code", REQUEST, "session", expires_at=300)


def poll(device: DeviceAuthorization, now: float, interval: float | None = None) -> str:
    """The session, or the refusal's name."""
    try:
        return check_poll(device, now, interval)
    except OidcRefused as refused:
        return refused.code


@pytest.mark.parametrize(
    ("device", "now", "outcome"),
    [
        (PENDING, 0, "AuthorizationPendingException"),
        (PENDING, 599.9, "AuthorizationPendingException"),
        (PENDING, 600, "ExpiredTokenException"),
        (APPROVED, 599.9, "session"),
        (APPROVED, 600, "ExpiredTokenException"),
        (DENIED, 1, "AccessDeniedException"),
        (DENIED, 600, "ExpiredTokenException"),
        (USED, 1, "InvalidGrantException"),
        (USED, 600, "InvalidGrantException"),
    ],
)
def test_what_a_poll_meets(device: DeviceAuthorization, now: float, outcome: str) -> None:
    assert poll(device, now) == outcome


@pytest.mark.parametrize(
    ("polls", "gap", "outcome"),
    [
        (0, 0, "AuthorizationPendingException"),
        (1, 0.044, "AuthorizationPendingException"),
        (2, 0.044, "SlowDownException"),
        (2, 0.5, "AuthorizationPendingException"),
        (9, 0.49, "SlowDownException"),
    ],
)
def test_haste_is_met_with_slow_down_from_the_third_poll_on(polls: int, gap: float, outcome: str) -> None:
    device = dataclasses.replace(PENDING, polls=polls, polled_at=100)

    assert poll(device, 100 + gap, interval=1) == outcome


def test_haste_does_not_keep_an_approved_code_from_being_redeemed() -> None:
    assert poll(dataclasses.replace(APPROVED, polls=5, polled_at=100), 100, interval=1) == "session"


@pytest.mark.parametrize(
    ("code", "client", "redirect_uri", "verifier", "now", "outcome"),
    [
        (CODE, "client", REQUEST.redirect_uri, VERIFIER, 299, "session"),
        (CODE, "client", REQUEST.redirect_uri, VERIFIER, 300, "ExpiredTokenException"),
        (CODE, "other", REQUEST.redirect_uri, VERIFIER, 0, "InvalidGrantException"),
        (CODE, "client", "http://127.0.0.1:2/oauth/callback", VERIFIER, 0, "InvalidGrantException"),
        (CODE, "client", REQUEST.redirect_uri, "other", 0, "InvalidGrantException"),
        (dataclasses.replace(CODE, used=True), "client", REQUEST.redirect_uri, VERIFIER, 0, "InvalidGrantException"),
        (None, "client", REQUEST.redirect_uri, VERIFIER, 0, "InvalidGrantException"),
    ],
)
def test_what_a_code_earns(
    code: AuthorizationCode | None, client: str, redirect_uri: str, verifier: str, now: float, outcome: str
) -> None:
    try:
        found = check_code(code, client, redirect_uri, verifier, now)
    except OidcRefused as refused:
        found = refused.code

    assert found == outcome


@pytest.mark.parametrize(
    "verifier", ["v" * 42, "v" * 129, "v" * 63 + "+", "v" * 63 + "é", "v" * 63 + "\n", "\ud800" * 64]
)
def test_a_verifier_that_rfc_7636_does_not_allow_earns_nothing(verifier: str) -> None:
    digest = hashlib.sha256(verifier.encode("utf-8", "surrogatepass")).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    code = dataclasses.replace(CODE, request=dataclasses.replace(REQUEST, code_challenge=challenge))

    with pytest.raises(OidcRefused, match="InvalidGrantException"):
        check_code(code, "client", REQUEST.redirect_uri, verifier, 0)


@pytest.mark.parametrize("verifier", ["v" * 43, "v" * 128, "aZ0-._~" * 7])
def test_any_other_verifier_is_as_good(verifier: str) -> None:
    code = dataclasses.replace(CODE, request=dataclasses.replace(REQUEST, code_challenge=challenge_of(verifier)))

    assert check_code(code, "client", REQUEST.redirect_uri, verifier, 0) == "session"


def test_the_challenge_is_that_of_rfc_7636_appendix_b() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@given(st.text(min_size=1), st.text(min_size=1))
def test_no_verifier_stands_for_another(one: str, other: str) -> None:
    assert (challenge_of(one) == challenge_of(other)) is (one == other)


class TestSignIns:
    def test_a_device_code_yields_its_session_once(self) -> None:
        sign_ins = SignIns()
        device = sign_ins.start_device("client", "https://x/start", 600)
        sign_ins.decide_device(device.device_code, "session")

        assert sign_ins.poll_device(device.device_code, "client", 1, None) == "session"
        with pytest.raises(OidcRefused):
            sign_ins.poll_device(device.device_code, "client", 2, None)

    @pytest.mark.parametrize("typed", ["{}", " {} ", "lower"])
    def test_user_codes_are_found_however_they_are_typed(self, typed: str) -> None:
        sign_ins = SignIns()
        device = sign_ins.start_device("client", "https://x/start", 600)
        code = device.user_code.replace("-", "").lower() if typed == "lower" else typed.format(device.user_code)

        assert sign_ins.waiting_device(code, 599) == device
        assert sign_ins.waiting_device(code, 600) is None

    def test_one_that_was_decided_waits_no_more(self) -> None:
        sign_ins = SignIns()
        device = sign_ins.start_device("client", "https://x/start", 600)
        sign_ins.decide_device(device.device_code, None)

        assert sign_ins.pending(0) == ()
        assert sign_ins.waiting_device(device.user_code, 0) is None

    def test_a_ticket_stands_for_its_subject_once(self) -> None:
        sign_ins = SignIns()
        device = sign_ins.start_device("client", "https://x/start", 600)
        tickets = [sign_ins.ticket_for(device, 0), sign_ins.ticket_for(REQUEST, 0)]

        assert [sign_ins.take_ticket(each, 0) for each in tickets] == [device, REQUEST]
        assert [sign_ins.take_ticket(each, 0) for each in tickets] == [None, None]

    @pytest.mark.parametrize(("now", "subject"), [(1599, REQUEST), (1600, None)])
    def test_a_ticket_lasts_ten_minutes(self, now: float, subject: AuthorizationRequest | None) -> None:
        sign_ins = SignIns()

        assert sign_ins.take_ticket(sign_ins.ticket_for(REQUEST, 1000), now) == subject

    def test_a_ticket_ends_with_its_device_code(self) -> None:
        sign_ins = SignIns()
        device = sign_ins.start_device("client", "https://x/start", 600)

        assert sign_ins.take_ticket(sign_ins.ticket_for(device, 300), 600) is None

    def test_the_second_of_two_open_pages_is_too_late(self) -> None:
        sign_ins = SignIns()
        device = sign_ins.start_device("client", "https://x/start", 600)
        first, second = sign_ins.ticket_for(device, 0), sign_ins.ticket_for(device, 0)
        sign_ins.take_ticket(first, 0)
        sign_ins.decide_device(device.device_code, "session")

        assert sign_ins.take_ticket(second, 0) is None
