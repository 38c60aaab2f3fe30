"""The daemon's process before the kernel; what changes it is tried in a child."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from keyfobd.adapters.process import own_environment


def test_of_the_spawning_shells_aws_settings_only_five_are_kept() -> None:
    shell = {
        "HOME": "/home/me",
        "KEYFOB_LOG_LEVEL": "debug",
        "HTTPS_PROXY": "http://proxy:3128",
        "AWS_CONFIG_FILE": "/home/me/other",
        "AWS_CA_BUNDLE": "/etc/ca.pem",
        "AWS_ENDPOINT_URL_SSO": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_SSO_OIDC": "http://127.0.0.1:2",
        "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:3",
    }
    meant_for_others = {
        "AWS_PROFILE": "missing",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SHARED_CREDENTIALS_FILE": "/x",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:5",
    }
    assert own_environment(shell | meant_for_others) == shell


CHILD = """
import os, resource
from keyfobd.adapters.process import allow_many_files, harden, take_own_environment
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 4096))
take_own_environment(os.environ)
harden()
allow_many_files()
print(os.environ.get("AWS_PROFILE"))
print(oct(os.umask(0)))
print(resource.getrlimit(resource.RLIMIT_CORE))
print(resource.getrlimit(resource.RLIMIT_NOFILE))
print(os.stat("/proc/self/environ").st_uid)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc and prctl")
def test_a_hardened_process_dumps_no_core_and_opens_many_files() -> None:
    child = subprocess.run(
        [sys.executable, "-c", CHILD], env=os.environ | {"AWS_PROFILE": "x"}, capture_output=True, text=True, check=True
    )
    # The last line: files under /proc of a process that is not dumpable belong to root.
    assert child.stdout.split("\n") == ["None", "0o77", "(0, 0)", "(4096, 4096)", "0", ""]
