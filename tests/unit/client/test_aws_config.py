"""``~/.aws/config``: the same meaning as botocore's, and errors that name the line."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest
from botocore.configloader import build_profile_map, raw_config_parse
from botocore.exceptions import ConfigParseError
from hypothesis import given
from hypothesis import strategies as st

from keyfob import aws_config
from keyfob.aws_config import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
# the usual
[default]
region = eu-west-1

[sso-session my sso]
[sso-session work]
sso_start_url = https://d-1234567890.awsapps.com/start#
sso_region=us-east-1
sso_registration_scopes = sso:account:access, other:scope ,

[profile "with blank"]
sso_session = work
sso_account_id = 111122223333
SSO_Role_Name : ReadOnly
region = us-west-2
s3 =
    addressing_style = path
    ; not this
    max_concurrent_requests=20

[profile old]
sso_start_url = https://old.awsapps.com/start
"""


@pytest.fixture
def config() -> aws_config.Config:
    return aws_config.parse(CONFIG)


def test_profiles_go_by_the_name_without_its_quotes(config: aws_config.Config) -> None:
    assert list(aws_config.profiles(config)) == ["default", "with blank", "old"]


def test_a_profile_knows_its_line_and_its_values(config: aws_config.Config) -> None:
    profile = aws_config.profiles(config)["with blank"]
    assert profile.line == 11
    assert (profile.get("sso_session"), profile.get("sso_role_name"), profile.get("output")) == ("work", "ReadOnly", "")
    assert config.sections['profile "with blank"'].entries["sso_role_name"].line == 14


def test_a_nested_value_can_be_read_on(config: aws_config.Config) -> None:
    entry = config.sections['profile "with blank"'].entries["s3"]
    assert entry.nested() == {"addressing_style": "path", "max_concurrent_requests": "20"}


def test_an_sso_session_has_its_start_url_region_and_scopes(config: aws_config.Config) -> None:
    sessions = aws_config.sso_sessions(config)
    assert list(sessions) == ["work"]  # three words are no name
    work = sessions["work"]
    assert (work.start_url, work.region) == ("https://d-1234567890.awsapps.com/start#", "us-east-1")
    assert work.scopes == ("sso:account:access", "other:scope")


def test_a_profile_with_a_start_url_of_its_own_is_legacy(config: aws_config.Config) -> None:
    found = aws_config.profiles(config)
    assert [name for name, profile in found.items() if profile.legacy] == ["old"]


def test_the_last_of_two_spellings_of_one_profile_counts() -> None:
    parsed = aws_config.parse('[profile a]\nregion = one\n[profile "a"]\nregion = two\n')
    assert aws_config.profiles(parsed)["a"].get("region") == "two"


def test_a_credentials_file_names_its_profiles_as_they_stand() -> None:
    parsed = aws_config.parse("[a b]\naws_access_key_id = x\n")
    assert aws_config.credentials_profiles(parsed)["a b"].get("aws_access_key_id") == "x"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("region = x\n", 1, "section"),
        ("[default\nregion = x\n", 1, "does not end in"),
        ("[default]\n\nregion\n", 3, "key = value"),
        ("[default]\n= x\n", 2, "key = value"),
        ("[default]\r\n[profile a]\r\n[default]\r\n", 3, "line 1"),
        ("[default]\nregion = a\nRegion = b\n", 3, "line 2"),
        ("\ufeff[default]\n", 1, "byte order mark"),
        ("[default]\ns3 =\n  nothing\n", 2, "key = value"),
    ],
)
def test_what_has_no_meaning_is_an_error_with_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        aws_config.parse(text)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("command", "target"),
    [
        ("keyfob credential-process work/111122223333/ReadOnly", "work/111122223333/ReadOnly"),
        ("/opt/my\\ tools/keyfob credential-process 'Read Only@Prod'", "Read Only@Prod"),
        ('"/opt/my tools/keyfob" credential-process --no-start dev', "dev"),
        ("keyfob credential-process --account-id=1 --role-name R", "1/R"),
        ("keyfob credential-process --sso-session s --account-id 1 --role-name R", "s/1/R"),
        ("keyfob credential-process --profile dev", "dev"),
        ("keyfob credential-process", None),
        ("keyfob env dev", None),
        ("notkeyfob credential-process dev", None),
        ("keyfob credential-process 'open", None),
        ("", None),
    ],
)
def test_a_profile_of_keyfobs_own_is_known_by_its_credential_process(command: str, target: str | None) -> None:
    parsed = aws_config.parse(f"[profile p]\ncredential_process = {command}\n")
    assert aws_config.profiles(parsed)["p"].keyfob_target == target


@given(st.text(alphabet="ab'\"\\ \t\n", max_size=12))
def test_words_are_the_shells(text: str) -> None:
    try:
        expected = shlex.split(text)
    except ValueError:
        expected = None
    assert aws_config.words(text) == expected


NAMES = st.sampled_from(["default", "profile a", 'profile "a b"', "profile 'a", "sso-session s", "DEFAULT", "x]y", ""])
WORDS = st.sampled_from(["region", "Region", "s3", "output", "#", ";", "a b", "", "[q]"])
LINES = st.one_of(
    st.builds("[{}]".format, NAMES),
    st.builds("{}{}{}".format, WORDS, st.sampled_from([" = ", "=", ":", " :", " ", ""]), WORDS),
    st.builds("{}{}".format, st.sampled_from([" ", "\t", "  \t", "\u00a0", "\x0c"]), WORDS),
    st.text(alphabet="[]=:#; \tab\u2028\x85", max_size=6),
)
FILES = st.builds(
    lambda lines, end: "".join(line + end for line in lines),
    st.lists(LINES, max_size=10),
    st.sampled_from(["\n", "\r\n", "\r"]),
)


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config") / "config"


@given(text=FILES)
def test_every_file_means_to_us_what_it_means_to_botocore(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", newline="")
    try:
        expected: dict[str, Any] | None = raw_config_parse(str(file))
    except ConfigParseError:
        expected = None
    try:
        found: aws_config.Config | None = aws_config.parse(text)
    except ConfigError:
        found = None
    assert (found is None) == (expected is None)
    if found is None or expected is None:
        return
    assert {name: section.values() for name, section in found.sections.items()} == raw_config_parse(str(file), False)
    assert {name: profile.values for name, profile in aws_config.profiles(found).items()} == (
        build_profile_map(raw_config_parse(str(file), False))["profiles"]
    )
    assert list(aws_config.sso_sessions(found)) == list(build_profile_map(expected)["sso_sessions"])
