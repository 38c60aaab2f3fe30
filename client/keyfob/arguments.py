"""The options of hot commands, read by hand (argparse would cost each of them 4 ms), each described once."""

from __future__ import annotations

from keyfob.errors import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Option:
    """``--name`` or, with a metavar, ``--name VALUE``; ``alias`` is another spelling, the AWS CLI's."""

    __slots__ = ("choices", "help", "metavar", "name")

    def __init__(self, name: str, metavar: str, help: str, choices: Sequence[str] = ()) -> None:  # noqa: A002 - argparse's word
        self.name = name
        self.metavar = metavar
        self.help = help
        self.choices = choices


class Arguments:
    """What was typed: options by name, words that are no options, and what follows ``--`` (None without one)."""

    __slots__ = ("options", "rest", "words")

    def __init__(self, options: dict[str, str], words: list[str], rest: list[str] | None) -> None:
        self.options = options
        self.words = words
        self.rest = rest

    def __contains__(self, name: str) -> bool:
        return name in self.options

    def get(self, name: str) -> str:
        """The value of an option, or an empty string."""
        return self.options.get(name, "")


HELP = Option("--help", "", "show this and exit")

TARGET = (
    Option("--profile", "NAME", "the role of this profile, instead of TARGET (else AWS_PROFILE, if set)"),
    Option("--sso-session", "NAME", "the session, where the rest does not say it"),
    Option("--account-id", "ID", "the account, with --role-name instead of TARGET"),
    Option("--role-name", "NAME", "the permission set, with --account-id"),
)
NO_START = Option("--no-start", "", "do not start the daemon when it is not running")
NO_LOGIN = Option("--no-login", "", "never ask for a sign-in")


def parse(command: str, argv: Sequence[str], known: Sequence[Option], *, words: int) -> Arguments:
    """Sorts a command line. Raises Usage for what is unknown or lacks its value, or for more than ``words`` words."""
    by_name = {option.name: option for option in (*known, HELP)}
    found = Arguments({}, [], None)
    rest = iter(argv)
    for word in rest:
        if word == "--":
            found.rest = list(rest)
        elif word.startswith("-") and word != "-":
            name, equals, value = ("--help", "", "") if word == "-h" else word.partition("=")
            option = by_name.get(name)
            if option is None:
                raise Usage(f"{command}: there is no option {name}.", f"See: keyfob {command} --help")
            found.options[name] = _value(command, option, value if equals else None, rest)
        else:
            found.words.append(word)
    if len(found.words) > words and "--help" not in found:
        raise Usage(f"{command}: {found.words[words]} is one word too many.", f"See: keyfob {command} --help")
    return found


def _value(command: str, option: Option, given: str | None, rest: Iterator[str]) -> str:
    if not option.metavar:
        if given is not None:
            raise Usage(f"{command}: {option.name} takes no value.", f"See: keyfob {command} --help")
        return "yes"
    value = next(rest, None) if given is None else given
    if not value:
        raise Usage(f"{command}: {option.name} needs {option.metavar}.", f"See: keyfob {command} --help")
    if option.choices and value not in option.choices:
        raise Usage(f"{command}: {option.name} is one of {', '.join(option.choices)}, not {value}.")
    return value


def help_text(command: str, usage: str, purpose: str, options: Sequence[Option]) -> str:
    """What ``--help`` prints."""
    rows = [(f"{option.name} {option.metavar}".rstrip(), option) for option in (*options, HELP)]
    width = max(len(left) for left, _ in rows)
    lines = [f"usage: keyfob {command} {usage}".rstrip(), "", purpose, "", "options:"]
    for left, option in rows:
        choices = f" ({', '.join(option.choices)})" if option.choices else ""
        lines.append(f"  {left:<{width}}  {option.help}{choices}")
    return "\n".join(lines) + "\n"


def duration(text: str) -> int:
    """Seconds in ``90s``, ``30m``, ``8h``, ``2d``, or a bare number of seconds. Raises Usage."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise Usage(f"{text} is no duration.", "Write 90s, 30m, 8h or 2d.")
    return int(number) * units[unit]
