"""Where in a TOML text something is: tomllib tells lines only of what does not parse."""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*\[+\s*(?P<name>[^\]]+?)\s*\]+\s*(#.*)?$")
_KEY = re.compile(r"\s*(?P<name>(?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")


def line_of(text: str, section: str, key: str | None = None) -> int | None:
    """The line of a section's header, or of a key in it; None where it cannot be told. A good guess for messages, not
    a parser: a line inside a multi-line string can fool it."""
    wanted = section if key is None else f"{section}.{key}"
    here = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            here = _plain(header["name"])
            if key is None and (here == wanted or here.startswith(wanted + ".")):
                return number
        elif found := _KEY.match(line):
            full = ".".join(filter(None, (here, _plain(found["name"]))))
            if full == wanted or (key is None and full.startswith(wanted + ".")):
                return number
    return None


def _plain(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))
