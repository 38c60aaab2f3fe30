"""The contract between the thin client and the daemon: places, routes, fields, error codes, protocol version.

Both sides import this module and nothing else of each other (the daemon may also import ``aws_config``). It is on the
client's hot path, so it imports os, sys and json alone; the shapes below ``TYPE_CHECKING`` exist for mypy and readers.

A request is ``POST /v1/WORD`` over the Unix socket, HTTP/1.0, with a JSON object as its body and the protocol number in
``Keyfob-Protocol``. An answer is one JSON object (``application/json``), or for ``login`` one object a line
(``application/jsonl``). An error is a status of 400 or more with an ``ErrorAnswer``.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal, NotRequired, TypedDict

PROTOCOL = 1
"""Rises when a request or an answer changes its meaning. The daemon accepts this number and the one before."""

PROTOCOL_HEADER = "Keyfob-Protocol"

# Exit statuses (design §12); `exec` adds the command's own, and 125 to 127 as a shell has them.
EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_SIGN_IN_NEEDED = 3
EXIT_NOT_PERMITTED = 4
EXIT_UNREACHABLE = 5
EXIT_NOT_RUNNING = 6
EXIT_CANNOT_START = 125
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127
EXIT_INTERRUPTED = 130

# Routes: one word per action, the same as on the command line.
CREDENTIAL_PROCESS = "/v1/credential-process"
ENV = "/v1/env"
EXEC = "/v1/exec"
LIST = "/v1/list"
LOGIN = "/v1/login"
LOGOUT = "/v1/logout"
STATUS = "/v1/status"
STOP = "/v1/stop"
STORAGE = "/v1/storage"
TOKEN_LIST = "/v1/token/list"  # noqa: S105 - a route, not a token
TOKEN_REVOKE = "/v1/token/revoke"  # noqa: S105 - a route, not a token
VERSION = "/v1/version"

SERVICE_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_SSO_OIDC", "AWS_ENDPOINT_URL_STS")
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
CA_VARIABLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
NETWORK_VARIABLES = SERVICE_ENDPOINT_VARIABLES + PROXY_VARIABLES + CA_VARIABLES
"""What decides how Identity Center is reached; the daemon's own count, a client whose own differ is told so."""

LOCK_FILE = "daemon.lock"
DAEMON_FILE = "daemon.json"
START_LOCK_FILE = "start.lock"
LOG_FILE = "keyfobd.log"
CONTROL_SOCKET = "control.sock"


def state_folder(environ: Mapping[str, str] = os.environ) -> str:
    """The folder of what must outlive the daemon. Equal to platformdirs' state folder (a test holds it so), with a
    folder for this machine below it, since homes are shared between machines and daemons are not."""
    base = environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # a relative one is to be ignored, says the XDG specification
        inside = ("Library", "Application Support") if sys.platform == "darwin" else (".local", "state")
        base = os.path.join(os.path.expanduser("~"), *inside)
    return os.path.join(base, "keyfob", machine_name())


def machine_name() -> str:
    """A name that stays with this machine. The host name changes with the network on many laptops, so it is only the
    second choice; containers of one image often share an empty machine-id and differ by host name."""
    try:
        with open("/etc/machine-id", "rb") as file:
            machine_id = file.read().strip().decode(errors="replace")
    except OSError:
        machine_id = ""
    if len(machine_id) == 32 and machine_id.isalnum() and machine_id.isascii():
        return machine_id[:12]
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in os.uname().nodename) or "localhost"


def process_start_time(pid: int) -> str:
    """When a process started, in the kernel's own words: with the pid it names one process for ever.
    Empty where it cannot be told (no such process, or no /proc)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The second field is the program's name in brackets and may hold anything, brackets included.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    return fields[19].decode() if len(fields) > 19 else ""


def read_daemon_file(folder: str) -> DaemonFile | None:
    """What the running (or the last) daemon wrote of itself; None where there is none or it cannot be used."""
    try:
        with open(os.path.join(folder, DAEMON_FILE), "rb") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("pid"), int) or "control" not in found:
        return None
    return found  # type: ignore[return-value]  # written by lifecycle alone, 0600


def without_password(url: str) -> str:
    """A URL as it may be shown: what stands between ``//`` and ``@`` is a user name and a password."""
    scheme, separator, rest = url.partition("//")
    if not separator:
        scheme, rest = "", url
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        authority = "***@" + authority.rpartition("@")[2]
    return scheme + separator + authority + slash + path


def network_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that decide how Identity Center is reached, without passwords."""
    return {name: without_password(environ[name]) for name in NETWORK_VARIABLES if environ.get(name)}


if TYPE_CHECKING:

    class DaemonFile(TypedDict):
        """``daemon.json`` in the state folder: how a client finds the daemon."""

        pid: int
        start_time: str
        control: str  # the Unix socket's path
        port: int
        version: str
        protocol: int
        config_file: str  # the ~/.aws/config in use

    class Wanted(TypedDict, total=False):
        """Which role: the words a person typed. ``config_file`` goes with every request that names a profile."""

        target: str
        profile: str
        sso_session: str
        account_id: str
        role_name: str
        partial: bool  # a part of a name may match; the client then asks
        config_file: str  # the caller's own, AWS_CONFIG_FILE resolved to an absolute path
        fetch: bool  # fetch credentials before answering (default true); false for --no-fetch
        keep: int  # exec only: seconds the token lives when its process is gone

    class RoleAnswer(TypedDict):
        """A role as a person knows it."""

        session: str
        account_id: str
        account_name: str | None
        role_name: str
        profile: str | None  # the profile typed, or the one profile that names this role
        region: str | None  # that profile's region
        label: str  # "ROLE@ACCOUNT-NAME-OR-ID", for prompts and messages

    class EnvAnswer(RoleAnswer):
        """What ``env`` and ``exec`` need."""

        url: str
        token: str
        token_file: str
        token_in: Literal["variable", "file", "both"]  # the daemon's setting; the command line goes before
        keyfob_profile: str | None  # a profile of keyfob's own for exactly this role
        expires_at: str | None
        notes: list[str]  # said on stderr, a line each: "offline, but …"

    class CredentialProcessAnswer(TypedDict):
        """What ``credential_process`` wants, to the letter: the client prints it as it comes."""

        Version: Literal[1]
        AccessKeyId: str
        SecretAccessKey: str
        SessionToken: str
        Expiration: str
        AccountId: NotRequired[str]

    class LoginRequest(TypedDict, total=False):
        session: str  # a session's name or a profile's; absent: the only one there is
        profile: str
        flow: Literal["pkce", "device"]
        force: bool
        config_file: str

    class LoginEvent(TypedDict, total=False):
        """``visit`` (open or show url; code with the device flow), ``waiting`` (still), ``done``, ``failed``."""

        event: Literal["visit", "waiting", "done", "failed"]
        url: str
        code: str
        expires_at: str
        session: str
        start_url: str
        already: bool  # done: was signed in before, nothing was asked
        message: str
        hint: str
        exit: int
        notes: list[str]  # done: "the session ends with the daemon", …
        storage: StorageAnswer

    class LogoutRequest(TypedDict, total=False):
        session: str
        profile: str
        all: bool
        config_file: str

    class LoggedOut(TypedDict):
        name: str
        start_url: str
        portal: Literal["signed-out", "not-reached", "was-not-signed-in"]
        detail: str

    class LogoutAnswer(TypedDict):
        sessions: list[LoggedOut]

    class ListRequest(TypedDict, total=False):
        session: str
        refresh: bool

    class AccountAnswer(TypedDict):
        session: str
        account_id: str
        account_name: str | None
        email: str | None
        roles: list[str]

    class ListAnswer(TypedDict):
        accounts: list[AccountAnswer]
        notes: list[str]

    class DaemonStatus(TypedDict):
        version: str
        pid: int
        protocol: int
        started_at: str
        endpoint: str
        peer_check: str
        config_file: str
        network: dict[str, str]  # network_environment() of the daemon, and settings that differ
        detail: str | None  # what is wrong with the daemon itself, e.g. a config file that no longer parses

    class SessionStatus(TypedDict):
        name: str
        start_url: str
        region: str
        state: Literal["signed-out", "signing-in", "signed-in", "offline", "sign-in-needed", "locked"]
        token_expires_at: str | None
        session_ends_at: str | None
        needs: Literal["login", "unlock", "network", "configure"] | None
        detail: str | None

    class RoleStatus(TypedDict):
        session: str
        account_id: str
        account_name: str | None
        role_name: str
        expires_at: str | None
        renew_at: str | None
        last_used_at: str | None
        state: Literal["fresh", "renewing", "failing", "expired", "not-permitted", "waiting-for-sign-in"]
        detail: str | None

    class StorageAnswer(TypedDict):
        kind: Literal["keyring", "key-file", "memory", "opening", "locked"]
        detail: str | None  # null when all is well; else it stands behind a colon
        offer_key_file: NotRequired[bool]  # there is no keyring, and a key file would help; absent: it would not

    class StorageRequest(TypedDict):
        kind: Literal["key-file"]

    class StatusRequest(TypedDict, total=False):
        check: bool  # asked at each prompt of a shell: nothing is tried that could take time or bring up a dialog

    class StatusAnswer(TypedDict):
        daemon: DaemonStatus
        sessions: list[SessionStatus]
        roles: list[RoleStatus]
        storage: StorageAnswer

    class TokenAnswer(TypedDict):
        id: str
        kind: Literal["standing", "exec"]
        label: str
        roles: list[str]  # "SESSION/ACCOUNT-ID/ROLE"
        created_at: str
        last_used_at: str | None
        pid: int | None

    class TokenListAnswer(TypedDict):
        tokens: list[TokenAnswer]

    class TokenRevokeRequest(TypedDict, total=False):
        id: str
        all: bool

    class TokenRevokeAnswer(TypedDict):
        revoked: list[str]

    class VersionAnswer(TypedDict):
        version: str
        protocol: int
        pid: int

    class ErrorAnswer(TypedDict, total=False):
        code: str
        message: str  # one line: what is the matter
        hint: str  # one line that ends in the command to run; may be empty
        exit: int
        session: str  # sign-in-needed: which session
        candidates: list[str]  # ambiguous: what fits, each a TARGET that fits alone; unknown: the nearest names

    Answer = dict[str, Any]
