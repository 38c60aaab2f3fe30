"""What every file of the repository keeps to: nothing of the machine it was written on, and one way of ending lines."""

from __future__ import annotations

import re

import pytest

from support.sources import ROOT, files

# Hosts that a reader may be sent to, or that stand for what can never be there. A package registry is none of them:
# where packages come from is the reader's own setting.
HOSTS = re.compile(
    r"(localhost|([\w-]+\.)*(example|test|invalid|localhost)(\.(com|net|org))?"
    r"|([\w-]+\.)*(amazonaws\.com(\.cn)?|awsapps\.com|amazon\.com|amazonaws-us-gov\.com)"
    r"|(www\.)?apache\.org|keepachangelog\.com|semver\.org|docs\.python\.org|(www\.)?rfc-editor\.org"
    r"|datatracker\.ietf\.org|docs\.astral\.sh|pipx\.pypa\.io|github\.com|(www\.)?w3\.org)"
)
URL = re.compile(r"https?://((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})(?![\w.-]*[@{])")
THIS_MACHINE = re.compile(r"(^|[^A-Za-z0-9_.])/(work|farm|root)/[a-z.]", re.MULTILINE)
SETTING_OF_A_REGISTRY = re.compile(r"(index-url|registry)[ =:]+.?https?://")

TEXTS = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in files()}


def readable() -> dict[str, str]:
    return {place: content.decode("utf-8") for place, content in TEXTS.items() if b"\0" not in content}


def test_every_address_named_is_one_we_mean_to_name() -> None:
    found = [
        f"{place}: {match[0]}"
        for place, text in readable().items()
        for match in URL.finditer(text)
        if not HOSTS.fullmatch(match[1].lower())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("pattern", [THIS_MACHINE, SETTING_OF_A_REGISTRY])
def test_nothing_of_this_machine_or_its_registries_is_written_down(pattern: re.Pattern[str]) -> None:
    found = [f"{place}: {match[0].strip()}" for place, text in readable().items() for match in pattern.finditer(text)]
    assert not found, "\n".join(found)


def test_no_lock_file_records_where_packages_were_downloaded() -> None:
    locks = {"package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "uv.lock", "poetry.lock", "Pipfile.lock"}
    assert not [place for place in TEXTS if place.rpartition("/")[2] in locks]


def test_every_text_ends_with_a_newline_and_no_line_with_blanks() -> None:
    found = [
        place
        for place, text in readable().items()
        if text and (not text.endswith("\n") or re.search(r"[ \t]+$", text, re.MULTILINE) or "\r" in text)
    ]
    assert not [place for place in found if place != "LICENSE"], found
