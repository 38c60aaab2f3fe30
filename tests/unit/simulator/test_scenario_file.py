from __future__ import annotations

import json
import re

import pytest

from identity_center_simulator import EXAMPLE, Account, PermissionSet, ScenarioProblem, example, parse
from identity_center_simulator.scenario_file import as_document, from_document

ACCOUNT = "[accounts.111111111111]\n"


def test_the_example_says_what_its_comments_say() -> None:
    found = example()

    assert found.accounts["111111111111"] == Account("111111111111", "Development", "dev@example.com")
    assert found.accounts["333333333333"] == Account("333333333333", None, None)
    assert found.permission_sets["ShortLived"] == PermissionSet("ShortLived", 20)
    assert found.users["alice"].assignments["333333333333"] == ()
    assert found.users["bob"].assignments == {"222222222222": ("AdministratorAccess",)}
    assert found.settings.session_duration == 8 * 3600


def test_the_example_is_read_the_same_from_its_text() -> None:
    assert parse(EXAMPLE) == example()


def test_an_empty_scenario_has_an_instance_and_nobody_in_it() -> None:
    found = parse("")

    assert (found.users, found.start_urls) == ({}, ("https://d-1234567890.awsapps.com/start",))


def test_a_permission_set_may_be_a_table() -> None:
    found = parse("[permission_sets.Slow]\nduration = '12h'\n[permission_sets.Usual]\n")

    assert [each.duration for each in found.permission_sets.values()] == [43200, 3600]


def test_a_scenario_can_be_written_as_json_and_read_back() -> None:
    assert from_document(json.loads(json.dumps(as_document(example())))) == example()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = = b", "Invalid value"),
        ("hat = 1", "the scenario: 'hat' is not one of accounts, iam_roles"),
        ("accounts = 3", "accounts must be a table"),
        ("[accounts.12]", "accounts.12: an account id has twelve digits"),
        ("[accounts.111111111111]\ncolour = 'red'", "accounts.111111111111: 'colour' is not one of email, name"),
        ("[accounts.111111111111]\nname = ''", "accounts.111111111111.name must be text"),
        ("[permission_sets]\nA = 'long'", "permission_sets.A must be seconds"),
        ("[permission_sets]\nA = {length = 3}", "'length' is not one of duration"),
        ("users = {a = 3}", "users.a must be a table"),
        ("[users.a.assignments]\n111111111111 = []", "users.a.assignments: '111111111111' is not one of none"),
        (ACCOUNT + "[users.a.assignments]\n111111111111 = ['R']", "'R' is not one of none"),
        (
            ACCOUNT + "[users.a.assignments]\n111111111111 = 'R'",
            "users.a.assignments.111111111111 must be a list of names",
        ),
        ("start_urls = []", "start_urls must be at least one https:// address"),
        ("start_urls = ['http://127.0.0.1/start']", "start_urls must be at least one https:// address"),
        (ACCOUNT + "[users.a.assignments]\n111111111111 = [['R']]", "must be a list of names"),
        ("start_urls = 'https://x'", "start_urls must be a list"),
        ("region = 3", "region must be text"),
        ("[settings]\nhat = 1", "there is no setting 'hat'"),
        ("[settings]\nwarm_user = 'a'", "settings.warm_user: there is no user 'a'"),
        ("[iam_roles.Deployer]", "iam_roles.Deployer: not the ARN of a role"),
        ("[iam_roles.'arn:aws:iam::111111111111:role/A']\ntrusts = ['R']", "'R' is not one of none"),
        (
            "[iam_roles.'arn:aws:iam::111111111111:role/A']\nhat = 1",
            "'hat' is not one of duration, external_id, trusts",
        ),
    ],
)
def test_what_cannot_be_meant_is_said_by_the_key_it_stands_at(text: str, says: str) -> None:
    with pytest.raises(ScenarioProblem, match=re.escape(says)):
        parse(text)
