"""A change of the environment in the words of each shell and format. Pure; a test has the shells read it back."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keyfob.environment import Change

FORMATS = ("bash", "zsh", "fish", "powershell", "dotenv", "json", "terragrunt")

_OF_SHELL = {"zsh": "zsh", "fish": "fish", "pwsh": "powershell", "powershell": "powershell"}
# PowerShell takes typographic quotes for quotes.
_POWERSHELL_QUOTES = "'\u2018\u2019\u201a\u201b"
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:,@%+")
_DOTENV_REMARK = (
    "# 127.0.0.1 is this machine: in a container with a network of its own nobody answers there.\n"
    "# For such places: keyfob env --keys\n"
)


def for_shell(shell: str) -> str:
    """The format for a ``$SHELL``; sh, dash and ksh understand what is written for bash."""
    return _OF_SHELL.get(shell.rpartition("/")[2], "bash")


def render(change: Change, syntax: str) -> str:
    """The whole text for stdout. ``syntax`` is one of FORMATS."""
    return _RENDER[syntax](change)


def failing(change: Change, syntax: str, status: int) -> str:
    """The same with a last command that ends with ``status``, so that ``eval`` fails; nothing for formats that are data
    and cannot fail."""
    last = _FAIL.get(syntax)
    return render(change, syntax) + last(status) if last else ""


def _posix(change: Change) -> str:
    unset = f"unset {' '.join(change.unset)}\n" if change.unset else ""
    return unset + "".join(f"export {name}={quoted(value)}\n" for name, value in change.set.items())


def quoted(value: str) -> str:
    """One word of bash, zsh or sh, whatever is in it."""
    return "'" + value.replace("'", "'\\''") + "'"


def _fish(change: Change) -> str:
    # With `;`, since `eval (keyfob env)` joins the lines with blanks.
    lines = [f"set -eg {name};" for name in change.unset]
    lines += [f"set -gx {name} {_fish_quoted(value)};" for name, value in change.set.items()]
    # To erase what is not there fails, to set something keeps the status, and the last one is what `source` returns.
    return "".join(f"{line}\n" for line in [*lines, "true;"])


def _fish_quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _powershell(change: Change) -> str:
    lines = [f"$Env:{name} = $null" for name in change.unset]
    lines += [f"$Env:{name} = {_powershell_quoted(value)}" for name, value in change.set.items()]
    return "".join(f"{line}\n" for line in lines)


def _powershell_quoted(value: str) -> str:
    return "'" + "".join(c * 2 if c in _POWERSHELL_QUOTES else c for c in value) + "'"


def _dotenv(change: Change) -> str:
    remark = _DOTENV_REMARK if any("127.0.0.1" in value for value in change.set.values()) else ""
    return remark + "".join(f"{name}={_dotenv_quoted(value)}\n" for name, value in change.set.items())


def _dotenv_quoted(value: str) -> str:
    if _PLAIN.issuperset(value):
        return value  # the one form that every reader agrees on, docker's --env-file included
    if "'" not in value and "\n" not in value:
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("$", "\\$")
    return f'"{escaped}"'


def _json(change: Change) -> str:
    return json.dumps({"set": change.set, "unset": list(change.unset)}, indent=2) + "\n"


def _terragrunt(change: Change) -> str:
    """What `--auth-provider-cmd` reads: keys have a place of their own there, all else is `envs`."""
    names = {
        "AWS_ACCESS_KEY_ID": "ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY": "SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN": "SESSION_TOKEN",
    }
    keys = {ours: change.set[name] for name, ours in names.items() if name in change.set}
    document: dict[str, Mapping[str, str]] = {"awsCredentials": keys} if keys else {}
    document["envs"] = {name: value for name, value in change.set.items() if name not in names}
    return json.dumps(document, indent=2) + "\n"


_RENDER: dict[str, Callable[[Change], str]] = {
    "bash": _posix,
    "zsh": _posix,
    "fish": _fish,
    "powershell": _powershell,
    "dotenv": _dotenv,
    "json": _json,
    "terragrunt": _terragrunt,
}

_FAIL: dict[str, Callable[[int], str]] = {
    "bash": lambda status: f"(exit {status})\n",
    "zsh": lambda status: f"(exit {status})\n",
    "fish": lambda status: f"command sh -c 'exit {status}';\n",
    "powershell": lambda status: f"$global:LASTEXITCODE = {status}; throw 'keyfob env failed'\n",
}
