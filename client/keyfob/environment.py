"""What a child or a shell must set and unset to have a role's credentials, and what would beat the endpoint. Pure.

Every name and rule comes from how SDKs look for credentials; `reference/sdk-contract.md` has the programs that show it.
"""

from __future__ import annotations

from keyfob import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from keyfob.aws_config import Config

URL = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 - the variable's name
TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - the variable's name
REGION = ("AWS_REGION", "AWS_DEFAULT_REGION")
PROFILE = "AWS_PROFILE"
FILES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
OURS = ("KEYFOB_ROLE", "KEYFOB_SESSION")
NO_PROXY = ("NO_PROXY", "no_proxy")
LOOPBACK = ("127.0.0.1", "localhost")
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION")

COMPETITORS = (
    # Wins over FULL_URI in nearly every SDK, and breaks botocore, Rust and object_store when it is there but empty.
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    *KEYS,
    "AWS_SECURITY_TOKEN",  # the session token's old name, still read by botocore and boto
    "AWS_ACCESS_KEY",  # Java and old tools
    "AWS_SECRET_KEY",
    "AWS_CREDENTIAL_FILE",  # botocore's way of before 2013, asked before containers are
    PROFILE,
    "AWS_DEFAULT_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
)
"""Variables that SDKs ask before the endpoint, or that name another identity."""

_YIELDING = (
    "aws_access_key_id",
    "credential_process",
    "role_arn",
    "web_identity_token_file",
    "login_session",
    # Any one of these makes one SDK or another take the profile for an SSO profile, and fail if the rest is missing.
    "sso_session",
    "sso_start_url",
    "sso_account_id",
    "sso_role_name",
)


class Change:
    """Variables to set, in the order in which they are shown, and variables that must not be there."""

    __slots__ = ("set", "unset")

    def __init__(self, set: Mapping[str, str], unset: Iterable[str] = ()) -> None:  # noqa: A002 - what `json` calls it
        self.set = dict(set)
        self.unset = tuple(sorted(name for name in unset if name not in self.set))

    def applied_to(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The environment of a child."""
        kept = {name: value for name, value in environ.items() if name not in self.unset}
        return {**kept, **self.set}


class Finding:
    """Something in the caller's files that SDKs would use instead of the endpoint."""

    __slots__ = ("file", "key", "line")

    def __init__(self, file: str, line: int, key: str) -> None:
        self.file = file
        self.line = line
        self.key = key

    def __str__(self) -> str:
        return f"[default] in {self.file} has {self.key} (line {self.line})"


def for_endpoint(
    answer: wire.EnvAnswer, environ: Mapping[str, str], *, region: str, token_in: str, instead: Mapping[str, str]
) -> Change:
    """The endpoint for one role. ``region`` may be empty, ``token_in`` is variable, file or both, ``instead`` is what
    keeps ``[default]`` from winning (``profile_instead`` or the two stand-in files)."""
    tokens = {TOKEN: answer["token"], TOKEN_FILE: answer["token_file"]}
    left_out = {"variable": TOKEN_FILE, "file": TOKEN}.get(token_in)
    changes = {URL: answer["url"]}
    changes.update((name, value) for name, value in tokens.items() if name != left_out)
    changes.update(_common(answer, environ, region))
    changes["AWS_EC2_METADATA_DISABLED"] = "true"  # a failure must not end in slow tries for an instance's role
    changes.update(no_proxy(environ))
    changes.update(instead)
    return Change(changes, (*COMPETITORS, TOKEN, TOKEN_FILE))


def for_keys(
    answer: wire.RoleAnswer,
    credentials: wire.CredentialProcessAnswer,
    environ: Mapping[str, str],
    *,
    region: str,
) -> Change:
    """Plain temporary keys, for places that cannot reach the daemon."""
    changes = {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
        "AWS_CREDENTIAL_EXPIRATION": credentials["Expiration"],
    }
    return Change({**changes, **_common(answer, environ, region)}, (*COMPETITORS, URL, TOKEN, TOKEN_FILE))


def _common(answer: wire.RoleAnswer, environ: Mapping[str, str], region: str) -> dict[str, str]:
    region = region or answer["region"] or _only_one(environ)
    regions = dict.fromkeys(REGION, region) if region else {}  # without one, the shell's own two stay
    return {**regions, "KEYFOB_ROLE": answer["label"], "KEYFOB_SESSION": answer["session"]}


def _only_one(environ: Mapping[str, str]) -> str:
    """The shell's region where it has that under one name alone: AWS CLI 1 and botocore read AWS_DEFAULT_REGION, every
    other SDK AWS_REGION."""
    found = [environ[name] for name in REGION if environ.get(name)]
    return found[0] if len(found) == 1 else ""


def clearing(environ: Mapping[str, str], restored_files: Mapping[str, str | None]) -> Change:
    """Takes keyfob out of a shell, and every other identity with it. ``restored_files`` are the file variables that
    stand-ins hold now, with what they held before.

    What can be the shell's own is left alone where keyfob was not at work: regions, and NO_PROXY with other entries.
    """
    unset = {URL, TOKEN, TOKEN_FILE, *COMPETITORS, *OURS, "AWS_EC2_METADATA_DISABLED"}
    if "KEYFOB_ROLE" in environ:
        unset.update(REGION)
    unset.update(name for name in NO_PROXY if environ.get(name) == ",".join(LOOPBACK))
    unset.update(restored_files)
    return Change({name: value for name, value in restored_files.items() if value is not None}, unset)


def no_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """Both spellings with the loopback names added: the Rust SDK, object_store and others hand the endpoint's request
    and token to an HTTP proxy otherwise. A caller's list in one spelling counts for both."""
    existing = {name: environ.get(name) or environ.get(_other(name)) or "" for name in NO_PROXY}
    return {name: _with_loopback(value) for name, value in existing.items()}


def _other(name: str) -> str:
    return name.lower() if name.isupper() else name.upper()


def _with_loopback(value: str) -> str:
    entries = [entry.strip() for entry in value.split(",") if entry.strip()]
    return ",".join([*entries, *(name for name in LOOPBACK if name not in entries)])


def what_would_win(file: str, config: Config, *, credentials: bool) -> list[Finding]:
    """What ``[default]`` of one file holds that SDKs use before they ask the endpoint."""
    found = []
    for section in config.sections.values():
        if (section.name if credentials else section.profile) == "default":
            found += [Finding(file, section.entries[key].line, key) for key in _YIELDING if key in section.entries]
    return found


def network_differs(environ: Mapping[str, str], of_daemon: Mapping[str, str]) -> list[str]:
    """The proxy, CA and service endpoint variables in which a client differs from its daemon."""
    own = wire.network_environment(environ)
    return [name for name in wire.NETWORK_VARIABLES if _told(name, own) != _told(name, of_daemon)]


def _told(name: str, network: Mapping[str, str]) -> object:
    value = network.get(name, "")
    # A shell of ours has the loopback names in it, the daemon need not.
    return {entry.strip() for entry in value.split(",")} - {*LOOPBACK, ""} if name in NO_PROXY else value


_DAEMON_NAMES = frozenset(
    (
        *("HOME", "PATH", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "LANGUAGE", "TZ"),
        *("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "GNOME_KEYRING_CONTROL"),
        *("ALL_PROXY", "all_proxy", *wire.NETWORK_VARIABLES),
        "AWS_CONFIG_FILE",
    )
)
_DAEMON_PREFIXES = ("LC_", "XDG_", "KEYFOB_")


def of_daemon(environ: Mapping[str, str]) -> dict[str, str]:
    """What the daemon is given of the environment of whoever starts it (design §8): a profile, a global endpoint or
    keys that one shell happens to hold must not decide for all others."""
    return dict(_for_daemon(environ))


def _for_daemon(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in environ.items():
        if name in _DAEMON_NAMES or (name.startswith(_DAEMON_PREFIXES) and name not in OURS):
            yield name, value
