"""Signing in, step by step, without a network."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfobd.core.authorization import (
    ENTROPY,
    Ended,
    Exchange,
    Poll,
    SignedIn,
    after_exchange,
    after_poll,
    authorize_url,
    first_poll,
    pkce,
)
from keyfobd.core.errors import (
    Busy,
    GrantRefused,
    KeyfobError,
    RegistrationGone,
    SignInFailed,
    SignInPending,
    SignInSlower,
    Unreachable,
)
from keyfobd.core.model import DeviceAuthorization, Instant, Registration, Session, Tokens

NOW = Instant(1_790_000_000.0, 5_000.0)
REGISTRATION = Registration("client", "secret", 1_800_000_000, "pkce")
TOKENS = Tokens("access", "refresh", REGISTRATION, NOW, 3600.0)
DEVICE = DeviceAuthorization("device", "BCDF-GHJK", "https://x.test", "https://x.test?user_code=BCDF-GHJK", 600.0, 1.0)


def later(seconds: float) -> Instant:
    return Instant(NOW.wall + seconds, NOW.boot + seconds)


def test_the_challenge_is_the_hash_of_the_verifier() -> None:
    secrets = pkce(bytes(range(ENTROPY)))
    digest = hashlib.sha256(secrets.verifier.encode()).digest()
    assert secrets.challenge == base64.urlsafe_b64encode(digest).decode().rstrip("=")


@given(st.binary(min_size=ENTROPY, max_size=ENTROPY))
def test_verifier_and_state_fit_the_standard(entropy: bytes) -> None:
    secrets = pkce(entropy)
    assert 43 <= len(secrets.verifier) <= 128  # RFC 7636 §4.1
    assert all(c.isascii() and (c.isalnum() or c in "-._~") for c in secrets.verifier + secrets.state)
    assert secrets.state != secrets.verifier or entropy[:32] == entropy[32:]


def test_too_little_chance_is_refused() -> None:
    with pytest.raises(ValueError, match="64 random bytes"):
        pkce(b"short")


def test_secrets_are_not_in_the_repr() -> None:
    secrets = pkce(bytes(ENTROPY))
    assert secrets.verifier not in repr(secrets)


def test_the_authorize_url_has_the_members_the_aws_cli_sends() -> None:
    session = Session("dev", "https://d-1234567890.awsapps.com/start", "eu-west-1", ("sso:account:access", "x"))
    secrets = pkce(bytes(ENTROPY))
    url = urlsplit(
        authorize_url(
            "https://oidc.test/authorize", session, REGISTRATION, "http://127.0.0.1:1/oauth/callback", secrets
        )
    )
    assert (url.scheme, url.netloc, url.path) == ("https", "oidc.test", "/authorize")
    assert parse_qs(url.query, strict_parsing=True) == {
        "response_type": ["code"],
        "client_id": ["client"],
        "redirect_uri": ["http://127.0.0.1:1/oauth/callback"],
        "state": [secrets.state],
        "code_challenge_method": ["S256"],
        "scopes": ["sso:account:access x"],
        "code_challenge": [secrets.challenge],
    }


def test_a_lost_exchange_is_tried_three_times_in_all() -> None:
    first = after_exchange(Exchange(), Unreachable("reset"))
    assert first == Exchange(tries=2, after=1.0)
    second = after_exchange(first, Unreachable("reset"))
    assert second == Exchange(tries=3, after=2.0)
    assert isinstance(second, Exchange)
    assert isinstance(after_exchange(second, Unreachable("reset")), Ended)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (GrantRefused("x"), SignInFailed),
        (SignInFailed("denied"), SignInFailed),
        (RegistrationGone("x"), RegistrationGone),
    ],
)
def test_a_refused_exchange_ends_the_sign_in(answer: KeyfobError, error: type[KeyfobError]) -> None:
    step = after_exchange(Exchange(), answer)
    assert isinstance(step, Ended)
    assert isinstance(step.error, error)


def test_an_exchange_that_yields_tokens_is_the_end() -> None:
    assert after_exchange(Exchange(), TOKENS) == SignedIn(TOKENS)


def test_polling_goes_on_at_the_named_pace_while_nobody_has_approved() -> None:
    first = first_poll(DEVICE, NOW)
    assert first.after == 1.0
    step = after_poll(first, SignInPending("x"), later(1))
    assert isinstance(step, Poll)
    assert step.after == 1.0


def test_each_slow_down_adds_five_seconds_for_good() -> None:
    step: Poll | SignedIn | Ended = first_poll(DEVICE, NOW)
    for answer in (SignInSlower("x"), SignInSlower("x"), SignInPending("x")):
        assert isinstance(step, Poll)
        step = after_poll(step, answer, later(1))
    assert isinstance(step, Poll)
    assert step.after == 11.0


def test_an_unanswered_poll_does_not_end_the_sign_in() -> None:
    step: Poll | SignedIn | Ended = first_poll(DEVICE, NOW)
    pauses = []
    for answer in [Unreachable("x"), Busy("x"), Unreachable("x"), Unreachable("x"), Unreachable("x")]:
        assert isinstance(step, Poll)
        step = after_poll(step, answer, later(1))
        assert isinstance(step, Poll)
        pauses.append(step.after)
    assert pauses == [1, 2, 4, 8, 10]
    assert isinstance(step, Poll)
    assert after_poll(step, TOKENS, later(30)) == SignedIn(TOKENS)


def test_nobody_polls_beyond_the_end_of_the_code() -> None:
    step = after_poll(first_poll(DEVICE, NOW), SignInPending("x"), later(599.5))
    assert isinstance(step, Ended)
    assert "expired" in step.error.message


@pytest.mark.parametrize("answer", [SignInFailed("denied"), GrantRefused("x"), RegistrationGone("x")])
def test_a_refusal_ends_the_polling(answer: KeyfobError) -> None:
    assert isinstance(after_poll(first_poll(DEVICE, NOW), answer, later(1)), Ended)


answers = st.sampled_from([SignInPending("x"), SignInSlower("x"), Unreachable("x"), Busy("x")])


@given(st.lists(answers, max_size=700))
def test_every_polling_ends_by_itself_and_never_polls_faster_than_told(given_answers: list[KeyfobError]) -> None:
    step: Poll | SignedIn | Ended = first_poll(DEVICE, NOW)
    passed = 0.0
    for answer in given_answers:
        if not isinstance(step, Poll):
            return
        assert step.after >= step.authorization.interval
        passed += step.after
        step = after_poll(step, answer, later(passed))
    assert passed <= DEVICE.lifetime
