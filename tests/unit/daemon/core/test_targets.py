"""What a person may type for a role, and which role it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keyfob import aws_config
from keyfobd.core.errors import AmbiguousTarget, ConfigProblem, KeyfobError, UnknownTarget, UsageError
from keyfobd.core.model import Account, CatalogueEntry, Session, SsoRole
from keyfobd.core.profiles import Known, known, profiles_of_role, sessions_of
from keyfobd.core.spellings import spelling_of
from keyfobd.core.targets import resolve, session_named

if TYPE_CHECKING:
    from keyfob.wire import Wanted

CONFIG = """
[sso-session corp]
sso_start_url = https://d-1234567890.awsapps.com/start
sso_region = us-east-1
sso_registration_scopes = sso:account:access, other:scope

[sso-session lab/two]
sso_start_url = https://lab.awsapps.com/start/
sso_region = eu-west-1

[profile dev]
sso_session = corp
sso_account_id = 111111111111
sso_role_name = Admin
region = eu-west-1

[profile old]
sso_start_url = https://d-1234567890.awsapps.com/start#
sso_region = us-east-1
sso_account_id = 444444444444
sso_role_name = ReadOnly

[profile older]
sso_start_url = https://d-1234567890.awsapps.com/start/
sso_region = us-east-1

[profile Admin@222222222222]
sso_session = corp
sso_account_id = 333333333333
sso_role_name = Billing

[profile made]
credential_process = /opt/bin/keyfob credential-process corp/222222222222/Admin

[profile adopted]
credential_process = /opt/bin/keyfob credential-process adopted
keyfob_sso_session = corp
keyfob_sso_account_id = 222222222222
keyfob_sso_role_name = ReadOnly

[profile loop]
credential_process = keyfob credential-process pool

[profile pool]
credential_process = keyfob credential-process loop

[profile halfway]
sso_session = corp

[profile keys]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE

[profile chained]
role_arn = arn:aws:iam::111111111111:role/Deploy
source_profile = dev

[profile signed]
login_session = arn:aws:iam::111111111111:user/me

[profile other]
credential_process = /opt/bin/aws-vault exec x

[profile place]
region = eu-west-1

[profile astray]
sso_session = nowhere
sso_account_id = 111111111111
sso_role_name = Admin

[profile torn]
sso_session = corp
sso_region = us-west-2
sso_account_id = 111111111111
sso_role_name = Admin
"""


def entry(account_id: str, name: str | None, *roles: str) -> CatalogueEntry:
    return CatalogueEntry(Account(account_id, name), roles)


CATALOGUES = {
    "corp": (
        entry("111111111111", "prod", "Admin", "ReadOnly"),
        entry("222222222222", "dev @ home/2", "Admin", "ReadOnly"),
        entry("333333333333", "twin", "Admin"),
        entry("555555555555", "twin", "Admin", "Only.One"),
        entry("666666666666", "dev", "Admin"),
        entry("777777777777", None, "Nameless"),
    ),
    "lab/two": (entry("999999999999", "prod", "Admin"), entry("888888888888", "lab", "Scientist")),
    "gone": (entry("000000000000", "gone", "Admin"),),
}
EVERYTHING = known(aws_config.parse(CONFIG), CATALOGUES)


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


@pytest.mark.parametrize(
    ("profile", "kind", "words"),
    [
        ("halfway", UsageError, "no account and role"),
        ("keys", UsageError, "keys of its own"),
        ("chained", UsageError, "does not serve yet"),
        ("signed", UsageError, "aws login"),
        ("other", UsageError, "another program"),
        ("place", UsageError, "no session"),
        ("astray", ConfigProblem, "sso-session nowhere"),
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
        ({"profile": "dev", "sso_session": "corp"}, "corp/111111111111/Admin"),
        ({"target": "prod/Admin", "sso_session": "lab/two"}, "lab/two/999999999999/Admin"),
        ({"target": "121212121212/New", "sso_session": "corp"}, "corp/121212121212/New"),
        ({"target": "dev/Admin", "sso_session": "corp"}, "corp/666666666666/Admin"),
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


def test_a_part_of_a_profiles_name_proposes_its_role() -> None:
    with pytest.raises(AmbiguousTarget) as proposed:
        resolve({"target": "Adopt", "partial": True}, EVERYTHING)
    assert proposed.value.candidates == ("corp/222222222222/ReadOnly",)


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


# --- sessions -------------------------------------------------------------------------------------------------------


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


# --- properties -----------------------------------------------------------------------------------------------------

Listed = dict[str, list[tuple[str, str, set[str]]]]
names = st.text(st.sampled_from("ab1@/. -é"), min_size=1, max_size=5).map(str.strip).filter(bool)
account_ids = st.integers(0, 3).map(lambda digit: str(digit) * 12)
role_names = st.sampled_from(["A", "B", "A@B", "1", "B@111111111111", "a"])
accounts = st.lists(
    st.tuples(account_ids, names | account_ids, st.sets(role_names, min_size=1)),
    max_size=4,
    unique_by=lambda account: account[0],
)
catalogues = st.dictionaries(names, accounts, min_size=1, max_size=3)
profile_names = st.lists(names | account_ids.map(lambda one: f"A@{one}"), max_size=3, unique=True)


def made(listed: Listed, profiles: list[str]) -> Known:
    sections = [
        f'[sso-session "{name}"]\nsso_start_url = https://d-{number}.awsapps.com/start\nsso_region = us-east-1\n'
        for number, name in enumerate(listed)
    ]
    sections += [
        f'[profile "{name}"]\nsso_session = {next(iter(listed))}\nsso_account_id = 123456789012\nsso_role_name = P\n'
        for name in profiles
    ]
    entries = {
        name: tuple(entry(account, called, *sorted(roles)) for account, called, roles in accounts)
        for name, accounts in listed.items()
    }
    return known(aws_config.parse("".join(sections)), entries)


def plainly_meant(target: str, everything: Known) -> set[SsoRole]:
    """The roles that a spelling fits, by trying every spelling of every known role, level after level."""
    if target in everything.profiles:
        return {SsoRole(everything.sessions[0].name, "123456789012", "P")}
    fits: list[set[SsoRole]] = [set(), set()]
    for role, name in everything.roles.items():
        for level, account in enumerate((role.account_id, name)):
            bare = f"{account}/{role.role_name}"
            if account and target in (f"{role.session}/{bare}", bare, f"{role.role_name}@{account}"):
                fits[level].add(role)
    return fits[0] or fits[1]


@given(catalogues, profile_names, st.data())
def test_a_spelling_of_something_known_means_what_plain_comparison_finds(
    listed: Listed, profiles: list[str], data: st.DataObject
) -> None:
    everything = made(listed, profiles)
    assume(everything.roles)
    role, name = data.draw(st.sampled_from(list(everything.roles.items())))
    account = data.draw(st.sampled_from([role.account_id, name or role.account_id]))
    bare = f"{account}/{role.role_name}"
    target = data.draw(st.sampled_from([f"{role.session}/{bare}", bare, f"{role.role_name}@{account}"]))
    expected = plainly_meant(target, everything)
    # A name of twelve digits is somebody's id first, listed or not.
    assume(account != name or not name.isdecimal() or target in everything.profiles)
    try:
        found = {meant(target, everything)}
    except AmbiguousTarget as several:
        found = {meant(candidate, everything) for candidate in several.candidates}
    assert found == expected


@given(catalogues, profile_names)
def test_every_role_has_a_spelling_that_fits_it_alone(listed: Listed, profiles: list[str]) -> None:
    everything = made(listed, profiles)
    for role in everything.roles:
        assert meant(spelling_of(role, everything), everything) == role


places = st.sampled_from(["target", "profile", "sso_session", "account_id"])
texts = st.text(max_size=30) | st.text(st.sampled_from("ab1@/:.#?=_"), max_size=30)


@given(
    catalogues, profile_names, texts, st.sampled_from(["target", "profile", "sso_session", "account_id"]), st.booleans()
)
def test_whatever_is_typed_is_a_role_or_one_of_our_errors_on_one_line(
    listed: Listed, profiles: list[str], typed: str, place: str, partial: bool
) -> None:
    everything = made(listed, profiles)
    wanted = cast("Wanted", {place: typed, "partial": partial})
    try:
        outcome = resolve(wanted, everything).session
    except KeyfobError as error:
        outcome = error.message
    assert outcome in listed or "\n" not in outcome
