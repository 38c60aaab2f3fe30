"""Tools that nobody here wrote: boto3 and the AWS CLI, as processes, on the real endpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.machine import BIN, CONFIG, Machine, Ran, machine
from support.relay import Relay, relay

if TYPE_CHECKING:
    from collections.abc import Iterator

READ_ONLY = "ReadOnly@222222222222"
ADMIN = "AdministratorAccess@111111111111"
PROFILE = f"\n[profile door]\ncredential_process = {BIN}/keyfob credential-process {ADMIN}\nregion = us-east-1\n"
WHO_AM_I = ("aws", "sts", "get-caller-identity", "--output", "json")
TEN_TIMES = """\
import boto3
client = boto3.client("sts")
for _ in range(10):
    print(client.get_caller_identity()["Account"])
"""


@pytest.fixture(scope="module")
def signed_in() -> Iterator[Machine]:
    """For tests that leave the session as it is."""
    with machine() as stage:
        stage.config_file.write_text(CONFIG + PROFILE, encoding="utf-8")
        stage.simulate()
        login = stage.sign_in()
        assert login.status == 0, login.err
        yield stage


def given(stage: Machine, target: str, *options: str) -> dict[str, str]:
    """What ``keyfob env`` sets."""
    ran = stage.run("keyfob", "env", target, "--region", "us-east-1", "--format", "json", *options)
    assert ran.status == 0, ran.err
    found: dict[str, str] = json.loads(ran.out)["set"]
    return found


def by_way_of(one: Relay, stage: Machine, variables: dict[str, str]) -> dict[str, str]:
    """The same variables, with the relay in the endpoint's place."""
    daemon = stage.daemon()
    assert daemon is not None
    name = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    return variables | {name: variables[name].replace(f":{daemon['port']}/", f":{one.port}/")}


@pytest.fixture
def endpoint(signed_in: Machine) -> Iterator[Relay]:
    daemon = signed_in.daemon()
    assert daemon is not None
    with relay(daemon["port"]) as one:
        yield one


def role_and_account(ran: Ran) -> tuple[str, str]:
    """From what ``aws sts get-caller-identity`` printed: the permission set in the ARN, and the account."""
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)
    return found["Arn"].split("AWSReservedSSO_")[1].rpartition("_")[0], found["Account"]


def test_a_boto3_client_that_signs_ten_times_asks_the_endpoint_once(signed_in: Machine, endpoint: Relay) -> None:
    environ = by_way_of(endpoint, signed_in, given(signed_in, READ_ONLY))

    ran = signed_in.run("python", "-c", TEN_TIMES, env=environ)

    assert ran.out.split() == ["222222222222"] * 10, ran.err
    assert endpoint.statuses == [200]


def test_exec_becomes_a_tool_that_has_the_role(signed_in: Machine) -> None:
    ran = signed_in.run("keyfob", "exec", ADMIN, "--region", "us-east-1", "--", *WHO_AM_I)
    assert role_and_account(ran) == ("AdministratorAccess", "111111111111")


def test_keys_and_profiles_of_the_caller_do_not_get_in_the_way_of_exec(signed_in: Machine) -> None:
    rubbish = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_PROFILE": "absent"}
    ran = signed_in.run("keyfob", "exec", ADMIN, "--region", "us-east-1", "--", *WHO_AM_I, env=rubbish)
    assert role_and_account(ran) == ("AdministratorAccess", "111111111111")


def test_a_shell_changes_its_role_by_evaluating_env_again(signed_in: Machine) -> None:
    asked = " ".join(WHO_AM_I)
    script = f'eval "$(keyfob env {ADMIN} --region us-east-1)"; {asked} | tr -d "\\n"; echo; '
    script += f'eval "$(keyfob env {READ_ONLY} --region us-east-1)"; {asked} | tr -d "\\n"'

    ran = signed_in.run("bash", "-euo", "pipefail", "-c", script)

    assert ran.status == 0, ran.err
    first, second = (role_and_account(Ran(0, line, "")) for line in ran.out.splitlines())
    assert first == ("AdministratorAccess", "111111111111")
    assert second == ("ReadOnly", "222222222222")


def test_a_profile_with_credential_process_is_as_good_a_door(signed_in: Machine) -> None:
    ran = signed_in.run(*WHO_AM_I, "--profile", "door")
    assert role_and_account(ran) == ("AdministratorAccess", "111111111111")


def test_the_aws_cli_shows_what_to_do_once_when_a_sign_in_is_needed() -> None:
    """The AWS CLI tries three times, a second apart, whatever it is answered; then it prints the whole body."""
    with machine() as stage:
        simulator = stage.simulate()
        assert stage.sign_in().status == 0
        variables = given(stage, READ_ONLY, "--no-fetch")
        simulator.post("sessions/end")
        daemon = stage.daemon()
        assert daemon is not None
        with relay(daemon["port"]) as endpoint:
            ran = stage.run(*WHO_AM_I, env=by_way_of(endpoint, stage, variables), timeout=15)

    assert ran.status not in {0, -9}
    assert len(endpoint.requests) == 3
    assert endpoint.statuses[-1] == 401
    (line,) = ran.err.strip().splitlines()
    assert line.count("Sign-in needed: ") == 1
    assert line.endswith('has ended. Run: keyfob login work"}')
    assert not ran.out
