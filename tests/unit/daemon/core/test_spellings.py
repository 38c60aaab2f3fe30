"""Every spelling of every role against plain comparison, over names made to be mixed up."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hypothesis import assume, given
from hypothesis import strategies as st

from keyfob import aws_config
from keyfobd.core.errors import AmbiguousTarget, KeyfobError
from keyfobd.core.model import SsoRole
from keyfobd.core.profiles import Known, known
from keyfobd.core.spellings import spelling_of
from keyfobd.core.targets import resolve
from support.known import entry

if TYPE_CHECKING:
    from keyfob.wire import Wanted


def meant(target: str, everything: Known) -> SsoRole:
    return resolve({"target": target}, everything)


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
