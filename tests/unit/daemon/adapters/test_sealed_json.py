"""Whatever is sealed comes out as it went in; whatever else comes in is refused as a whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfobd.adapters.sealed_json import decode, encode
from keyfobd.core.model import Account, CatalogueEntry, Instant, Origins, Registration, SealedSession, Session, Tokens

# What UTF-8 can hold: JSON from Identity Center has no lone surrogates, and argv's are no names of AWS's.
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
seconds = st.floats(0, 4e9)
registrations = st.builds(Registration, text, text, st.integers(0, 2**40), st.sampled_from(["pkce", "device"]))
tokens = st.builds(Tokens, text, st.none() | text, registrations, st.builds(Instant, seconds, seconds), seconds)
sessions = st.builds(
    SealedSession,
    st.builds(Session, text, text, text, st.lists(text, max_size=3).map(tuple), st.booleans()),
    st.builds(Origins, text, text),
    st.none() | tokens,
    st.lists(registrations, max_size=2).map(tuple),
    st.lists(
        st.builds(
            CatalogueEntry,
            st.builds(Account, text, st.none() | text, st.none() | text),
            st.lists(text, max_size=3).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
    seconds,
)


@given(st.lists(sessions, max_size=3))
def test_sessions_come_out_as_they_went_in(stored: list[SealedSession]) -> None:
    assert decode(encode(stored)) == tuple(stored)


GOOD: dict[str, Any] = json.loads(
    encode(
        [
            SealedSession(
                Session("dev", "https://d-1.awsapps.com/start", "eu-west-1"),
                Origins("https://a", "https://b"),
                Tokens("a", "r", Registration("i", "s", 5, "pkce"), Instant(1.0, 2.0), 3600.0),
                (Registration("i", "s", 5, "pkce"),),
                (CatalogueEntry(Account("111122223333"), ("Admin",)),),
                1.0,
            )
        ]
    )
)["sessions"][0]


def test_members_that_are_not_known_are_left_out() -> None:
    assert decode(json.dumps({"sessions": [GOOD | {"later": 1}], "more": {}}).encode()) == decode(
        json.dumps({"sessions": [GOOD]}).encode()
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"sessions": 5}',
        b'{"sessions": [5]}',
        b'{"sessions": [[]]}',
        *(json.dumps({"sessions": [GOOD | {name: wrong}]}).encode() for name in GOOD for wrong in ({"x": 1}, [[1]])
          if name != "legacy"),
        *(json.dumps({"sessions": [{k: v for k, v in GOOD.items() if k != name}]}).encode() for name in GOOD),
        json.dumps({"sessions": [GOOD | {"registrations": [GOOD["registrations"][0] | {"flow": "magic"}]}]}).encode(),
        json.dumps({"sessions": [GOOD | {"tokens": GOOD["tokens"] | {"fetched": [1]}}]}).encode(),
    ],
)  # fmt: skip
def test_what_is_no_list_of_sessions_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - JSONDecodeError is one, and the caller catches no other
        decode(content)
