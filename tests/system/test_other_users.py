"""Another user of the machine, with a stolen token, gets nothing (promise 7; Linux, where the kernel tells)."""

from __future__ import annotations

import json
import subprocess

import pytest

from support.machine import machine

NOBODY = 65534
PYTHON = "/usr/bin/python3"  # the one that runs this may lie where others cannot look
FETCH = """\
import sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Authorization": sys.stdin.read()})
try:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        print(answer.status)
except urllib.error.HTTPError as error:
    print(error.code)
    print(error.read().decode(), file=sys.stderr)
"""


@pytest.mark.needs("root", "linux", PYTHON)
def test_another_user_with_a_stolen_token_is_refused() -> None:
    with machine() as stage:
        stage.simulate()
        assert stage.sign_in().status == 0
        found = json.loads(stage.run("keyfob", "env", "ReadOnly@222222222222", "--format", "json").out)["set"]
        url, token = found["AWS_CONTAINER_CREDENTIALS_FULL_URI"], found["AWS_CONTAINER_AUTHORIZATION_TOKEN"]

        answers = {uid: fetch(url, token, uid) for uid in (0, NOBODY)}

    assert answers[0].stdout.strip() == "200", answers[0].stderr
    assert answers[NOBODY].stdout.strip() == "403", answers[NOBODY].stderr
    assert token not in answers[NOBODY].stderr


def fetch(url: str, token: str, uid: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PYTHON, "-c", FETCH, url],
        input=token,
        user=uid,
        cwd="/",
        env={},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
