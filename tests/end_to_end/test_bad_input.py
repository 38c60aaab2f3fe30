"""Bad input of every kind gets one clear line that says what to do, and nothing is lost. Real processes throughout."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyfob import wire
from support.machine import CONFIG, Machine, Ran, machine
from support.person import DIRECT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ADMIN = "AdministratorAccess@111111111111"
PROFILES = """
[sso-session second]
sso_start_url = https://d-0000000000.awsapps.com/start
sso_region = us-east-1

[profile development]
sso_session = work
sso_account_id = 111111111111
sso_role_name = AdministratorAccess

[profile production]
sso_session = work
sso_account_id = 222222222222
sso_role_name = ReadOnly
region = eu-west-1

[profile without-role]
sso_session = work
sso_account_id = 222222222222

[profile without-account]
sso_session = work

[profile static]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = example

[profile console]
login_session = arn:aws:iam::111111111111:user/somebody
"""


@pytest.fixture
def stage() -> Iterator[Machine]:
    """A machine with a simulator; nobody is signed in, no daemon runs."""
    with machine() as one:
        one.simulate()
        yield one


@pytest.fixture(scope="module")
def signed_in() -> Iterator[Machine]:
    """For tests that leave the session as it is."""
    with machine() as one:
        one.config_file.write_text(CONFIG + PROFILES, encoding="utf-8")
        one.simulate()
        assert one.sign_in("work").status == 0
        assert one.run("keyfob", "list", "work").status == 0
        yield one


def refused(ran: Ran, status: int, *words: str) -> str:
    """The one line of a command that could not be done."""
    assert ran.status == status, ran
    assert ran.out == ""
    (line,) = ran.err.splitlines()
    assert line.startswith("keyfob: ")
    for word in words:
        assert word in line
    return line


# --- ~/.aws/config ------------------------------------------------------------------------------------------------


def test_without_a_config_file_it_is_said_where_one_is_looked_for(stage: Machine) -> None:
    stage.config_file.unlink()
    line = refused(stage.run("keyfob", "login"), wire.EXIT_FAILED, str(stage.config_file))
    assert "aws configure sso" in line


def test_without_a_session_in_it_it_is_said_what_to_add(stage: Machine) -> None:
    stage.config_file.write_text("[profile x]\nregion = eu-west-1\n", encoding="utf-8")
    refused(stage.run("keyfob", "login"), wire.EXIT_FAILED, str(stage.config_file), "aws configure sso")


def test_a_broken_config_file_is_named_with_its_line(stage: Machine) -> None:
    stage.config_file.write_text(CONFIG + "\n[profile x\nregion = eu-west-1\n", encoding="utf-8")
    refused(stage.run("keyfob", "list"), wire.EXIT_FAILED, str(stage.config_file), "line 6")


def test_while_the_config_file_is_broken_shells_go_on_and_new_ones_are_told_the_line(stage: Machine) -> None:
    """The AWS CLI and SDKs cannot read it either, so a tool started now would only fail less clearly."""
    assert stage.sign_in().status == 0
    shell = json.loads(stage.run("keyfob", "env", ADMIN, "--format", "json").out)["set"]
    stage.config_file.write_text(CONFIG + "\n[profile x\n", encoding="utf-8")
    assert fetch(shell) == "Success"
    refused(stage.run("keyfob", "exec", ADMIN, "--", "true"), wire.EXIT_CANNOT_START, str(stage.config_file), "line 6")
    assert "line 6" in stage.run("keyfob", "status").out


def fetch(shell: Mapping[str, str]) -> str:
    """What the endpoint answers to a tool in that shell."""
    request = urllib.request.Request(
        shell["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
        headers={"Authorization": shell["AWS_CONTAINER_AUTHORIZATION_TOKEN"]},
    )
    with DIRECT.open(request, timeout=5) as answer:
        return str(json.load(answer)["Code"])


def test_an_unknown_profile_is_answered_with_the_nearest_names(signed_in: Machine) -> None:
    ran = signed_in.run("keyfob", "env", "--profile", "devlopment", "--format", "json")
    refused(ran, wire.EXIT_USAGE, "devlopment", "development")


def test_two_roles_that_fit_are_listed_each_in_a_way_that_fits_it_alone(signed_in: Machine) -> None:
    ran = signed_in.run("keyfob", "credential-process", "Auditor@444444444444")
    refused(ran, wire.EXIT_USAGE, "work/444444444444/Auditor", "second/444444444444/Auditor")


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("without-role", ("sso_role_name",)),
        ("without-account", ("sso_account_id",)),
        ("static", ("static", "keys")),
        ("console", ("console", "aws login")),
    ],
)
def test_a_profile_that_names_no_role_is_called_what_it_is(
    signed_in: Machine, profile: str, words: tuple[str, ...]
) -> None:
    ran = signed_in.run("keyfob", "credential-process", "--profile", profile)
    refused(ran, wire.EXIT_USAGE, *words)


def test_another_config_file_than_the_daemons_is_refused_naming_both(signed_in: Machine) -> None:
    other = signed_in.home / "other-config"
    other.write_text(CONFIG, encoding="utf-8")
    ran = signed_in.run("keyfob", "credential-process", "--profile", "development", env={"AWS_CONFIG_FILE": str(other)})
    refused(ran, wire.EXIT_NOT_RUNNING, str(other), str(signed_in.config_file))


# --- the shell ----------------------------------------------------------------------------------------------------


def test_a_global_endpoint_and_a_missing_profile_in_the_spawning_shell_do_not_reach_the_daemon(stage: Machine) -> None:
    stage.environ |= {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_PROFILE": "absent"}
    assert stage.sign_in("work").status == 0
    ran = stage.run("keyfob", "exec", ADMIN, "--", "printenv", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
    assert ran.status == 0, ran.err
    assert ran.out.startswith("http://127.0.0.1:")


def test_a_missing_profile_that_stands_for_the_target_is_named(signed_in: Machine) -> None:
    ran = signed_in.run("keyfob", "credential-process", env={"AWS_PROFILE": "absent"})
    refused(ran, wire.EXIT_USAGE, "absent")


def test_without_xdg_runtime_dir_it_works_all_the_same(stage: Machine) -> None:
    del stage.environ["XDG_RUNTIME_DIR"]
    stage.environ["TMPDIR"] = str(stage.home)
    assert stage.sign_in().status == 0
    assert stage.run("keyfob", "exec", ADMIN, "--", "true").status == 0


def test_a_runtime_folder_that_vanished_comes_back_with_the_next_command(stage: Machine) -> None:
    assert stage.sign_in().status == 0
    daemon = stage.daemon()
    assert daemon is not None
    Path(daemon["control"]).unlink()
    folder = Path(stage.environ["XDG_RUNTIME_DIR"])
    (folder / "keyfob").rename(folder / "gone")
    ran = stage.run("keyfob", "exec", ADMIN, "--", "true")
    assert ran.status == 0, ran.err
    assert stage.daemon() == daemon


def test_another_proxy_than_the_daemons_is_said_in_one_line(signed_in: Machine) -> None:
    ran = signed_in.run("keyfob", "status", env={"HTTPS_PROXY": "http://user:hunter2@127.0.0.1:9"})
    assert ran.status == 0
    (line,) = [line for line in ran.err.splitlines() if "HTTPS_PROXY" in line]
    assert "hunter2" not in ran.err + ran.out
    assert "keyfob restart" in line


# --- storage ------------------------------------------------------------------------------------------------------


def test_without_a_keyring_login_and_status_say_that_the_session_ends_with_the_daemon(stage: Machine) -> None:
    stage.environ["KEYFOB_STORAGE_KIND"] = "auto"
    login = stage.sign_in()
    assert login.status == 0
    assert "ends with the daemon: no keyring answers here" in login.err
    assert "set KEYFOB_STORAGE_KIND=key-file, then run: keyfob restart" in login.err
    assert "memory" in stage.run("keyfob", "status").out


def test_a_command_that_cannot_run_ends_as_a_shell_would(signed_in: Machine) -> None:
    assert signed_in.run("keyfob", "exec", ADMIN, "--", "no-such-command").status == wire.EXIT_NOT_FOUND
    plain = signed_in.home / "plain"
    plain.write_text("not a program", encoding="utf-8")
    assert signed_in.run("keyfob", "exec", ADMIN, "--", str(plain)).status == wire.EXIT_NOT_EXECUTABLE
    refused(signed_in.run("keyfob", "exec", "absent", "--", "true"), wire.EXIT_CANNOT_START, "absent")


def test_env_that_fails_leaves_no_earlier_role_in_the_shell(signed_in: Machine) -> None:
    script = 'eval "$(keyfob env absent)"; echo "status $?"; echo "${AWS_CONTAINER_CREDENTIALS_FULL_URI-unset}"'
    ran = signed_in.run("bash", "-c", f'eval "$(keyfob env {ADMIN})"; {script}')
    assert ran.out.splitlines() == [f"status {wire.EXIT_USAGE}", "unset"]


def test_right_after_a_restart_the_session_is_known(stage: Machine) -> None:
    assert stage.sign_in().status == 0
    for _ in range(3):
        assert stage.run("keyfob", "restart").status == 0
        assert stage.run("keyfob", "status", "--check").status == wire.EXIT_DONE


def test_without_a_network_it_is_said_whose_and_what_to_do(stage: Machine) -> None:
    assert stage.sign_in().status == 0
    assert stage.simulator is not None
    stage.simulator.stop()
    ran = stage.run("keyfob", "exec", "ReadOnly@222222222222", "--", "true")
    refused(ran, wire.EXIT_CANNOT_START, "IAM Identity Center (session work)", "run: keyfob status")
    assert stage.run("keyfob", "status", "--check").status == wire.EXIT_UNREACHABLE


def test_after_a_sign_out_nothing_is_listed(stage: Machine) -> None:
    assert stage.sign_in().status == 0
    assert "ReadOnly" in stage.run("keyfob", "list").out
    assert stage.run("keyfob", "logout").status == 0
    refused(stage.run("keyfob", "list"), wire.EXIT_SIGN_IN_NEEDED, "keyfob login work")
