from __future__ import annotations

import contextlib
import dataclasses
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from identity_center_simulator import Settings
from identity_center_simulator.clients import DEVICE_CODE, REFRESH_TOKEN, Client
from identity_center_simulator.errors import OidcRefused, PortalRefused
from identity_center_simulator.sessions import (
    AccessToken,
    Grant,
    PortalSession,
    RefreshToken,
    Sessions,
    redeem,
    usable,
)
from identity_center_simulator.settings import RefreshMode

HOUR = 3600.0
CLIENT = Client("client", "secret", "name", frozenset({DEVICE_CODE, REFRESH_TOKEN}), ("scope",), (), 0, 10**9)
OTHER_CLIENT = dataclasses.replace(CLIENT, client_id="other")
LEGACY = dataclasses.replace(CLIENT, scopes=())
SESSION = PortalSession("s", "alice", 0, 8 * HOUR, {})
TOKEN = RefreshToken("r", "s", "client", "family")
REPLACED = dataclasses.replace(TOKEN, replaced_at=100.0)


@pytest.mark.parametrize(
    ("mode", "token", "now", "outcome"),
    [
        ("rotate", TOKEN, 100, "new"),
        ("rotate", REPLACED, 159.9, "new"),
        ("rotate", REPLACED, 160, "refused"),
        ("single-use", TOKEN, 100, "new"),
        ("single-use", REPLACED, 100, "refused"),
        ("none", TOKEN, 100, "same"),
        ("none", REPLACED, 9999, "same"),
        ("omitted", TOKEN, 100, "absent"),
        ("omitted", REPLACED, 9999, "absent"),
        ("kill-family", TOKEN, 100, "new"),
        ("kill-family", REPLACED, 100, "refused-family"),
    ],
)
def test_what_becomes_of_a_refresh_token(mode: RefreshMode, token: RefreshToken, now: float, outcome: str) -> None:
    assert redeem(token, Settings(refresh_tokens=mode, refresh_grace=60), now) == outcome


@pytest.mark.parametrize(
    ("session", "revocation", "now", "works"),
    [
        (SESSION, "immediate", HOUR - 1, True),
        (SESSION, "immediate", HOUR, False),
        (dataclasses.replace(SESSION, ends_at=60), "immediate", 59, True),
        (dataclasses.replace(SESSION, ends_at=60), "immediate", 60, False),
        (dataclasses.replace(SESSION, ends_at=60), "delayed", 60, True),
        (dataclasses.replace(SESSION, ends_at=60), "delayed", HOUR, False),
        (dataclasses.replace(SESSION, signed_out=True), "immediate", 1, False),
        (dataclasses.replace(SESSION, signed_out=True), "delayed", 1, False),
    ],
)
def test_whether_an_access_token_works(session: PortalSession, revocation: Any, now: float, works: bool) -> None:
    token = AccessToken("a", "s", "family", expires_at=HOUR)

    assert usable(token, session, Settings(revocation=revocation), now) is works


def granted(sessions: Sessions, now: float = 0, user: str = "alice", **changes: Any) -> Grant:
    found = Settings(**changes)
    return sessions.grant(sessions.sign_in(user, {}, found, now).id, CLIENT, found, now)


class TestSignIn:
    def test_joins_the_users_live_session_and_its_end(self) -> None:
        sessions = Sessions()

        first = sessions.sign_in("alice", {}, Settings(), 0)
        again = sessions.sign_in("alice", {}, Settings(session_duration=90 * 86400), 7 * HOUR)

        assert again == first

    @pytest.mark.parametrize("how", ["time", "logout", "administrator"])
    def test_begins_a_new_one_when_that_is_over(self, how: str) -> None:
        sessions = Sessions()
        first = sessions.sign_in("alice", {}, Settings(), 0)
        if how == "logout":
            sessions.sign_out(first.id)
        elif how == "administrator":
            sessions.end(1)
        now = 8 * HOUR if how == "time" else 2.0

        assert sessions.sign_in("alice", {}, Settings(), now).id != first.id

    def test_of_another_user_is_another_session(self) -> None:
        sessions = Sessions()

        assert sessions.sign_in("alice", {}, Settings(), 0).id != sessions.sign_in("bob", {}, Settings(), 0).id

    @pytest.mark.parametrize(("cap", "ends"), [(None, 8 * HOUR), (HOUR, HOUR), (90 * 86400, 8 * HOUR)])
    def test_ends_at_the_sooner_of_the_instances_and_the_identity_providers_end(
        self, cap: float | None, ends: float
    ) -> None:
        assert Sessions().sign_in("alice", {}, Settings(identity_provider_cap=cap), 0).ends_at == ends

    def test_yields_nothing_when_the_session_ended_before_the_code_was_redeemed(self) -> None:
        sessions = Sessions()
        session = sessions.sign_in("alice", {}, Settings(), 0)
        sessions.end(1)

        with pytest.raises(OidcRefused, match="InvalidGrantException"):
            sessions.grant(session.id, CLIENT, Settings(), 2)


class TestRefresh:
    def test_is_refused_to_another_client(self) -> None:
        sessions = Sessions()
        token = granted(sessions).refresh_token or ""

        with pytest.raises(OidcRefused, match="InvalidGrantException"):
            sessions.refresh(token, OTHER_CLIENT, Settings(), 1)

    def test_of_an_unknown_token_is_refused_in_the_real_ones_words(self) -> None:
        with pytest.raises(OidcRefused, match="Invalid refresh token provided"):
            Sessions().refresh("unknown", CLIENT, Settings(), 1)

    def test_counts_presentations_whatever_comes_of_them(self) -> None:
        sessions, mode = Sessions(), Settings(refresh_tokens="kill-family")
        token = granted(sessions).refresh_token or ""
        counted = []
        for client in (CLIENT, CLIENT, CLIENT, OTHER_CLIENT):
            counted.append(sessions.present(token))
            with contextlib.suppress(OidcRefused):
                sessions.refresh(token, client, mode, 1)

        assert counted == [1, 2, 3, 4]
        assert sessions.present("unknown") == 1

    def test_after_the_session_does_not_count_as_reuse_of_the_family(self) -> None:
        """A token that only comes too late is no sign of theft."""
        sessions, mode = Sessions(), Settings(refresh_tokens="kill-family", revocation="delayed")
        first = granted(sessions)
        sessions.end(1)

        with pytest.raises(OidcRefused):
            sessions.refresh(first.refresh_token or "", CLIENT, mode, 2)

        assert sessions.check(first.access_token, mode, 2).user == "alice"

    def test_leaves_the_access_token_before_it_alone(self) -> None:
        sessions = Sessions()
        first = granted(sessions)
        sessions.refresh(first.refresh_token or "", CLIENT, Settings(), 1)

        assert sessions.check(first.access_token, Settings(), 2).user == "alice"

    def test_legacy_clients_get_none(self) -> None:
        sessions = Sessions()
        session = sessions.sign_in("alice", {}, Settings(), 0)

        assert sessions.grant(session.id, LEGACY, Settings(), 0).refresh_token is None


class TestEnd:
    def test_takes_live_sessions_only(self) -> None:
        sessions = Sessions()
        alice, bob = sessions.sign_in("alice", {}, Settings(), 0), sessions.sign_in("bob", {}, Settings(), 0)

        assert sessions.end(1, user="alice") == (alice.id,)
        assert sessions.end(2) == (bob.id,)
        assert sessions.end(3) == ()

    def test_knows_whose_a_dead_token_was(self) -> None:
        sessions = Sessions()
        grant = granted(sessions)
        sessions.end(1)

        assert [s.user for s in map(sessions.session_of, (grant.access_token, grant.refresh_token)) if s] == [
            "alice"
        ] * 2
        assert sessions.session_of(None) is None


@given(st.sampled_from(get_args(RefreshMode)), st.lists(st.floats(0.1, 2 * HOUR), max_size=12))
def test_no_way_of_refreshing_outlives_the_session(mode: RefreshMode, gaps: list[float]) -> None:
    sessions, chosen, now = Sessions(), Settings(refresh_tokens=mode), 0.0
    grant = granted(sessions)
    token = grant.refresh_token or ""
    for gap in gaps:
        now += gap
        try:
            grant = sessions.refresh(token, CLIENT, chosen, now)
        except OidcRefused:
            assert now >= 8 * HOUR
            return
        token = grant.refresh_token or token
        assert now < 8 * HOUR
        assert sessions.check(grant.access_token, chosen, now).user == "alice"


class Lineage(RuleBasedStateMachine):
    """With ``kill-family`` there is one good refresh token at a time, or none; each that was replaced kills all."""

    @initialize()
    def sign_in(self) -> None:
        self.sessions = Sessions()
        self.mode = Settings(refresh_tokens="kill-family", session_duration=10**9)
        self.now = 0.0
        self.newest = granted(self.sessions, session_duration=10**9)
        self.replaced: list[str] = []
        self.dead = False

    @rule()
    def refresh_with_the_newest(self) -> None:
        self.now += 1
        token = self.newest.refresh_token or ""
        try:
            self.newest = self.sessions.refresh(token, CLIENT, self.mode, self.now)
        except OidcRefused:
            assert self.dead
            return
        assert not self.dead
        self.replaced.append(token)

    @rule(data=st.data())
    def refresh_with_an_old_one(self, data: st.DataObject) -> None:
        if self.replaced:
            with pytest.raises(OidcRefused):
                self.sessions.refresh(data.draw(st.sampled_from(self.replaced)), CLIENT, self.mode, self.now)
            self.dead = True

    @invariant()
    def access_lives_with_its_family(self) -> None:
        try:
            self.sessions.check(self.newest.access_token, self.mode, self.now)
        except PortalRefused:
            assert self.dead or self.now >= HOUR
        else:
            assert not self.dead


TestLineage = Lineage.TestCase
TestLineage.settings = settings(max_examples=30, stateful_step_count=20)
