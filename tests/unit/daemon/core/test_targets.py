"""What a person may type for a role, and which role it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from keyfob import aws_config
from keyfobd.core.errors import AmbiguousTarget, ConfigProblem, KeyfobError, UnknownTarget, UsageError
from keyfobd.core.model import SsoRole
from keyfobd.core.profiles import Known, known
from keyfobd.core.spellings import spelling_of
from keyfobd.core.targets import resolve
from support.known import CATALOGUES, CONFIG, EVERYTHING

if TYPE_CHECKING:
    from keyfob.wire import Wanted


def meant(target: str, everything: Known = EVERYTHING) -> SsoRole:
    return resolve({"target": target}, everything)


HEX = "0123456789abcdef"
IAM = "arn:aws:iam::222222222222:role/aws-reserved/sso.amazonaws.com"
STS = "arn:aws-us-gov:sts::888888888888:assumed-role"
ALIAS = "https://D-1234567890.awsapps.com/start"


@pytest.mark.parametrize(
    ("target", "role"),
    [
        # a profile's name goes before everything
        ("dev", "corp/111111111111/Admin"),
        ("old", "d-1234567890/444444444444/ReadOnly"),
        ("Admin@222222222222", "corp/333333333333/Billing"),
        ("made", "corp/222222222222/Admin"),
        ("adopted", "corp/222222222222/ReadOnly"),
        # ids
        ("corp/222222222222/Admin", "corp/222222222222/Admin"),
        ("222222222222/Admin", "corp/222222222222/Admin"),
        ("ReadOnly@222222222222", "corp/222222222222/ReadOnly"),
        ("lab/two/888888888888/Scientist", "lab/two/888888888888/Scientist"),
        ("old/444444444444/ReadOnly", "d-1234567890/444444444444/ReadOnly"),
        ("older/444444444444/ReadOnly", "d-1234567890/444444444444/ReadOnly"),
        # ids that nobody has listed
        ("corp/121212121212/New.Role@x", "corp/121212121212/New.Role@x"),
        ("lab/two/121212121212/New", "lab/two/121212121212/New"),
        ("222222222222/New", "corp/222222222222/New"),
        ("New@888888888888", "lab/two/888888888888/New"),
        # names
        ("corp/prod/Admin", "corp/111111111111/Admin"),
        ("lab/two/prod/Admin", "lab/two/999999999999/Admin"),
        ("dev @ home/2/Admin", "corp/222222222222/Admin"),
        ("Admin@dev @ home/2", "corp/222222222222/Admin"),
        ("corp/dev @ home/2/ReadOnly", "corp/222222222222/ReadOnly"),
        ("Only.One@twin", "corp/555555555555/Only.One"),
        ("dev/Admin", "corp/666666666666/Admin"),
        # addresses
        (f"{IAM}/AWSReservedSSO_Admin_{HEX}", "corp/222222222222/Admin"),
        (f"{IAM}/eu-west-1/AWSReservedSSO_A_b_c_{HEX}", "corp/222222222222/A_b_c"),
        (f"{STS}/AWSReservedSSO_Scientist_{HEX}/me@corp.test", "lab/two/888888888888/Scientist"),
        (f"{STS}/AWSReservedSSO_Scientist_{HEX}", "lab/two/888888888888/Scientist"),
        (
            "https://lab.awsapps.com/start/#/console?account_id=121212121212&role_name=New",
            "lab/two/121212121212/New",
        ),
        (
            "https://lab.awsapps.com/start#/console?role_name=A%2BB&account_id=888888888888&destination=https%3A%2F%2Fx",
            "lab/two/888888888888/A+B",
        ),
        (f"{ALIAS}/#/console?account_id=222222222222&role_name=Admin", "corp/222222222222/Admin"),
    ],
)  # fmt: skip
def test_a_target_means_this_role(target: str, role: str) -> None:
    assert str(meant(target)) == role


@pytest.mark.parametrize(
    ("target", "candidates"),
    [
        ("prod/Admin", ("corp/111111111111/Admin", "lab/two/999999999999/Admin")),
        ("Admin@prod", ("corp/111111111111/Admin", "lab/two/999999999999/Admin")),
        ("twin/Admin", ("corp/333333333333/Admin", "corp/555555555555/Admin")),
        ("corp/twin/Admin", ("corp/333333333333/Admin", "corp/555555555555/Admin")),
        (
            "121212121212/New",
            ("corp/121212121212/New", "lab/two/121212121212/New", "d-1234567890/121212121212/New"),
        ),
    ],
)
def test_what_fits_more_than_one_is_asked_back_in_spellings_that_fit_one(
    target: str, candidates: tuple[str, ...]
) -> None:
    with pytest.raises(AmbiguousTarget) as caught:
        meant(target)
    assert caught.value.candidates == candidates
    assert len({meant(candidate) for candidate in candidates}) == len(candidates)


@pytest.mark.parametrize(
    ("target", "nearest"),
    [
        ("de", "dev"),
        ("DEV", None),
        ("prod/admin", "prod/Admin"),
        ("Readonly@prod", "ReadOnly@prod"),
        ("adoptd", "adopted"),
        (" dev", "dev"),
        ("gone/Admin", None),
        ("corp/1234/Admin", None),
        ("corp/222222222222/", None),
        ("١١١١١١١١١١١١/Admin", None),
        ("arn:aws:iam::222222222222:role/Admin", None),
        (f"arn:aws:iam::222222222222:role/AWSReservedSSO_Admin_{HEX}", None),
        ("https://elsewhere.awsapps.com/start/#/console?account_id=222222222222&role_name=Admin", None),
        ("https://lab.awsapps.com/start/#/other?account_id=222222222222&role_name=Admin", None),
        ("https://[/start/#/console?account_id=222222222222&role_name=Admin", None),
    ],
)
def test_what_nobody_knows_is_said_with_the_nearest_names(target: str, nearest: str | None) -> None:
    with pytest.raises(UnknownTarget) as caught:
        meant(target)
    assert not isinstance(caught.value, AmbiguousTarget)
    assert "keyfob" in caught.value.hint
    if nearest is not None:
        assert nearest in caught.value.candidates
        assert nearest in caught.value.hint


@pytest.mark.parametrize("target", ["ReadOnly@222222222222", "dev", "arn:aws:iam::222222222222:role/x"])
def test_where_there_is_no_session_that_is_what_is_said(target: str) -> None:
    with pytest.raises(ConfigProblem, match="There is no IAM Identity Center session in") as caught:
        resolve({"target": target}, known(aws_config.parse(""), {}, "FILE"))
    assert caught.value.hint == "Make one: aws configure sso"


@pytest.mark.parametrize(
    ("profile", "kind", "words"),
    [
        ("halfway", UsageError, "no sso_role_name"),
        ("keys", UsageError, "keys of its own"),
        ("chained", UsageError, "does not serve yet"),
        ("signed", UsageError, "aws login"),
        ("other", UsageError, "another program"),
        ("place", UsageError, "no session"),
        ("astray", ConfigProblem, "sso-session nowhere"),
        ("vague", ConfigProblem, "no sso_region"),
        ("torn", ConfigProblem, "sso_region differs between the profile torn and its sso-session corp"),
        ("loop", UnknownTarget, "Nothing is called loop"),
    ],
)
def test_a_profile_that_names_no_role_says_why_in_one_line(profile: str, kind: type[KeyfobError], words: str) -> None:
    for wanted in ({"target": profile}, {"profile": profile}):
        with pytest.raises(kind, match=words) as caught:
            resolve(cast("Wanted", wanted), EVERYTHING)
        assert "\n" not in str(caught.value)
        assert "keyfob" in caught.value.hint or "--account-id" in caught.value.hint


@pytest.mark.parametrize(
    ("wanted", "role"),
    [
        ({"profile": "dev"}, "corp/111111111111/Admin"),
        ({"target": "dev", "sso_session": "corp"}, "corp/111111111111/Admin"),
        ({"target": "made", "sso_session": "corp"}, "corp/222222222222/Admin"),
        ({"profile": "dev", "sso_session": "corp"}, "corp/111111111111/Admin"),
        ({"target": "prod/Admin", "sso_session": "lab/two"}, "lab/two/999999999999/Admin"),
        ({"target": "121212121212/New", "sso_session": "corp"}, "corp/121212121212/New"),
        ({"target": "dev/Admin", "sso_session": "corp"}, "corp/666666666666/Admin"),
        ({"target": "prod/Admin", "sso_session": "dev"}, "corp/111111111111/Admin"),
        ({"sso_session": "lab/two", "account_id": "121212121212", "role_name": "New"}, "lab/two/121212121212/New"),
        ({"profile": "halfway", "account_id": "121212121212", "role_name": "New"}, "corp/121212121212/New"),
        ({"profile": "dev", "role_name": "ReadOnly"}, "corp/111111111111/ReadOnly"),
        ({"profile": "adopted", "role_name": "Admin"}, "corp/222222222222/Admin"),
    ],
)
def test_the_aws_clis_words_stand_for_a_target(wanted: Wanted, role: str) -> None:
    assert str(resolve(wanted, EVERYTHING)) == role


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"target": "dev", "profile": "dev"},
        {"target": "dev", "account_id": "111111111111"},
        {"account_id": "111111111111", "role_name": "Admin"},
        {"sso_session": "corp", "account_id": "111111111111"},
        {"sso_session": "corp", "role_name": "Admin"},
        {"sso_session": "corp", "account_id": "11111111111", "role_name": "Admin"},
        {"sso_session": "corp", "account_id": "111111111111", "role_name": "a/b"},
        {"profile": "nobody"},
        {"target": "dev", "sso_session": "lab/two"},
        {"profile": "dev", "sso_session": "lab/two"},
        {"profile": "dev", "sso_session": "lab/two", "role_name": "Admin"},
        {"target": "dev", "sso_session": "nowhere"},
    ],
)
def test_words_that_cannot_be_meant_are_usage_errors(wanted: Wanted) -> None:
    with pytest.raises(UsageError):
        resolve(wanted, EVERYTHING)


def test_a_part_of_a_name_is_only_ever_proposed() -> None:
    with pytest.raises(UnknownTarget) as refused:
        meant("SCIEN")
    assert not isinstance(refused.value, AmbiguousTarget)
    with pytest.raises(AmbiguousTarget) as proposed:
        resolve({"target": "SCIEN", "partial": True}, EVERYTHING)
    assert proposed.value.candidates == ("lab/two/888888888888/Scientist",)


@pytest.mark.parametrize(("part", "role"), [("Adopt", "ReadOnly"), ("MAD", "Admin")])
def test_a_part_of_a_profiles_name_proposes_its_role(part: str, role: str) -> None:
    with pytest.raises(AmbiguousTarget) as proposed:
        resolve({"target": part, "partial": True}, EVERYTHING)
    assert proposed.value.candidates == (f"corp/222222222222/{role}",)


def test_an_exact_match_goes_before_a_part() -> None:
    assert str(resolve({"target": "dev", "partial": True}, EVERYTHING)) == "corp/111111111111/Admin"


def test_no_target_is_a_choice_of_all_where_the_client_can_ask() -> None:
    with pytest.raises(AmbiguousTarget) as caught:
        resolve({"partial": True}, EVERYTHING)
    assert {meant(candidate) for candidate in caught.value.candidates} == set(EVERYTHING.roles)


def test_a_profile_in_the_way_of_a_candidate_gets_it_another_spelling() -> None:
    role = SsoRole("corp", "222222222222", "Admin")
    config = aws_config.parse(CONFIG + "[profile corp/222222222222/Admin]\nregion = eu-west-1\n")
    everything = known(config, CATALOGUES)
    assert spelling_of(role, everything) == "222222222222/Admin"


def test_what_was_typed_is_repeated_on_one_short_line() -> None:
    with pytest.raises(UnknownTarget) as caught:
        meant("x\n\x1b[31m" + "y" * 1000)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300
