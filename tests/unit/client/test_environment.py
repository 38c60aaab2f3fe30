"""What a child or a shell sets and unsets, what would beat the endpoint, and what the daemon is given."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob import aws_config, environment, wire
from keyfob.environment import TOKEN, TOKEN_FILE, URL, Change
from support.fake_daemon import CREDENTIALS, ENV

ANSWER = cast("wire.EnvAnswer", ENV)


def for_endpoint(*, region: str = "", token_in: str = "both") -> Change:
    return environment.for_endpoint(ANSWER, {}, region=region, token_in=token_in, instead={})


def test_the_endpoint_and_who_one_is_are_set() -> None:
    change = for_endpoint()
    assert change.set == {
        URL: ENV["url"],
        TOKEN: ENV["token"],
        TOKEN_FILE: ENV["token_file"],
        "KEYFOB_ROLE": "ReadOnly@Sandbox",
        "KEYFOB_SESSION": "work",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


@pytest.mark.parametrize(("token_in", "unset"), [("variable", TOKEN_FILE), ("file", TOKEN)])
def test_the_token_goes_where_it_is_wanted_and_is_not_left_where_it_is_not(token_in: str, unset: str) -> None:
    change = for_endpoint(token_in=token_in)
    assert unset in change.unset
    assert {TOKEN, TOKEN_FILE} - set(change.set) == {unset}


def test_every_other_identity_is_unset() -> None:
    others = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
              "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION", "AWS_PROFILE",
              "AWS_DEFAULT_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
              "AWS_ACCESS_KEY", "AWS_SECRET_KEY"}  # fmt: skip
    assert others <= set(for_endpoint().unset)


@pytest.mark.parametrize(
    ("typed", "of_profile", "expected"),
    [
        ("eu-west-1", "us-east-1", "eu-west-1"),
        ("", "us-east-1", "us-east-1"),
        ("", None, None),
    ],
)
def test_the_region_is_the_one_typed_else_the_profiles_else_the_shells_own(
    typed: str, of_profile: str | None, expected: str | None
) -> None:
    answer = cast("wire.EnvAnswer", ENV | {"region": of_profile})
    environ = {"AWS_REGION": "own", "AWS_DEFAULT_REGION": "another"}
    change = environment.for_endpoint(answer, environ, region=typed, token_in="both", instead={})
    assert (change.set.get("AWS_REGION"), change.set.get("AWS_DEFAULT_REGION")) == (expected, expected)
    assert not {"AWS_REGION", "AWS_DEFAULT_REGION"} & set(change.unset)


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_a_region_that_the_shell_has_under_one_name_counts_for_every_tool(name: str) -> None:
    environ = {"AWS_REGION": "", "AWS_DEFAULT_REGION": "", name: "eu-west-1"}
    keys = cast("wire.CredentialProcessAnswer", CREDENTIALS)
    for change in (
        environment.for_endpoint(ANSWER, environ, region="", token_in="both", instead={}),
        environment.for_keys(ANSWER, keys, environ, region=""),
    ):
        assert (change.set["AWS_REGION"], change.set["AWS_DEFAULT_REGION"]) == ("eu-west-1", "eu-west-1")


def test_what_is_set_instead_of_default_is_not_unset() -> None:
    change = environment.for_endpoint(ANSWER, {}, region="", token_in="both", instead={"AWS_PROFILE": "dev"})
    assert change.set["AWS_PROFILE"] == "dev"
    assert "AWS_PROFILE" not in change.unset


def test_plain_keys_come_with_their_end_and_without_the_endpoint() -> None:
    change = environment.for_keys(ANSWER, cast("wire.CredentialProcessAnswer", CREDENTIALS), {}, region="eu-west-1")
    assert change.set == {
        "AWS_ACCESS_KEY_ID": "ASIAMADEUP",
        "AWS_SECRET_ACCESS_KEY": "made/up+secret",
        "AWS_SESSION_TOKEN": "made-up-session",
        "AWS_CREDENTIAL_EXPIRATION": "2026-11-23T14:00:00Z",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "KEYFOB_ROLE": "ReadOnly@Sandbox",
        "KEYFOB_SESSION": "work",
    }
    assert {URL, TOKEN, TOKEN_FILE, "AWS_PROFILE"} <= set(change.unset)


@pytest.mark.parametrize(
    ("environ", "upper", "lower"),
    [
        ({}, "127.0.0.1,localhost", "127.0.0.1,localhost"),
        ({"NO_PROXY": "corp"}, "corp,127.0.0.1,localhost", "corp,127.0.0.1,localhost"),
        ({"no_proxy": "corp, localhost"}, "corp,localhost,127.0.0.1", "corp,localhost,127.0.0.1"),
        ({"NO_PROXY": "a", "no_proxy": "b"}, "a,127.0.0.1,localhost", "b,127.0.0.1,localhost"),
    ],
)
def test_no_proxy_gains_the_loopback_names_and_loses_nothing(environ: dict[str, str], upper: str, lower: str) -> None:
    assert environment.no_proxy(environ) == {"NO_PROXY": upper, "no_proxy": lower}


@given(st.dictionaries(st.sampled_from(["NO_PROXY", "no_proxy"]), st.text(alphabet="ab., ", max_size=8)))
def test_no_proxy_twice_is_no_proxy_once(environ: dict[str, str]) -> None:
    once = environment.no_proxy(environ)
    assert environment.no_proxy(once) == once


def test_a_child_has_what_is_set_and_nothing_that_is_unset() -> None:
    change = Change({"A": "new", "B": "2"}, ["C"])
    assert change.applied_to({"A": "old", "C": "3", "D": "4"}) == {"A": "new", "B": "2", "D": "4"}


def test_clearing_undoes_all_that_env_sets() -> None:
    managed = for_endpoint(region="eu-west-1").applied_to({"PATH": "/bin"})
    assert environment.clearing(managed, {}).applied_to(managed) == {"PATH": "/bin"}


def test_clearing_leaves_what_may_be_the_shells_own() -> None:
    own = {"AWS_REGION": "eu-west-1", "NO_PROXY": "corp,127.0.0.1,localhost", "AWS_CONFIG_FILE": "/mine"}
    assert environment.clearing(own, {}).applied_to(own) == own


def test_clearing_puts_the_files_back_that_stand_ins_replaced() -> None:
    before: dict[str, str | None] = {"AWS_CONFIG_FILE": "/mine", "AWS_SHARED_CREDENTIALS_FILE": None}
    change = environment.clearing({}, before)
    assert change.set == {"AWS_CONFIG_FILE": "/mine"}
    assert "AWS_SHARED_CREDENTIALS_FILE" in change.unset


@pytest.mark.parametrize(
    "key",
    ["aws_access_key_id", "credential_process", "role_arn", "web_identity_token_file", "sso_session", "sso_start_url",
     "sso_account_id", "sso_role_name", "login_session"],
)  # fmt: skip
def test_a_default_profile_that_yields_credentials_would_win(key: str) -> None:
    config = aws_config.parse(f"[default]\nregion = x\n{key} = y\n")
    (found,) = environment.what_would_win("/c", config, credentials=False)
    assert str(found) == f"[default] in /c has {key} (line 3)"


@pytest.mark.parametrize(
    ("text", "credentials", "wins"),
    [
        ("[default]\nregion = x\noutput = json\n", False, False),
        ("[profile dev]\nrole_arn = x\n", False, False),
        ('[profile "default"]\nrole_arn = x\n', False, True),
        ("[default]\naws_access_key_id = x\n", True, True),
        ("[profile default]\naws_access_key_id = x\n", True, False),
    ],
)
def test_nothing_else_would_win(text: str, credentials: bool, wins: bool) -> None:
    assert bool(environment.what_would_win("/c", aws_config.parse(text), credentials=credentials)) == wins


@pytest.mark.parametrize(
    ("own", "of_daemon", "differ"),
    [
        ({}, {}, []),
        ({"HTTPS_PROXY": "http://p"}, {"HTTPS_PROXY": "http://p"}, []),
        ({"HTTPS_PROXY": "http://u:secret@p"}, {"HTTPS_PROXY": "http://***@p"}, []),
        ({"HTTPS_PROXY": "http://p", "AWS_CA_BUNDLE": "/ca"}, {}, ["HTTPS_PROXY", "AWS_CA_BUNDLE"]),
        ({}, {"AWS_ENDPOINT_URL_SSO": "http://127.0.0.1:1"}, ["AWS_ENDPOINT_URL_SSO"]),
        ({"NO_PROXY": "corp,127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}, {"NO_PROXY": "corp"}, []),
        ({"NO_PROXY": "corp"}, {"NO_PROXY": "other"}, ["NO_PROXY"]),
        ({}, {"setting:proxy": "http://p"}, []),
    ],
)
def test_a_client_knows_in_what_its_network_differs(
    own: dict[str, str], of_daemon: dict[str, str], differ: list[str]
) -> None:
    assert environment.network_differs(own, of_daemon) == differ


def test_the_daemon_is_given_its_own_environment() -> None:
    own = {"HOME": "/h", "PATH": "/bin", "LC_ALL": "C", "TZ": "UTC", "XDG_RUNTIME_DIR": "/run/user/1",
           "DBUS_SESSION_BUS_ADDRESS": "unix:x", "DISPLAY": ":0", "https_proxy": "http://p", "SSL_CERT_FILE": "/ca",
           "AWS_CONFIG_FILE": "/c", "AWS_CA_BUNDLE": "/ca", "KEYFOB_ENDPOINT_PORT": "5393",
           "AWS_ENDPOINT_URL_SSO": "http://127.0.0.1:1"}  # fmt: skip
    callers = {"AWS_PROFILE": "missing", "AWS_ENDPOINT_URL": "http://x", "AWS_ACCESS_KEY_ID": "x", "PYTHONPATH": "/x",
               "AWS_SHARED_CREDENTIALS_FILE": "/x", "AWS_REGION": "x", "KEYFOB_ROLE": "x", "KEYFOB_SESSION": "x",
               "LD_PRELOAD": "/x.so", "AWS_ENDPOINT_URL_S3": "http://x", TOKEN: "x"}  # fmt: skip
    assert environment.of_daemon(own | callers) == own
