"""Which clients get credentials by which way of handing over the endpoint token, and with how many requests."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.machine import BIN
from support.sources import ROOT

if TYPE_CHECKING:
    from support.machine import Machine
    from support.relay import Relay
    from support.signed_service import SignedService

PROGRAMS = Path(__file__).parent / "programs"
BUILD = ROOT / ".build"
PYTHON = BUILD / "sdks-venv/bin"
NEWEST = Path(os.environ.get("KEYFOB_SDKS_NODE_MODULES", BUILD / "sdks-node/newest/node_modules"))
IMPATIENT = Path(os.environ.get("KEYFOB_SDKS_IMPATIENT_NODE_MODULES", BUILD / "sdks-node/impatient/node_modules"))
PATIENCE = 60  # seconds; object_store without a token file asks elsewhere for several
TARGET = "ReadOnly@222222222222"
WAYS = ("variable", "file", "both")


@dataclass(frozen=True, slots=True)
class Client:
    """``blind``: the way of handing over the token that this client does not know; it has no credentials then."""

    family: str
    command: tuple[str, ...]
    node_modules: Path | None = None
    blind: str = ""


def python(family: str, program: str, blind: str = "") -> Client:
    return Client(family, (str(PYTHON / "python"), str(PROGRAMS / program)), blind=blind)


def node(family: str, program: str, node_modules: Path, blind: str = "") -> Client:
    return Client(family, ("node", str(PROGRAMS / program)), node_modules, blind)


RCLONE = ":s3,provider=Other,env_auth=true,region=us-east-1,endpoint='{service}':"
CLIENTS = [
    python("botocore (boto3)", "boto3_program.py"),
    Client("botocore (AWS CLI 1)", (str(BIN / "aws"), "s3api", "list-buckets", "--endpoint-url", "{service}")),
    python("aws-c-auth (awscrt)", "awscrt_program.py"),
    python("aws-sdk-cpp (pyarrow)", "pyarrow_program.py"),
    python("aws-sdk-rust (icechunk)", "icechunk_program.py"),
    python("object_store (obstore)", "obstore_program.py", blind="variable"),
    Client(
        "aws-sdk-go-v2 (rclone)",
        (str(PYTHON / "rclone"), "--config", "/dev/null", "--retries", "1", "--low-level-retries", "1", "lsd", RCLONE),
    ),
    node("aws-sdk-js-v3, newest", "default_provider.js", NEWEST),
    node("aws-sdk-js-v3 3.699.0", "default_provider.js", IMPATIENT),
    node("aws-sdk-js-v3, fromContainerMetadata", "container_metadata.js", NEWEST, blind="file"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.family)
def test_a_client_has_credentials_with_one_request(
    client: Client,
    way: str,
    signed_in: Machine,
    endpoint: Relay,
    service: SignedService,
    held_key: str,
    outcomes: dict[str, dict[str, str]],
) -> None:
    if client.node_modules is not None and not client.node_modules.is_dir():
        pytest.skip(f"no {client.node_modules}")
    endpoint.forget()
    service.keys.clear()

    ran = run(client, environment(signed_in, way, endpoint, service, client), service.url)

    keys = service.keys | set(ran.stdout.split())
    good = held_key in keys
    said = " and a warning" if good and ran.stderr.strip() else ""
    requests = len(endpoint.requests)
    row = outcomes.setdefault(client.family, dict.fromkeys(WAYS, "not run"))
    row[way] = f"{requests} request{'s' if requests != 1 else ''}{said}" if good else "no credentials"
    if way == client.blind:
        assert not good, "this client has learned a way that it did not know"
    else:
        assert good, ran.stderr
        assert endpoint.statuses == [200], endpoint.requests


def environment(
    signed_in: Machine, way: str, endpoint: Relay, service: SignedService, client: Client
) -> dict[str, str]:
    """What ``keyfob env`` sets, by way of the relay."""
    given = json.loads(signed_in.run("keyfob", "env", TARGET, "--format", "json", "--token-in", way).out)
    url = given["set"]["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    daemon = signed_in.daemon()
    assert daemon is not None
    changed: dict[str, str] = {
        name: value for name, value in signed_in.environ.items() if name not in given["unset"]
    } | given["set"]
    changed["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url.replace(f":{daemon['port']}/", f":{endpoint.port}/")
    changed |= {"AWS_REGION": "us-east-1", "SERVICE": service.url}
    if client.node_modules is not None:
        changed["NODE_PATH"] = str(client.node_modules)
    return changed


def run(client: Client, environ: dict[str, str], url: str) -> subprocess.CompletedProcess[str]:
    """A client that gives up late has not got its credentials either."""
    command = [word.format(service=url) for word in client.command]
    try:
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, -1, "", f"gave up after {PATIENCE} s")
