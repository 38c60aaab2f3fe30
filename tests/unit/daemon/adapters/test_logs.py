"""What never goes into the log."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from keyfobd.adapters.logs import RedactingFormatter, log_to, redacted
from keyfobd.core.errors import StartProblem

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "aoaAAAAAGk9Qx7vT0ThisLooksLikeAToken"


@pytest.mark.parametrize(
    "text",
    [
        f"unexpected answer: {{'accessToken': '{SECRET}', 'expiresIn': 3600}}",
        '"refreshToken":"short"',
        "x-amz-sso_bearer_token: short",
        "Authorization: Bearer short",
        "GET /oauth/callback?code=short&state=1",
        "client_secret=short",
        "clientSecret = short",
        "Invalid type for parameter deviceCode: short",
        f"value {SECRET} is wrong",
        "eyJhbGciOiJIUzI1NiJ9short.eyJzdWIiOiIxMjM0NTY3ODkwIn0short.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9Pshort",
        "key ASIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPshort",
        "proxy http://me:short@proxy:3128/",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    seen = redacted(text)
    assert "***" in seen
    for secret in (SECRET, "short", "ASIAIOSFODNN7", "wJalr"):
        assert secret not in seen


@pytest.mark.parametrize(
    "text",
    [
        "signed in to corp",
        "exit code: 5",
        "renewing corp/111111111111/AdministratorAccess failed: unreachable",
        'File "/usr/lib/python3/dist-packages/keyfobd/adapters/identity_center.py", line 100, in role_credentials',
        "in test_a_long_name_of_a_function_is_no_secret_at_all_here",
        "Port 5393 is taken by nginx (pid 4711, user www-data).",
    ],
)
def test_what_helps_is_left(text: str) -> None:
    assert redacted(text) == text


def test_a_traceback_is_redacted_as_well() -> None:
    with pytest.raises(ValueError, match="invalid") as caught:
        int(SECRET)
    where = (caught.type, caught.value, caught.tb)
    seen = RedactingFormatter().format(logging.LogRecord("keyfobd", logging.ERROR, "x.py", 1, "failed", None, where))
    assert "Traceback" in seen
    assert "ValueError: invalid literal" in seen
    assert SECRET not in seen


def test_what_comes_from_outside_cannot_begin_a_line_of_its_own() -> None:
    record = logging.LogRecord("keyfobd", logging.INFO, "x.py", 1, "said %s", ("x\n2026 forged\x1b[2J",), None)
    assert RedactingFormatter().format(record).endswith(r"said x\x0a2026 forged\x1b[2J")


CHILD = """
import logging, pathlib, sys
from keyfobd.adapters.logs import log_to
log_to(pathlib.Path(sys.argv[1]), "debug")
logging.getLogger("keyfobd.x").debug("ours")
logging.getLogger("botocore.endpoint").debug("a request's body")
logging.getLogger("aiohttp.server").error("a request's bytes")
"""


def test_libraries_do_not_log_what_they_send_even_when_we_debug(tmp_path: Path) -> None:
    file = tmp_path / "keyfobd.log"
    subprocess.run([sys.executable, "-c", CHILD, str(file)], check=True)
    (line,) = file.read_text().splitlines()
    assert line.endswith("DEBUG keyfobd.x: ours")


def test_a_log_that_cannot_be_opened_is_no_bug(tmp_path: Path) -> None:
    with pytest.raises(StartProblem, match=f"The log {tmp_path} cannot be opened: Is a directory."):
        log_to(tmp_path, "info")
