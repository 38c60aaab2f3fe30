"""What the person's config file says of sessions and roles."""

from __future__ import annotations

import pytest

from keyfob import aws_config
from keyfobd.core.errors import AmbiguousTarget, ConfigProblem, UnknownTarget
from keyfobd.core.model import Session, SsoRole
from keyfobd.core.profiles import known, problems_of, profiles_of_role, sessions_of
from keyfobd.core.targets import session_named
from support.known import CONFIG, EVERYTHING


def test_sessions_are_the_sections_and_the_legacy_ones_by_their_first_label() -> None:
    assert sessions_of(aws_config.parse(CONFIG)) == (
        Session("corp", "https://d-1234567890.awsapps.com/start", "us-east-1", ("sso:account:access", "other:scope")),
        Session("lab/two", "https://lab.awsapps.com/start/", "eu-west-1"),
        Session("d-1234567890", "https://d-1234567890.awsapps.com/start#", "us-east-1", legacy=True),
    )


def test_legacy_sessions_that_would_share_a_name_are_numbered() -> None:
    text = """
[sso-session d-1]
sso_start_url = https://x.awsapps.com/start
sso_region = us-east-1
[profile a]
sso_start_url = https://d-1.awsapps.com/start
sso_region = us-east-1
[profile b]
sso_start_url = https://d-1.awsapps.com/start
sso_region = eu-west-1
[profile c]
sso_start_url = https://d-1.awsapps.com/start/
sso_region = us-east-1
"""
    everything = known(aws_config.parse(text), {})
    assert [session.name for session in everything.sessions] == ["d-1", "d-1-2", "d-1-3"]
    assert session_named("a", everything) == session_named("c", everything) == session_named("d-1-2", everything)
    assert session_named("b", everything).name == "d-1-3"


@pytest.mark.parametrize(
    "section",
    [
        "[sso-session x]\nsso_region = us-east-1\n",
        "[sso-session x]\nsso_start_url = https://d-1.awsapps.com/start\n",
        "[profile x]\nsso_start_url = https://d-1.awsapps.com/start\n",
        "[profile x]\nsso_start_url = nonsense\nsso_region = us-east-1\n",
        "[profile x]\nsso_start_url = https://[\nsso_region = us-east-1\n",
    ],
)
def test_what_lacks_a_start_url_or_region_is_no_session(section: str) -> None:
    config = aws_config.parse(section)
    assert sessions_of(config) == ()


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("corp", "corp"), ("lab/two", "lab/two"), ("dev", "corp"), ("adopted", "corp"), ("halfway", "corp"),
        ("old", "d-1234567890"), ("older", "d-1234567890"),
    ],
)  # fmt: skip
def test_a_session_goes_by_its_own_name_and_by_its_profiles(word: str, name: str) -> None:
    assert session_named(word, EVERYTHING).name == name


def test_a_name_that_is_both_is_a_session_first_in_login_and_a_profile_first_in_a_target() -> None:
    config = aws_config.parse(CONFIG + "[profile corp]\nsso_session = lab/two\n")
    both = known(config, {})
    assert session_named("corp", both).name == "corp"
    assert session_named("corp", both, first="profile").name == "lab/two"


def test_the_only_session_needs_no_name() -> None:
    config = aws_config.parse(
        "[sso-session one]\nsso_start_url = https://x.awsapps.com/start\nsso_region = eu-west-1\n"
    )
    assert session_named(None, known(config, {})).name == "one"
    with pytest.raises(AmbiguousTarget) as caught:
        session_named(None, EVERYTHING)
    assert caught.value.candidates == ("corp", "lab/two", "d-1234567890")


def test_no_session_at_all_says_how_to_make_one() -> None:
    empty = known(aws_config.parse(""), {}, "/home/me/.aws/config")
    for word in (None, "corp"):
        with pytest.raises(ConfigProblem, match=r"/home/me/\.aws/config.*Make one"):
            session_named(word, empty)


def test_an_unknown_session_says_the_nearest() -> None:
    with pytest.raises(UnknownTarget, match="Did you mean corp"):
        session_named("crop", EVERYTHING)


def test_the_profiles_of_a_role_are_found() -> None:
    role = SsoRole("corp", "222222222222", "ReadOnly")
    assert [profile.name for profile in profiles_of_role(role, EVERYTHING)] == ["adopted"]


def test_what_is_wrong_with_single_profiles_is_listed_and_keeps_nobody_else_from_working() -> None:
    config = aws_config.parse(CONFIG + "[sso-session bare]\nsso_region = eu-west-1\n")
    everything = known(config, {})
    problems = [problem.message for problem in problems_of(everything, config)]
    assert len(problems) == 4
    assert "sso-session bare (line " in problems[0]
    assert "profile astray names the sso-session nowhere" in problems[1]
    assert "profile vague has an sso_start_url but no sso_region" in problems[2]
    assert "profile torn" in problems[3]
    assert session_named("dev", everything).name == "corp"
