"""The words of all commands but the hot ones, which read theirs by hand."""

from __future__ import annotations

import argparse

from keyfob import terminal
from keyfob.commands import daemon, listing, login, status, token
from keyfob.errors import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

_DESCRIPTION = "Sign in to AWS IAM Identity Center once; every tool on the machine has fresh credentials."
_HOT = """
also commands (each has --help):
  env                 print what a shell sets to have a role's credentials
  exec                become a command that has a role's credentials
  credential-process  print credentials for a profile's credential_process

TARGET is a profile, ROLE@ACCOUNT, ACCOUNT-ID/ROLE or SESSION/ACCOUNT-ID/ROLE.
"""

_COMMANDS = (
    *("login", "logout", "list", "env", "exec", "credential-process", "status", "start", "stop", "restart", "version"),
    "token",
)
"""Every one, the hot ones too."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as everything else of keyfob does: in one line."""

    def error(self, message: str) -> NoReturn:
        raise Usage(f"{message}.", f"See: {self.prog} --help")

    def _print_message(self, message: str, file: object = None) -> None:
        del file  # help is a result, and the only thing argparse still prints
        terminal.write_out(message)


def run(argv: Sequence[str]) -> int:
    """Exit status of a command that is not hot. Raises ClientError."""
    parser = build()
    _check_command(argv[0] if argv else "--help")
    options = parser.parse_args(list(argv))
    if options.run is None:
        parser.print_help()
        return Usage.exit_status
    command: Callable[[argparse.Namespace], int] = options.run
    return command(options)


def _check_command(word: str) -> None:
    """Raises Usage for what is no command: argparse would name those it knows, and it does not know the hot ones."""
    if word in _COMMANDS or word in {"-h", "--help"}:
        return
    if word.startswith("-"):
        raise Usage(f"{word} is no option of keyfob itself: options come after the command.", "See: keyfob --help")
    import difflib  # noqa: PLC0415 - only for those who mistyped

    near = difflib.get_close_matches(word, _COMMANDS, n=1, cutoff=0.6)
    meant = f" Did you mean {near[0]}?" if near else ""
    raise Usage(f"There is no command {word!r}.{meant} There are: {', '.join(_COMMANDS)}.", "See: keyfob --help")


def build() -> argparse.ArgumentParser:
    """The parser of everything but the hot commands."""
    parser = _Parser(
        prog="keyfob", description=_DESCRIPTION, epilog=_HOT, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )  # fmt: skip
    parser.set_defaults(run=None)
    parser.add_argument("--debug", action="store_true", help="show where in keyfob an error came from")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
    for add in (_login, _logout, _list, _status, _daemon, _token):
        add(commands)
    return parser


Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse gives it no public name


def _command(commands: Commands[_Parser], name: str, run: Callable[[argparse.Namespace], int], help: str) -> _Parser:  # noqa: A002 - argparse's word
    parser = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
    parser.set_defaults(run=run)
    return parser


def _session(parser: _Parser, *, profile: bool = True) -> None:
    parser.add_argument("session", nargs="?", metavar="SESSION", help="a session's name, or a profile's")
    parser.add_argument("--sso-session", metavar="NAME", help="the same, as the AWS CLI has it")
    if profile:
        parser.add_argument("--profile", metavar="NAME", help="the session of this profile (else AWS_PROFILE, if set)")


def _no_start(parser: _Parser) -> None:
    parser.add_argument("--no-start", action="store_true", help="do not start the daemon when it is not running")


def _login(commands: Commands[_Parser]) -> None:
    parser = _command(commands, "login", login.run_login, "sign in to IAM Identity Center")
    _session(parser)
    parser.add_argument("--all", action="store_true", help="every session that needs it")
    parser.add_argument(
        "--device-code", "--use-device-code", action="store_true", help="sign in with a code, on any machine's browser"
    )
    parser.add_argument("--no-browser", action="store_true", help="show the address, open nothing")
    parser.add_argument("--qr", action="store_true", help="show the address as a QR code as well")
    parser.add_argument("--force", action="store_true", help="end the session there is, and sign in anew")
    _no_start(parser)


def _logout(commands: Commands[_Parser]) -> None:
    parser = _command(commands, "logout", login.run_logout, "sign out, and forget tokens and credentials")
    _session(parser)
    parser.add_argument("--all", action="store_true", help="every session")


def _list(commands: Commands[_Parser]) -> None:
    parser = _command(commands, "list", listing.run, "list the accounts and roles you are entitled to")
    _session(parser, profile=False)
    parser.add_argument("--refresh", action="store_true", help="ask Identity Center anew")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--no-login", action="store_true", help="never ask for a sign-in")
    _no_start(parser)


def _status(commands: Commands[_Parser]) -> None:
    parser = _command(commands, "status", status.run, "say how things are and what needs doing")
    _session(parser, profile=False)
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument(
        "--check",
        action="store_true",
        help="no output: exit status 0 ready, 3 sign-in needed, 5 offline with nothing valid, 6 not running",
    )


def _daemon(commands: Commands[_Parser]) -> None:
    _command(commands, "start", daemon.run_start, "start the daemon, if it is not running")
    _command(commands, "stop", daemon.run_stop, "stop the daemon")
    _command(commands, "restart", daemon.run_restart, "stop the daemon, if it is running, and start it")
    _command(commands, "version", daemon.run_version, "print the version")


def _token(commands: Commands[_Parser]) -> None:
    group = commands.add_parser("token", help="list and revoke endpoint tokens", allow_abbrev=False)
    words = group.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser, required=True)
    listed = _command(words, "list", token.run_list, "list the endpoint tokens that consumers hold")
    listed.add_argument("--json", action="store_true", help="as JSON")
    revoke = _command(words, "revoke", token.run_revoke, "revoke an endpoint token")
    revoke.add_argument("id", nargs="?", metavar="ID", help="as token list shows it")
    revoke.add_argument("--all", action="store_true", help="every one")
