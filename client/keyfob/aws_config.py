"""``~/.aws/config`` and ``~/.aws/credentials`` as botocore reads them: sections, keys, line numbers, profiles.

Pure, and of the standard library's lightest parts, since hot commands read the caller's files. A test holds it equal to
``botocore.configloader``, which stands on Python's own configparser: keys without regard to case, ``=`` or ``:``,
comments only on lines of their own, indented lines continue a value, a section or key that comes twice is an error.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What configparser puts under every section; nobody's AWS profile, but SDKs in Python obey it.
_EVERYWHERE = "DEFAULT"
_KEYFOB_WORD = "credential-process"
_OPTIONS_WITH_VALUE = ("--profile", "--sso-session", "--account-id", "--role-name")


class ConfigError(ValueError):
    """The file cannot be read with one meaning; ``line`` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message


class Entry:
    """One key's value, its continuation lines joined by newlines, and the line it stands on."""

    __slots__ = ("line", "value")

    def __init__(self, value: str, line: int) -> None:
        self.value = value
        self.line = line

    def nested(self) -> dict[str, str]:
        """The keys inside a value that begins on the next line (``s3 =`` and indented ``addressing_style = path``)."""
        pairs = (line.partition("=") for line in self.value.splitlines() if line.strip())
        return {key.strip(): value.strip() for key, _, value in pairs}


class Section:
    """``[name]`` as written, and what stands below it; keys are lower-case."""

    __slots__ = ("entries", "line", "name")

    def __init__(self, name: str, line: int) -> None:
        self.name = name
        self.line = line
        self.entries: dict[str, Entry] = {}

    def values(self) -> dict[str, str]:
        return {key: entry.value for key, entry in self.entries.items()}

    @property
    def profile(self) -> str | None:
        """The profile that this section of the config file describes; None for sections of another kind."""
        return self.name if self.name == "default" else _named(self.name, "profile")

    @property
    def sso_session(self) -> str | None:
        """The sso-session that this section describes; None for sections of another kind."""
        return _named(self.name, "sso-session")


class Config:
    """A parsed file; sections in the order of the file."""

    __slots__ = ("sections",)

    def __init__(self, sections: Mapping[str, Section]) -> None:
        self.sections = sections


class Profile:
    """A profile by its name; ``values`` holds every key, empty strings for what is not there come from ``get``."""

    __slots__ = ("line", "name", "values")

    def __init__(self, name: str, line: int, values: Mapping[str, str]) -> None:
        self.name = name
        self.line = line
        self.values = values

    def get(self, key: str) -> str:
        return self.values.get(key, "")

    @property
    def legacy(self) -> bool:
        """Whether it holds a session of its own, in the form of before ``sso-session`` sections."""
        return bool(self.get("sso_start_url")) and not self.get("sso_session")

    @property
    def keyfob_target(self) -> str | None:
        """What its ``credential_process`` asks keyfob for, in the words of a TARGET; None where it is not keyfob's."""
        return keyfob_target(self.get("credential_process"))


class SsoSession:
    """An ``[sso-session NAME]`` section."""

    __slots__ = ("line", "name", "region", "scopes", "start_url")

    def __init__(self, name: str, line: int, values: Mapping[str, str]) -> None:
        self.name = name
        self.line = line
        self.start_url = values.get("sso_start_url", "")
        self.region = values.get("sso_region", "")
        scopes = values.get("sso_registration_scopes", "").split(",")
        self.scopes = tuple(scope.strip() for scope in scopes if scope.strip())


def profiles(config: Config) -> dict[str, Profile]:
    """The profiles of a config file by name. Two sections of one name (``[profile a]``, ``[profile "a"]``): the last
    counts, as in botocore."""
    named = ((section.profile, section) for section in config.sections.values())
    return {name: Profile(name, section.line, section.values()) for name, section in named if name is not None}


def sso_sessions(config: Config) -> dict[str, SsoSession]:
    """The sso-sessions of a config file by name."""
    named = ((section.sso_session, section) for section in config.sections.values())
    return {name: SsoSession(name, section.line, section.values()) for name, section in named if name is not None}


def credentials_profiles(credentials: Config) -> dict[str, Profile]:
    """The profiles of a credentials file, where a section's name is the profile's as it stands."""
    return {name: Profile(name, found.line, found.values()) for name, found in credentials.sections.items()}


def keyfob_target(credential_process: str) -> str | None:
    """The TARGET in ``[/any/where/]keyfob credential-process [--option] TARGET``; for ``--account-id`` and
    ``--role-name`` the TARGET of the same meaning; None for any other command."""
    command = words(credential_process)
    if not command or _KEYFOB_WORD not in command[1:] or command[0].rpartition("/")[2] != "keyfob":
        return None
    options, names = _options(command[command.index(_KEYFOB_WORD) + 1 :])
    if len(names) == 1:
        return names[0]
    if "--account-id" in options and "--role-name" in options:
        parts = [options.get("--sso-session", ""), options["--account-id"], options["--role-name"]]
        return "/".join(part for part in parts if part)
    return options.get("--profile")


def _options(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    names: list[str] = []
    rest = iter(arguments)
    for word in rest:
        option, equals, value = word.partition("=")
        if option in _OPTIONS_WITH_VALUE:
            options[option] = value if equals else next(rest, "")
        elif not word.startswith("-"):
            names.append(word)
    return options, names


def parse(text: str) -> Config:
    """The whole file. Raises ConfigError at the first line that has no meaning."""
    if text.startswith("\ufeff"):
        raise ConfigError(1, "the file begins with a byte order mark, which the AWS SDKs take for a part of the text")
    reader = _Reader()
    for number, line in enumerate(_lines(text), start=1):
        reader.take(number, line)
    return reader.config()


def _lines(text: str) -> Iterator[str]:
    # As Python opens text files; str.splitlines would also break at form feeds and at U+2028.
    return iter(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))


class _Reader:
    """Takes line after line; ``_key`` is the one that an indented line would continue."""

    def __init__(self) -> None:
        self._sections: dict[str, Section] = {}
        self._section: Section | None = None
        self._key: list[str] | None = None
        self._values: list[tuple[Entry, list[str]]] = []
        self._indent = 0

    def take(self, number: int, line: str) -> None:
        text = line.strip()
        if text.startswith(("#", ";")):
            return
        if not text:
            if self._key is not None:
                self._key.append("")  # an empty line may stand within a value
            return
        indent = len(line) - len(line.lstrip())
        if self._key is not None and indent > self._indent:
            self._key.append(text)
            return
        self._indent = indent
        closing = text.rfind("]")
        if text.startswith("[") and closing > 1:
            self._begin(number, text[1:closing])
        else:
            self._add(number, text)

    def _begin(self, number: int, name: str) -> None:
        self._key = None
        before = self._sections.get(name)
        if before is not None and name != _EVERYWHERE:
            raise ConfigError(number, f"the section [{name}] is there already, on line {before.line}")
        self._section = self._sections.setdefault(name, Section(name, number))

    def _add(self, number: int, text: str) -> None:
        end = min((at for at in (text.find("="), text.find(":")) if at >= 0), default=-1)
        if self._section is None or end <= 0:
            raise ConfigError(number, self._no_meaning(text))
        key = text[:end].rstrip().lower()
        if key in self._section.entries:
            before = self._section.entries[key].line
            raise ConfigError(number, f"{key} is there already, on line {before} of the same section")
        self._section.entries[key] = entry = Entry("", number)
        self._key = [text[end + 1 :].strip()]
        self._values.append((entry, self._key))

    def _no_meaning(self, text: str) -> str:
        if text.startswith("["):
            return "a [section] does not end in ]"
        if self._section is None:
            return "a [section] must come before the first key"
        return "neither a [section] nor key = value"

    def config(self) -> Config:
        for entry, lines in self._values:
            entry.value = "\n".join(lines).rstrip()
            if entry.value.startswith("\n") and not all("=" in line for line in lines if line):
                raise ConfigError(entry.line, "below a key without a value, each line is key = value")
        everywhere = self._sections.pop(_EVERYWHERE, None)
        if everywhere is not None:
            for section in self._sections.values():
                section.entries = {**everywhere.entries, **section.entries}
        return Config(self._sections)


def _named(section: str, kind: str) -> str | None:
    if not section.startswith(kind):
        return None
    found = words(section)
    return found[1] if found is not None and len(found) == 2 else None


def words(text: str) -> list[str] | None:
    """A line in the shell's words, as ``shlex.split`` (too heavy for hot commands) has them; None for an open quote."""
    found: list[str] = []
    word: str | None = None
    quote = ""
    characters = iter(text)
    for c in characters:
        if quote and c == quote:
            quote = ""
        elif c == "\\" and quote != "'":
            following = next(characters, None)
            if following is None:
                return None
            kept = "\\" if quote and following not in (quote, "\\") else ""
            word = (word or "") + kept + following
        elif quote:
            word = (word or "") + c
        elif c in "'\"":
            quote, word = c, word or ""
        elif c in " \t\r\n":
            found, word = (found, None) if word is None else ([*found, word], None)
        else:
            word = (word or "") + c
    if quote:
        return None
    return found if word is None else [*found, word]
