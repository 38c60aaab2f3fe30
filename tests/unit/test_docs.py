"""What the documents say is so: commands and options exist, links lead somewhere, figures are the code's own."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys

import pytest

from keyfob import wire
from keyfobd.adapters.settings import KEYS
from support.sources import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
TWO_WORDS = {"token", "sso"}
# A command as it stands in prose or in a block: keyfob's name, a word, and what follows on that line or in those ticks.
COMMAND = re.compile(r"\bkeyfob (?P<word>[a-z][a-z-]*(?: (?:list|revoke|login|logout))?)(?P<rest>[^`\n|)]*)")
NOT_KEYFOBS_OWN = re.compile(r"\s(?:--\s|#|;|\|).*")


@functools.cache
def help_of(*words: str) -> str:
    """What ``keyfob WORDS --help`` prints; empty where there is no such command."""
    ran = subprocess.run(
        [sys.executable, "-m", "keyfob", *words, "--help"],
        capture_output=True,
        text=True,
        env={"PATH": os.defpath, "HOME": "/nonexistent", "COLUMNS": "200"},
        check=False,
    )
    return ran.stdout if ran.returncode == 0 else ""


def commands(text: str) -> list[tuple[tuple[str, ...], list[str]]]:
    """Each command that a document names, with the options it shows."""
    found = []
    for match in COMMAND.finditer(text):
        words = tuple(match["word"].split())
        if words[0] not in TWO_WORDS:
            words = words[:1]
        rest = NOT_KEYFOBS_OWN.sub("", " " + match["rest"] + " ")
        found.append((words, re.findall(r"\s(--[a-z][a-z-]*)", rest)))
    return found


def in_code(text: str) -> str:
    """The parts of a document that are code: blocks, and what stands between ticks."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`]+)`", prose)]).replace("&&", "\n")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_and_option_in_the_documents_is_in_its_help(document: str) -> None:
    text = in_code((ROOT / document).read_text(encoding="utf-8"))
    unknown = []
    for words, options in commands(text):
        if not help_of(*words):
            unknown.append("keyfob " + " ".join(words))
        unknown += [f"keyfob {' '.join(words)} {option}" for option in options if option not in help_of(*words)]
    assert not unknown


def test_the_readme_names_commands_at_all() -> None:
    named = {words[0] for words, _ in commands(in_code(README))}
    assert named >= {"login", "list", "exec", "env", "status", "credential-process", "logout", "stop", "token"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_to_a_file_of_ours_leads_somewhere(document: str) -> None:
    folder = (ROOT / document).parent
    links = re.findall(r"\]\((?!https?://)([^)#]*)#?([^)]*)\)", (ROOT / document).read_text(encoding="utf-8"))
    broken = [link for link, _ in links if link and not (folder / link).exists()]
    for link, anchor in links:
        target = (folder / link) if link else ROOT / document
        if anchor and target.exists() and anchor not in headings(target.read_text(encoding="utf-8")):
            broken.append(f"{link}#{anchor}")
    assert not broken


def headings(text: str) -> set[str]:
    """As GitHub makes anchors of them."""
    found = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in found}


def test_every_setting_named_is_one() -> None:
    text = "\n".join((ROOT / document).read_text(encoding="utf-8") for document in DOCUMENTS)
    known = {f"KEYFOB_{section}_{key}".upper() for section, keys in KEYS.items() for key in keys}
    assert set(re.findall(r"\bKEYFOB_[A-Z_]+[A-Z]\b", text)) <= known | {"KEYFOB_ROLE", "KEYFOB_SESSION"}
    for section, key in re.findall(r"\[(\w+)\] (\w+) =", text):
        assert key in KEYS[section]


def test_the_exit_statuses_are_the_ones_of_the_contract() -> None:
    table = {int(status): says for status, says in re.findall(r"^\| (\d+) \| (.*?) \|$", README, re.MULTILINE)}
    assert set(table) == {
        wire.EXIT_DONE,
        wire.EXIT_FAILED,
        wire.EXIT_USAGE,
        wire.EXIT_SIGN_IN_NEEDED,
        wire.EXIT_NOT_PERMITTED,
        wire.EXIT_UNREACHABLE,
        wire.EXIT_NOT_RUNNING,
        wire.EXIT_INTERRUPTED,
    }
    assert table[wire.EXIT_SIGN_IN_NEEDED] == "sign-in needed"
