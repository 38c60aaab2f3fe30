"""What is found by the words of a person, over a config file in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyfob import aws_config
from keyfobd.core.errors import AmbiguousTarget, ConfigMismatch, ConfigProblem, UnknownTarget, UsageError
from keyfobd.core.model import Account, CatalogueEntry, Session, SsoRole
from keyfobd.directory import Directory

if TYPE_CHECKING:
    from collections.abc import Iterable

PATH = Path("/home/me/.aws/config")
CONFIG = """\
[sso-session corp]
sso_start_url = https://d-1234567890.awsapps.com/start
sso_region = eu-west-1

[profile reader]
sso_session = corp
sso_account_id = 111111111111
sso_role_name = Reader
region = eu-central-1

[profile own]
credential_process = /usr/bin/keyfob credential-process corp/222222222222/Admin

[profile other]
credential_process = /usr/bin/keyfob credential-process corp/111111111111/Reader
region = us-east-1
"""
READER = SsoRole("corp", "111111111111", "Reader")
ADMIN = SsoRole("corp", "222222222222", "Admin")


class FakeFile:
    def __init__(self, text: str = CONFIG) -> None:
        self.path = PATH
        self.config = aws_config.parse("")
        self.problem: ConfigProblem | None = None
        self._text: str | None = text

    def change(self, text: str) -> None:
        self._text = text

    def refresh(self) -> bool:
        text, self._text = self._text, None
        if text is not None:
            self.config = aws_config.parse(text)
        return text is not None


class FakeSessions:
    def __init__(self) -> None:
        self.configured: list[tuple[str, ...]] = []
        self.catalogue: tuple[CatalogueEntry, ...] = (
            CatalogueEntry(Account("222222222222", "Production"), ("Admin", "Reader")),
        )

    def configure(self, sessions: Iterable[Session]) -> None:
        self.configured.append(tuple(session.name for session in sessions))

    def known_catalogue(self, name: str) -> tuple[CatalogueEntry, ...]:
        return self.catalogue if name == "corp" else ()


@pytest.fixture
def file() -> FakeFile:
    return FakeFile()


@pytest.fixture
def sessions() -> FakeSessions:
    return FakeSessions()


@pytest.fixture
def directory(file: FakeFile, sessions: FakeSessions) -> Directory:
    made = Directory(file, sessions)
    made.refresh()
    return made


def test_sessions_are_told_when_the_file_changes_and_not_before(
    directory: Directory, file: FakeFile, sessions: FakeSessions
) -> None:
    directory.refresh()
    assert sessions.configured == [("corp",)]
    file.change(CONFIG.replace("corp", "lab"))
    directory.refresh()
    assert sessions.configured == [("corp",), ("lab",)]
    assert [session.name for session in directory.sessions()] == ["lab"]


@pytest.mark.parametrize("emptied", ["", "[default]\nregion = eu-west-1\n", "[sso-session corp]\n"])
def test_a_file_that_lost_every_session_ends_none_and_is_said_until_it_has_some_again(
    directory: Directory, file: FakeFile, sessions: FakeSessions, emptied: str, caplog: pytest.LogCaptureFixture
) -> None:
    for content in (emptied, emptied + "\n"):
        file.change(content)
        directory.refresh()
    assert sessions.configured == [("corp",)]
    assert directory.resolve({"profile": "reader"}).role == READER
    assert directory.problem is not None
    assert f"{PATH} no longer has any session" in directory.problem
    assert directory.problem.endswith("run: keyfob restart")
    assert len(caplog.records) == 1
    file.change(CONFIG)
    directory.refresh()
    assert sessions.configured == [("corp",), ("corp",)]
    assert directory.problem is None


def test_what_is_not_found_while_the_file_is_emptied_is_laid_to_that(directory: Directory, file: FakeFile) -> None:
    file.change("")
    directory.refresh()
    with pytest.raises(ConfigProblem, match="no longer has any session"):
        directory.resolve({"profile": "new"})


def test_a_session_that_is_taken_out_while_others_stay_goes_at_once(
    directory: Directory, file: FakeFile, sessions: FakeSessions
) -> None:
    lab = "[sso-session lab]\nsso_start_url = https://d-9.awsapps.com/start\nsso_region = eu-west-1\n"
    for content in (CONFIG + lab, lab):
        file.change(content)
        directory.refresh()
    assert sessions.configured == [("corp",), ("corp", "lab"), ("lab",)]
    assert directory.problem is None


def test_a_first_file_without_sessions_is_no_problem(sessions: FakeSessions) -> None:
    directory = Directory(FakeFile(""), sessions)
    directory.refresh()
    assert sessions.configured == [()]
    assert directory.problem is None


def test_a_profile_that_was_typed_gives_its_name_and_region(directory: Directory) -> None:
    found = directory.resolve({"profile": "reader"})
    assert (found.role, found.profile, found.region) == (READER, "reader", "eu-central-1")
    assert found.label == "Reader@111111111111"


def test_the_one_profile_that_names_a_role_gives_its_region(directory: Directory) -> None:
    found = directory.resolve({"target": "corp/111111111111/Reader"})
    assert (found.profile, found.region) == ("reader", "eu-central-1")


def test_two_profiles_of_one_role_give_none(directory: Directory, file: FakeFile) -> None:
    twice = "\n[profile again]\nsso_session = corp\nsso_account_id = 111111111111\nsso_role_name = Reader\n"
    file.change(CONFIG + twice)
    directory.refresh()
    found = directory.resolve({"target": "corp/111111111111/Reader"})
    assert (found.profile, found.region) == (None, None)


def test_a_profile_of_keyfobs_own_is_named_for_exactly_its_role(directory: Directory) -> None:
    assert directory.resolve({"target": "Admin@222222222222"}).keyfob_profile == "own"
    assert directory.resolve({"target": "Reader@111111111111"}).keyfob_profile == "other"
    assert directory.resolve({"target": "Reader@222222222222"}).keyfob_profile is None


def test_the_accounts_name_is_known_once_it_was_listed(directory: Directory, sessions: FakeSessions) -> None:
    assert directory.resolve({"target": "Admin@Production"}).label == "Admin@Production"
    sessions.catalogue = (CatalogueEntry(Account("222222222222", "Live"), ("Admin",)),)
    assert directory.resolve({"target": "Admin@Live"}).role == ADMIN


@pytest.mark.parametrize("body", [{"profile": "reader"}, {"target": "reader"}, {"target": "elsewhere"}])
def test_words_that_were_meant_for_another_file_are_refused_and_both_named(
    directory: Directory, body: dict[str, str]
) -> None:
    with pytest.raises(ConfigMismatch) as caught:
        directory.resolve({**body, "config_file": "/elsewhere/config"})
    assert str(PATH) in caught.value.message
    assert "/elsewhere/config" in caught.value.message


@pytest.mark.parametrize("config_file", ["", str(PATH), "/home/me/../me/.aws/config"])
def test_the_same_file_by_any_name_is_the_same(directory: Directory, config_file: str) -> None:
    assert directory.resolve({"profile": "reader", "config_file": config_file}).role == READER


def test_a_role_that_no_profile_stands_for_does_not_depend_on_the_file(directory: Directory) -> None:
    body = {"target": "corp/222222222222/Admin", "config_file": "/elsewhere/config"}
    assert directory.resolve(body).role == ADMIN


def test_what_is_not_found_while_the_file_is_broken_is_blamed_on_that(directory: Directory, file: FakeFile) -> None:
    file.problem = ConfigProblem("/home/me/.aws/config, line 4: nonsense.")
    with pytest.raises(ConfigProblem, match="line 4"):
        directory.resolve({"target": "new-profile"})
    assert directory.problem is not None
    assert "line 4" in directory.problem


def test_without_a_session_in_the_file_there_is_nothing_to_sign_in_to(file: FakeFile, sessions: FakeSessions) -> None:
    file.change("")
    empty = Directory(file, sessions)
    empty.refresh()
    with pytest.raises(ConfigProblem, match="no IAM Identity Center session"):
        empty.session({})


def test_a_session_goes_by_its_name_by_a_profile_of_it_or_by_being_the_only_one(directory: Directory) -> None:
    for body in ({}, {"session": "corp"}, {"session": "reader"}, {"profile": "reader"}):
        assert directory.session(body).name == "corp"
    with pytest.raises(UnknownTarget):
        directory.session({"session": "crop"})
    with pytest.raises(ConfigMismatch):
        directory.session({"profile": "reader", "config_file": "/elsewhere/config"})


def test_one_of_two_sessions_must_be_named(directory: Directory, file: FakeFile) -> None:
    file.change(CONFIG + CONFIG.partition("\n\n")[0].replace("corp", "lab"))
    directory.refresh()
    with pytest.raises(AmbiguousTarget) as caught:
        directory.session({})
    assert caught.value.candidates == ("corp", "lab")


def test_a_request_without_a_role_is_a_usage_error(directory: Directory) -> None:
    with pytest.raises(UsageError):
        directory.resolve({})


def test_what_is_wrong_with_single_sections_is_told_but_not_without_end(directory: Directory, file: FakeFile) -> None:
    file.change(CONFIG + "".join(f"[sso-session bad{number}]\nsso_region = eu-west-1\n" for number in range(5)))
    directory.refresh()
    assert directory.problem is not None
    assert "bad0" in directory.problem
    assert "2 more" in directory.problem


def test_of_a_good_file_nothing_is_told(directory: Directory) -> None:
    assert directory.problem is None
