"""``keyfob env``: what a shell must set and unset, in its own words; it fails closed."""

from __future__ import annotations

import os
from itertools import pairwise

from keyfob import arguments, config_files, environment, syntax, terminal, wire
from keyfob.arguments import Option
from keyfob.commands import role
from keyfob.errors import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from keyfob.arguments import Arguments

WHERE = (
    Option("--region", "REGION", "instead of the profile's"),
    Option("--keys", "", "plain temporary keys; nothing renews them"),
    Option("--no-fetch", "", "do not fetch credentials first"),
    Option("--token-in", "WHERE", "where the endpoint token goes", ("variable", "file", "both")),
    Option("--keep-config", "", "leave AWS_CONFIG_FILE alone, and refuse if [default] would win"),
    arguments.NO_LOGIN,
    arguments.NO_START,
)
OPTIONS = (
    *arguments.TARGET,
    Option("--format", "FORMAT", "else by $SHELL", syntax.FORMATS),
    Option("--clear", "", "take keyfob out of the shell again"),
    *WHERE,
)
_PURPOSE = """Prints what a shell sets and unsets to have a role's credentials: eval "$(keyfob env TARGET)"
Where that fails, what it prints fails in the shell as well, and leaves no earlier role there."""


def run(argv: Sequence[str]) -> int:
    """Exit status. Raises ClientError after it has printed what fails."""
    status = wire.EXIT_FAILED
    try:
        status = _run(argv)
    except KeyboardInterrupt:
        status = wire.EXIT_INTERRUPTED
        raise
    except Exception as error:
        status = getattr(error, "exit_status", wire.EXIT_FAILED)
        raise
    finally:
        if status != wire.EXIT_DONE:
            terminal.write_out(syntax.failing(_clearing(), _format_of(argv), status))
    return status


def _run(argv: Sequence[str]) -> int:
    found = arguments.parse("env", argv, OPTIONS, words=1)
    if "--help" in found:
        terminal.write_out(arguments.help_text("env", "[TARGET] [options]", _PURPOSE, OPTIONS))
        return wire.EXIT_DONE
    if found.rest:
        raise Usage("env runs no command.", "Run: keyfob exec TARGET -- COMMAND")
    form = found.get("--format") or syntax.for_shell(os.environ.get("SHELL", ""))
    change = _clearing() if "--clear" in found else keys(found) if "--keys" in found else endpoint(found)
    terminal.write_out(syntax.render(change, form))
    return wire.EXIT_DONE


def _format_of(argv: Sequence[str]) -> str:
    """The format, as far as a command line tells that perhaps cannot be read."""
    named = [word.partition("=")[2] for word in argv if word.startswith("--format=")]
    named += [following for word, following in pairwise(argv) if word == "--format"]
    usable = [name for name in named if name in syntax.FORMATS]
    return usable[0] if usable else syntax.for_shell(os.environ.get("SHELL", ""))


def _clearing() -> environment.Change:
    return environment.clearing(os.environ, config_files.replaced(os.environ))


def endpoint(found: Arguments) -> environment.Change:
    """The endpoint for the role that is meant, fetched so that tools never meet a cold one. Raises ClientError."""
    answer: wire.EnvAnswer = _asked(found, wire.ENV)  # type: ignore[assignment]  # the contract of wire
    return with_endpoint(found, answer)


def with_endpoint(found: Arguments, answer: wire.EnvAnswer) -> environment.Change:
    """The change for an answer to ENV or EXEC; what a person should know goes to stderr. Raises ClientError."""
    region = found.get("--region")
    instead, why = config_files.keep_default_from_winning(
        answer, os.environ, region=region, keep_config="--keep-config" in found
    )
    role.say_notes([*answer["notes"], *([why] if why else [])])
    token_in = found.get("--token-in") or answer["token_in"]
    return environment.for_endpoint(answer, os.environ, region=region, token_in=token_in, instead=instead)


def keys(found: Arguments) -> environment.Change:
    """Plain keys of the role that is meant. Raises ClientError."""
    answer: wire.EnvAnswer = _asked(found, wire.ENV)  # type: ignore[assignment]  # the contract of wire
    target = f"{answer['session']}/{answer['account_id']}/{answer['role_name']}"
    credentials: wire.CredentialProcessAnswer = role.answered(  # type: ignore[assignment]  # the same
        wire.CREDENTIAL_PROCESS, {"target": target}, start=False, may_ask=False
    )
    role.say_notes([*answer["notes"], f"plain keys: they end at {credentials['Expiration']}, and nothing renews them."])
    return environment.for_keys(answer, credentials, os.environ, region=found.get("--region"))


def _asked(found: Arguments, route: str) -> wire.Answer:
    request = role.wanted(found)
    if "--no-fetch" in found:
        request["fetch"] = False
    may_ask = "--no-login" not in found and terminal.interactive()
    return role.answered(route, request, start="--no-start" not in found, may_ask=may_ask)
