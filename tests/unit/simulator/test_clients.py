from __future__ import annotations

from typing import Any

import pytest

from identity_center_simulator import Settings
from identity_center_simulator.clients import (
    AUTHORIZATION_CODE,
    DEVICE_CODE,
    REFRESH_TOKEN,
    Client,
    Clients,
    redirect_allowed,
    requested_grants,
)
from identity_center_simulator.errors import OidcRefused

NOW = 1_800_000_000.0


def registered(clients: Clients, **members: Any) -> Client:
    return clients.register({"clientName": "a", "clientType": "public", **members}, Settings(), "us-east-1", NOW)


def refusal_of(clients: Clients, *words: Any) -> str:
    with pytest.raises(OidcRefused) as caught:
        clients.check(*words)
    return caught.value.code


def test_without_grant_types_a_client_is_for_device_codes_and_refreshing() -> None:
    assert requested_grants({}, Settings()) == {DEVICE_CODE, REFRESH_TOKEN}


@pytest.mark.parametrize(
    ("scopes", "grants", "refreshable"),
    [
        ([], None, False),
        (["sso:account:access"], None, True),
        (["sso:account:access"], [DEVICE_CODE], False),
        (["sso:account:access"], [DEVICE_CODE, REFRESH_TOKEN], True),
        ([], [DEVICE_CODE, REFRESH_TOKEN], False),
    ],
)
def test_refresh_tokens_need_scopes_and_the_grant(
    scopes: list[str], grants: list[str] | None, refreshable: bool
) -> None:
    assert registered(Clients(), scopes=scopes, grantTypes=grants).refreshable is refreshable


def test_a_client_is_known_by_both_words_until_its_last_second() -> None:
    clients = Clients()
    one = registered(clients)

    assert clients.check(one.client_id, one.client_secret, one.expires_at - 1) == one
    assert refusal_of(clients, one.client_id, one.client_secret, one.expires_at) == "InvalidClientException"
    assert refusal_of(clients, one.client_id, "other", NOW) == "InvalidClientException"
    assert refusal_of(clients, one.client_id, None, NOW) == "InvalidClientException"
    assert refusal_of(clients, ["x"], one.client_secret, NOW) == "InvalidClientException"


def test_one_registration_can_be_forgotten_and_another_kept() -> None:
    clients = Clients()
    one, other = registered(clients), registered(clients)

    clients.forget(one.client_id)
    clients.forget("unknown")

    assert (clients.find(one.client_id, NOW), clients.find(other.client_id, NOW)) == (None, other)


@pytest.mark.parametrize("members", [{"scopes": "text"}, {"scopes": [1]}, {"redirectUris": {}}, {"clientType": None}])
def test_members_of_the_wrong_kind_are_refused(members: dict[str, Any]) -> None:
    with pytest.raises(OidcRefused):
        registered(Clients(), **members)


MISLEADING = [
    "http://evil.example\\@127.0.0.1/oauth/callback",
    "http://user@127.0.0.1/oauth/callback",
    "http://user:word@127.0.0.1:1/oauth/callback",
    "http://127.0.0.1:65536/oauth/callback",
    "http://127.0.0.1:port/oauth/callback",
    "http://127.0.0.1:/oauth/callback",
    "http://127.0.0.1/oauth/callback#",
    "http://127.0.0.1/oauth/callback?",
    "http://127.0.0.1/oauth/callback\r\nX: y",
    "http://127.0.0.1/oauth/callback\n",
    " http://127.0.0.1/oauth/callback",
    "http://127.0.0.1/oauth\\callback",
    "http://127.0.0.1/oauth/\u00e7allback",
    "http://[",
]
"""Addresses that one program or another reads as something else than the loopback address."""


@pytest.mark.parametrize("uri", MISLEADING)
@pytest.mark.parametrize("rule", ["strict", "relaxed"])
def test_misleading_redirect_addresses_are_neither_registered_nor_redirected_to(uri: str, rule: str) -> None:
    settings = Settings().changed({"redirect_uris": rule})
    members = {"clientName": "a", "clientType": "public", "redirectUris": [uri]}

    with pytest.raises(OidcRefused) as caught:
        Clients().register(members, settings, "us-east-1", NOW)

    assert caught.value.code == "InvalidRedirectUriException"
    assert not redirect_allowed(("http://127.0.0.1/oauth/callback", uri), uri)


@pytest.mark.parametrize("path", ["", "/", "/other/path%20here"])
def test_relaxed_any_path_of_the_loopback_address_can_be_registered(path: str) -> None:
    settings = Settings().changed({"redirect_uris": "relaxed"})
    uri = f"http://127.0.0.1{path}"
    members = {"clientName": "a", "clientType": "public", "redirectUris": [uri]}

    assert Clients().register(members, settings, "us-east-1", NOW).redirect_uris == (uri,)
    assert redirect_allowed((uri,), f"http://127.0.0.1:49152{path}")


@pytest.mark.parametrize(
    ("wanted", "allowed"),
    [
        ("http://127.0.0.1/oauth/callback", True),
        ("http://127.0.0.1:1/oauth/callback", True),
        ("http://127.0.0.1:65535/oauth/callback", True),
        ("http://127.0.0.1:1/oauth/callback/", False),
        ("http://127.0.0.1:1/oauth/callback?x=1", False),
        ("http://127.0.0.1:1/oauth/callback#x", False),
        ("http://localhost:1/oauth/callback", False),
        ("https://127.0.0.1:1/oauth/callback", False),
        ("http://127.0.0.1.example.com/oauth/callback", False),
        ("http://127.0.0.1@example.com/oauth/callback", False),
        ("", False),
    ],
)
def test_of_a_redirect_address_the_port_alone_is_free(wanted: str, allowed: bool) -> None:
    assert redirect_allowed(("http://127.0.0.1/oauth/callback",), wanted) is allowed


def test_an_authorization_code_client_needs_an_address_and_an_issuer() -> None:
    words = {"grantTypes": [AUTHORIZATION_CODE], "redirectUris": ["http://127.0.0.1/oauth/callback"]}

    with pytest.raises(OidcRefused):
        registered(Clients(), **words)
    assert registered(Clients(), **words, issuerUrl="https://d-1.awsapps.com/start").redirect_uris


def test_secrets_stay_out_of_the_repr() -> None:
    one = registered(Clients())

    assert one.client_secret not in repr(one)
