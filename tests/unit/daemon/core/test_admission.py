"""The gate of the endpoint: which raw requests pass, and what the others are told."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keyfobd.core.admission import (
    UNKNOWN_PEER,
    Admitted,
    Health,
    Own,
    Reason,
    Refusal,
    RequestFacts,
    admit,
    refuse_peer,
)
from keyfobd.core.model import ChainedRole, EndpointToken, SsoRole

UID, PORT = 1000, 5393
OWN = Own(uid=UID, port=PORT, peer_check=True)
TEXT = b"kfb_" + b"A" * 43
OTHER_TEXT = b"kfb_" + b"B" * 43
ROLE = SsoRole("my-sso", "111111111111", "Admin_Access")
OTHER_ROLE = SsoRole("my-sso", "222222222222", "ReadOnly")
PATH = b"/role/my-sso/111111111111/Admin_5fAccess"
OTHER_PATH = b"/role/my-sso/222222222222/ReadOnly"


class Table:
    """The endpoint tokens in force, by digest."""

    def __init__(self, tokens: dict[bytes, tuple[SsoRole | ChainedRole, ...]]) -> None:
        self._tokens = {}
        for text, roles in tokens.items():
            digest = hashlib.sha256(text).digest()
            self._tokens[digest] = EndpointToken(text[-4:].decode(), digest, "standing", "test", roles, 0)

    def find(self, digest: bytes) -> EndpointToken | None:
        return self._tokens.get(digest)


TABLE = Table({TEXT: (ROLE, ChainedRole("deploy")), OTHER_TEXT: (OTHER_ROLE,)})
HOST = (b"Host", b"127.0.0.1:5393")
AUTHORIZATION = (b"Authorization", TEXT)
GOOD = RequestFacts(UID, (1, 1), "GET", PATH, (HOST, AUTHORIZATION))


def with_headers(*headers: tuple[bytes, bytes]) -> RequestFacts:
    return replace(GOOD, headers=headers)


def and_header(name: bytes, value: bytes = b"x") -> RequestFacts:
    return with_headers(HOST, AUTHORIZATION, (name, value))


PASSING = {
    "as most SDKs ask": GOOD,
    "Host without the port, as the CRT has it": with_headers((b"Host", b"127.0.0.1"), AUTHORIZATION),
    "header names in lower case, as C++ and Rust have them": with_headers(
        (b"host", b"127.0.0.1:5393"), (b"authorization", TEXT)
    ),
    "blanks around the token": with_headers(HOST, (b"Authorization", b" \t" + TEXT + b" ")),
    "Content-Length: 0": and_header(b"Content-Length", b"0"),
    "headers that say nothing here": and_header(b"Accept-Encoding", b"identity"),
    "keep-alive asked for, as JS does": and_header(b"Connection", b"keep-alive"),
}


@pytest.mark.parametrize("facts", PASSING.values(), ids=PASSING.keys())
def test_a_request_an_sdk_makes_is_admitted_for_its_role(facts: RequestFacts) -> None:
    decision = admit(facts, TABLE, OWN)
    assert isinstance(decision, Admitted)
    assert decision.role == ROLE
    assert decision.token.digest == hashlib.sha256(TEXT).digest()


def test_one_token_opens_each_of_its_roles() -> None:
    decision = admit(replace(GOOD, target=b"/profile/deploy"), TABLE, OWN)
    assert isinstance(decision, Admitted)
    assert decision.role == ChainedRole("deploy")


REFUSED: dict[str, tuple[RequestFacts, int, Reason]] = {
    "another user": (replace(GOOD, peer_uid=1001), 403, "peer"),
    "root": (replace(GOOD, peer_uid=0), 403, "peer"),
    "nobody knows who": (replace(GOOD, peer_uid=None), 403, "unknown-peer"),
    "HTTP/1.0": (replace(GOOD, version=(1, 0)), 403, "version"),
    "HTTP/0.9": (replace(GOOD, version=(0, 9)), 403, "version"),
    "HTTP/1.2": (replace(GOOD, version=(1, 2)), 403, "version"),
    "HTTP/2": (replace(GOOD, version=(2, 0)), 403, "version"),
    "OPTIONS, as a browser asks first": (replace(GOOD, method="OPTIONS"), 403, "method"),
    "POST": (replace(GOOD, method="POST"), 403, "method"),
    "HEAD": (replace(GOOD, method="HEAD"), 403, "method"),
    "TRACE": (replace(GOOD, method="TRACE"), 403, "method"),
    "get in lower case": (replace(GOOD, method="get"), 403, "method"),
    "no Host": (with_headers(AUTHORIZATION), 403, "host"),
    "two Hosts, both good": (with_headers(HOST, HOST, AUTHORIZATION), 403, "host"),
    "two Hosts, good then evil": (with_headers(HOST, (b"Host", b"evil.test"), AUTHORIZATION), 403, "host"),
    "two Hosts, evil then good": (with_headers((b"Host", b"evil.test"), HOST, AUTHORIZATION), 403, "host"),
    "no token": (with_headers(HOST), 401, "no-token"),
    "an empty token": (with_headers(HOST, (b"Authorization", b" ")), 401, "no-token"),
    "the token twice": (with_headers(HOST, AUTHORIZATION, AUTHORIZATION), 401, "no-token"),
    "good and bad token": (with_headers(HOST, AUTHORIZATION, (b"Authorization", b"x")), 401, "no-token"),
    "bad and good token": (with_headers(HOST, (b"Authorization", b"x"), AUTHORIZATION), 401, "no-token"),
    "a made-up token": (with_headers(HOST, (b"Authorization", b"kfb_" + b"C" * 43)), 401, "unknown-token"),
    "a scheme before the token": (with_headers(HOST, (b"Authorization", b"Bearer " + TEXT)), 401, "unknown-token"),
    "bytes that are no text": (with_headers(HOST, (b"Authorization", b"\xff\xfe")), 401, "unknown-token"),
    "a token and a line break": (with_headers(HOST, (b"Authorization", TEXT + b"\n")), 401, "unknown-token"),
    "a token and a NUL": (with_headers(HOST, (b"Authorization", TEXT + b"\0")), 401, "unknown-token"),
    "a token in other case": (with_headers(HOST, (b"Authorization", TEXT.upper())), 401, "unknown-token"),
    "another token's role": (replace(GOOD, target=OTHER_PATH), 403, "target"),
    "a role nobody has": (replace(GOOD, target=b"/role/a/1/b"), 403, "target"),
    "no role": (replace(GOOD, target=b"/"), 403, "target"),
    "a query": (replace(GOOD, target=PATH + b"?"), 403, "target"),
    "a fragment": (replace(GOOD, target=PATH + b"#"), 403, "target"),
    "a slash more at the end": (replace(GOOD, target=PATH + b"/"), 403, "target"),
    "a slash more at the start": (replace(GOOD, target=b"/" + PATH), 403, "target"),
    "absolute form": (replace(GOOD, target=b"http://127.0.0.1:5393" + PATH), 403, "target"),
    "absolute form of health": (replace(GOOD, target=b"http://127.0.0.1:5393/healthz"), 403, "target"),
    "percent-encoded": (replace(GOOD, target=PATH.replace(b"A", b"%41")), 403, "target"),
    "by way of a parent": (replace(GOOD, target=b"/x/.." + PATH), 403, "target"),
    "by way of an encoded parent": (replace(GOOD, target=b"/x/%2e%2e" + PATH), 403, "target"),
    "hex in upper case": (replace(GOOD, target=PATH.replace(b"_5f", b"_5F")), 403, "target"),
    "an underscore as itself": (replace(GOOD, target=PATH.replace(b"_5f", b"_")), 403, "target"),
    "a body": (and_header(b"Content-Length", b"1"), 403, "body"),
    "a body of +0": (and_header(b"Content-Length", b"+0"), 403, "body"),
    "a body of 00": (and_header(b"Content-Length", b"00"), 403, "body"),
    "two lengths": (with_headers(HOST, AUTHORIZATION, *[(b"Content-Length", b"0")] * 2), 403, "body"),
}
HOSTS = (
    b"",
    b"localhost",
    b"localhost:5393",
    b"127.0.0.1:5394",
    b"127.0.0.1:",
    b"127.0.0.1:05393",
    b"127.0.0.1.:5393",
    b"127.0.0.1.evil.test",
    b"127.evil.test:5393",
    b"127.1:5393",
    b"2130706433:5393",
    b"0x7f.1:5393",
    b"0.0.0.0:5393",
    b"127.0.0.2:5393",
    b"[::1]:5393",
    b"[::ffff:127.0.0.1]:5393",
    b"user@127.0.0.1:5393",
    b"127.0.0.1:5393@evil.test",
    b"127.0.0.1:5393, evil.test",
    b"127.0.0.1:5393/",
    b" 127.0.0.1:5393",
    "１２７.0.0.1:5393".encode(),
)
FORBIDDEN_HEADERS = (
    b"Transfer-Encoding",
    b"transfer-encoding",
    b"Expect",
    b"Origin",
    b"ORIGIN",
    b"Referer",
    b"Sec-Fetch-Site",
    b"sec-fetch-mode",
    b"Sec-Fetch-Dest",
    b"Access-Control-Request-Method",
    b"Access-Control-Request-Private-Network",
    b"Access-Control-Allow-Origin",
    b"X-Forwarded-For",
    b"Forwarded",
    b"Via",
    b"Upgrade",
)
REFUSED |= {f"Host: {host!r}": (with_headers((b"Host", host), AUTHORIZATION), 403, "host") for host in HOSTS}
REFUSED |= {f"{name.decode()}": (and_header(name), 403, "header") for name in FORBIDDEN_HEADERS}


@pytest.mark.parametrize(("facts", "status", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_everything_else_is_refused(facts: RequestFacts, status: int, reason: Reason) -> None:
    decision = admit(facts, TABLE, OWN)
    assert isinstance(decision, Refusal)
    assert (decision.status, decision.reason) == (status, reason)


@pytest.mark.parametrize("name", FORBIDDEN_HEADERS)
def test_an_empty_forbidden_header_is_forbidden_too(name: bytes) -> None:
    assert isinstance(admit(and_header(name, b""), TABLE, OWN), Refusal)


def test_health_needs_no_token_and_is_told_nothing_else() -> None:
    facts = replace(with_headers(HOST), target=b"/healthz")
    assert admit(facts, TABLE, OWN) == Health()
    assert admit(facts, Table({}), OWN) == Health()


@pytest.mark.parametrize(
    "facts",
    [
        replace(GOOD, target=b"/healthz", peer_uid=1001),
        replace(GOOD, target=b"/healthz", method="POST"),
        replace(with_headers((b"Host", b"evil.test")), target=b"/healthz"),
        replace(and_header(b"Origin"), target=b"/healthz"),
        replace(GOOD, target=b"/healthz/"),
    ],
)
def test_health_passes_the_same_gate(facts: RequestFacts) -> None:
    assert isinstance(admit(facts, TABLE, OWN), Refusal)


def test_without_a_peer_check_the_token_alone_is_the_gate() -> None:
    own = replace(OWN, peer_check=False)
    assert isinstance(admit(replace(GOOD, peer_uid=None), TABLE, own), Admitted)
    assert isinstance(admit(replace(GOOD, peer_uid=None, headers=(HOST,)), TABLE, own), Refusal)


def test_a_peer_known_to_be_another_is_refused_even_where_the_check_is_said_not_to_work() -> None:
    assert refuse_peer(1001, replace(OWN, peer_check=False)) is not None


def test_an_unknown_peer_is_a_stranger_to_root_too() -> None:
    assert refuse_peer(None, Own(uid=0, port=PORT, peer_check=True)) is UNKNOWN_PEER


def test_a_table_that_returns_the_wrong_token_does_not_admit() -> None:
    class Confused:
        def find(self, digest: bytes) -> EndpointToken | None:
            assert digest
            return TABLE.find(hashlib.sha256(OTHER_TEXT).digest())

    decision = admit(replace(GOOD, target=OTHER_PATH), Confused(), OWN)
    assert isinstance(decision, Refusal)
    assert decision.reason == "unknown-token"


def test_every_refusal_is_a_line_of_prose_that_ends_in_a_command() -> None:
    refusals = [admit(facts, TABLE, OWN) for facts, _, _ in REFUSED.values()]
    for refusal in refusals:
        assert isinstance(refusal, Refusal)
        text = f"{refusal.message} {refusal.hint}"
        assert re.search(r"keyfob (env TARGET|status)\W*$", text), text
        assert text.isprintable()
    assert {refusal.reason for refusal in refusals if isinstance(refusal, Refusal)} == set(get_args(Reason)) - {"parse"}


def test_a_refusal_names_no_role_and_repeats_nothing_of_the_request() -> None:
    for facts, _, _ in REFUSED.values():
        text = repr(admit(facts, TABLE, OWN))
        for word in ("my-sso", "111111111111", "Admin", "222222222222", "ReadOnly", "kfb_", "evil", "deploy"):
            assert word not in text


def test_facts_show_nothing_of_themselves() -> None:
    assert "kfb_" not in repr(GOOD)


# --- hostile requests by the thousand, against a restatement of the rules that shares no code with them -------------


def plainly_admissible(facts: RequestFacts) -> bool:
    """Design §7, said once more in the dullest way."""
    names = [name.lower() for name, _ in facts.headers]
    values = {name.lower(): value for name, value in facts.headers}
    for name in names:
        if name.decode("latin-1") in [
            "transfer-encoding",
            "expect",
            "origin",
            "referer",
            "x-forwarded-for",
            "forwarded",
            "via",
            "upgrade",
        ]:
            return False
        if name[:10] == b"sec-fetch-" or name[:15] == b"access-control-":
            return False
    if names.count(b"host") != 1 or names.count(b"authorization") != 1 or names.count(b"content-length") > 1:
        return False
    if values.get(b"content-length", b"0") != b"0":
        return False
    if values[b"host"] != b"127.0.0.1" and values[b"host"] != b"127.0.0.1:5393":
        return False
    token = values[b"authorization"].strip(b" \t")
    return (
        facts.peer_uid == UID
        and facts.version == (1, 1)
        and facts.method == "GET"
        and (
            (token == TEXT and facts.target in (PATH, b"/profile/deploy"))
            or (token == OTHER_TEXT and facts.target == OTHER_PATH)
        )
    )


header_names = st.sampled_from(
    [
        b"Host",
        b"host",
        b"Authorization",
        b"AUTHORIZATION",
        b"Content-Length",
        b"Accept",
        b"User-Agent",
        *FORBIDDEN_HEADERS,
    ]
) | st.binary(min_size=1, max_size=12)
header_values = st.sampled_from(
    [TEXT, OTHER_TEXT, b" " + TEXT, b"Bearer " + TEXT, b"127.0.0.1", b"127.0.0.1:5393", b"0", b"", *HOSTS]
) | st.binary(max_size=20)
extra_headers = st.lists(st.tuples(header_names, header_values), max_size=3)


@st.composite
def requests(draw: st.DrawFn) -> RequestFacts:
    """A good request with up to a few things wrong: pure noise would never come near the gate."""
    headers = [
        (
            draw(st.sampled_from([b"Host", b"hOST"])),
            draw(st.sampled_from([b"127.0.0.1:5393", b"127.0.0.1"]) | header_values),
        ),
        (b"Authorization", draw(st.sampled_from([TEXT, OTHER_TEXT]) | header_values)),
        *draw(extra_headers),
    ]
    for _ in range(draw(st.sampled_from([0, 0, 0, 1]))):
        headers.pop(draw(st.integers(0, len(headers) - 1)))
    return RequestFacts(
        peer_uid=draw(st.sampled_from([UID, UID, UID, None, 0, 1001, 65534])),
        version=draw(st.sampled_from([(1, 1), (1, 1), (1, 1), (1, 0), (0, 9), (2, 0)])),
        method=draw(st.sampled_from(["GET", "GET", "GET", "POST", "get", "OPTIONS", "GET "])),
        target=draw(
            st.sampled_from([PATH, PATH, OTHER_PATH, b"/profile/deploy", b"/healthz"]) | st.binary(max_size=30)
        ),
        headers=tuple(draw(st.permutations(headers))),
    )


@given(requests())
@example(GOOD)
def test_nothing_is_admitted_but_what_the_rules_allow_and_all_of_that_is(facts: RequestFacts) -> None:
    decision = admit(facts, TABLE, OWN)
    assert isinstance(decision, Admitted) == plainly_admissible(facts)
    if isinstance(decision, Admitted):
        assert decision.role in decision.token.roles


@given(st.integers(0, len(TEXT) * 8 - 1))
def test_a_token_with_one_bit_turned_is_unknown(bit: int) -> None:
    turned = bytearray(TEXT)
    turned[bit // 8] ^= 1 << bit % 8
    assert isinstance(admit(with_headers(HOST, (b"Authorization", bytes(turned))), TABLE, OWN), Refusal)
