"""Settings: ``config.toml`` in the config folder, and ``KEYFOB_<SECTION>_<KEY>`` variables, which go before it.

A section of a session (``[session.NAME]``) has no variables, since a name can hold what a variable's cannot.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast

from keyfobd.adapters import setting_kinds as kinds
from keyfobd.adapters.folders import Folders, standard_folders
from keyfobd.adapters.toml_lines import line_of
from keyfobd.core.errors import ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Kind = Callable[[object], Any]
    Values = dict[tuple[str, str], Any]

KEYS: dict[str, dict[str, Kind]] = {
    "endpoint": {
        "port": kinds.port,
        "token_in": kinds.one_of("variable", "file", "both"),
        "request_deadline": kinds.number_between(0.01, 0.9),
    },
    "storage": {"kind": kinds.one_of("auto", "keyring", "key-file", "memory"), "key_file": kinds.path},
    "aws_cli_cache": {"mode": kinds.one_of("auto", "mirror", "off")},
    "network": {
        "ca_bundle": kinds.ca_bundle,
        "proxy": kinds.proxy,
        "endpoint_sso": kinds.endpoint,
        "endpoint_sso_oidc": kinds.endpoint,
        "endpoint_sts": kinds.endpoint,
        "connect_timeout": kinds.number_between(0.01, 60),
        "read_timeout": kinds.number_between(0.01, 60),
    },
    "limits": {"calls_per_second": kinds.number_between(1, 20)},
    "log": {"level": kinds.one_of("debug", "info", "warning", "error")},
}
SESSION_KEYS: dict[str, Kind] = {
    "browser": kinds.text,
    "callback_port": kinds.port,
    "use_device_code": kinds.yes_or_no,
    "length": kinds.duration,
}


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """``[session.NAME]``: how one session is signed in."""

    browser: str | None = None
    callback_port: int | None = None
    use_device_code: bool = False
    length: float | None = None  # seconds; Identity Center never tells a session's end, the person may


@dataclass(frozen=True, slots=True)
class Settings:
    """What is set, and the facts of the environment that decide how Identity Center is reached. Times in seconds."""

    folders: Folders
    aws_config_file: Path
    endpoint_port: int | None = None
    token_in: Literal["variable", "file", "both"] = "both"  # noqa: S105 - where a token goes, not a token
    request_deadline: float = 0.9  # the most impatient SDKs give up after one second
    storage_kind: Literal["auto", "keyring", "key-file", "memory"] = "auto"
    key_file: Path | None = None
    aws_cli_cache: Literal["auto", "mirror", "off"] = "auto"
    ca_bundle: Path | Literal["system"] | None = None  # None: the certificates that come with botocore
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    no_proxy: str = ""
    endpoint_sso: str | None = None
    endpoint_sso_oidc: str | None = None
    endpoint_sts: str | None = None
    connect_timeout: float = 3.0
    read_timeout: float = 10.0
    calls_per_second: float = 10.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    sessions: Mapping[str, SessionSettings] = field(default_factory=lambda: MappingProxyType({}))

    def session(self, name: str) -> SessionSettings:
        """What is set for one session, or what holds for all."""
        return self.sessions.get(name, SessionSettings())


def load(environ: Mapping[str, str], folders: Folders | None = None) -> Settings:
    """Read everything. Raises ConfigProblem that names all mistakes at once, each with the file and line or the
    variable it is in."""
    folders = folders or standard_folders()
    reader = _Reader(folders.config_file)
    reader.read_file()
    reader.read_variables(environ)
    network = _network(reader, environ)
    config = environ.get("AWS_CONFIG_FILE", "").strip() or "~/.aws/config"
    if reader.mistakes:
        raise ConfigProblem("The settings cannot be used: " + "; ".join(reader.mistakes) + ".")
    named = {
        ("endpoint", "port"): "endpoint_port",
        ("storage", "kind"): "storage_kind",
        ("aws_cli_cache", "mode"): "aws_cli_cache",
        ("log", "level"): "log_level",
    }
    values = {named.get(place, place[1]): value for place, value in reader.values.items()}
    sessions = MappingProxyType({name: SessionSettings(**given) for name, given in reader.sessions.items()})
    return Settings(
        folders=folders,
        aws_config_file=Path(config).expanduser().absolute(),
        sessions=sessions,
        **cast("dict[str, Any]", network | values),
    )


class _Reader:
    """Gathers values and mistakes."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.values: Values = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.mistakes: list[str] = []
        self._text = ""

    def read_file(self) -> None:
        try:
            self._text = self.file.read_text(encoding="utf-8")
            found = tomllib.loads(self._text)
        except FileNotFoundError:
            return
        except OSError as error:
            self.mistakes.append(f"{self.file} cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            self.mistakes.append(f"{self.file} is not UTF-8 text")
        except tomllib.TOMLDecodeError as error:
            self.mistakes.append(f"{self.file} is not TOML: {error}")
        else:
            for name, content in found.items():
                self._read_section(name, content)

    def read_variables(self, environ: Mapping[str, str]) -> None:
        for section, keys in KEYS.items():
            prefix = f"KEYFOB_{section.upper()}_"
            known = {prefix + key.upper(): (key, kind) for key, kind in keys.items()}
            for variable in sorted(v for v in environ if v.startswith(prefix)):
                if variable not in known:
                    self.mistakes.append(f"{variable} is not known{_nearest(variable, known)}")
                elif environ[variable].strip():
                    key, kind = known[variable]
                    self.take(self.values, (section, key), kind, environ[variable].strip(), variable)

    def take(self, into: dict[Any, Any], name: object, kind: Kind, value: object, where: str) -> None:
        """Keep a value if it is of its kind, or the mistake."""
        try:
            into[name] = kind(value)
        except ValueError as error:
            self.mistakes.append(f"{where} {error}")

    def _read_section(self, name: str, content: object) -> None:
        if name == "session":
            self._read_sessions(content)
        elif name not in KEYS:
            self.mistakes.append(f"{self._at(name)}: no section is called {name}{_nearest(name, [*KEYS, 'session'])}")
        elif self._is_table(content, name):
            for key, kind, value in self._known_keys(name, KEYS[name], cast("dict[str, Any]", content)):
                self.take(self.values, (name, key), kind, value, f"{self._at(name, key)}: [{name}] {key}")

    def _read_sessions(self, content: object) -> None:
        for name, given in cast("dict[str, Any]", content).items() if self._is_table(content, "session") else ():
            section = f"session.{name}"
            if self._is_table(given, section):
                into = self.sessions.setdefault(name, {})
                for key, kind, value in self._known_keys(section, SESSION_KEYS, given):
                    self.take(into, key, kind, value, f"{self._at(section, key)}: [{section}] {key}")

    def _known_keys(
        self, section: str, keys: Mapping[str, Kind], given: Mapping[str, Any]
    ) -> Iterable[tuple[str, Kind, Any]]:
        for key, value in given.items():
            if key in keys:
                yield key, keys[key], value
            else:
                self.mistakes.append(
                    f"{self._at(section, key)}: [{section}] has no key called {key}{_nearest(key, keys)}"
                )

    def _is_table(self, content: object, section: str) -> bool:
        if isinstance(content, dict):
            return True
        self.mistakes.append(f"{self._at(section)}: {section} must be a section, [{section}]")
        return False

    def _at(self, section: str, key: str | None = None) -> str:
        line = line_of(self._text, section, key)
        return f"{self.file}, line {line}" if line else str(self.file)


def _network(reader: _Reader, environ: Mapping[str, str]) -> dict[str, Any]:
    """What the environment says of the way to Identity Center, where the settings say nothing. The global
    ``AWS_ENDPOINT_URL`` is not asked: it would send a bearer token to whatever somebody tests against."""
    found: dict[str, Any] = {"no_proxy": environ.get("NO_PROXY") or environ.get("no_proxy") or ""}
    # botocore asks the first two for certificates; the third is OpenSSL's own, which people behind proxies also set.
    certificates = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
    asked: dict[str, tuple[Kind, tuple[str, ...]]] = {
        "ca_bundle": (kinds.ca_bundle, certificates),
        "proxy": (kinds.proxy, ("HTTPS_PROXY", "https_proxy")),
        "endpoint_sso": (kinds.endpoint, ("AWS_ENDPOINT_URL_SSO",)),
        "endpoint_sso_oidc": (kinds.endpoint, ("AWS_ENDPOINT_URL_SSO_OIDC",)),
        "endpoint_sts": (kinds.endpoint, ("AWS_ENDPOINT_URL_STS",)),
    }
    for name, (kind, variables) in asked.items():
        variable = next((v for v in variables if environ.get(v, "").strip()), None)
        if variable is not None and ("network", name) not in reader.values:
            reader.take(found, name, kind, environ[variable].strip(), variable)
    if ("network", "proxy") in reader.values:
        found["no_proxy"] = ""  # a proxy that is set here is meant for every call
    return found


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=2, cutoff=0.6)
    return f" (did you mean {' or '.join(near)}?)" if near else ""
