"""Somebody at a browser: fetches the page that was shown and presses a button on it, with nothing but HTTP and HTML."""

from __future__ import annotations

import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser

MOST_PAGES = 6
"""Sign-in page, code, consent: a person who has pressed this often is in a loop."""

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # what is on loopback needs no proxy


class NoSuchButton(Exception):
    """The page has no such button and no way forward; the message holds what it says instead."""


@dataclass(slots=True)
class Form:
    """One form: where it goes, what it sends, and the names on its buttons."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # caption, what it adds

    def button(self, caption: str) -> dict[str, str] | None:
        return next((adds for name, adds in self.buttons if name.casefold() == caption.casefold()), None)


def press(url: str, caption: str = "Allow", *, timeout: float = 10) -> str:
    """Open a page and press on, by each page's first button, until the one with this caption has been pressed.
    Returns the text of the page after it. ``timeout`` is in seconds, for each page."""
    page = _fetch(urllib.request.Request(url), timeout)
    for _ in range(MOST_PAGES):
        if not page.forms:
            break
        wanted = next(((form, adds) for form in page.forms if (adds := form.button(caption)) is not None), None)
        form, adds = wanted or (page.forms[0], page.forms[0].buttons[0][1] if page.forms[0].buttons else {})
        page = _fetch(_request(page.url, form, adds), timeout)
        if wanted:
            return page.text
    raise NoSuchButton(f"no button {caption!r} on the way from {url}; the last page says: {page.text}")


class _Page(HTMLParser):
    """Forms and words of one page."""

    def __init__(self, url: str, html: str) -> None:
        super().__init__()
        self.url = url
        self.forms: list[Form] = []
        self._words: list[str] = []
        self._button: tuple[dict[str, str], list[str]] | None = None
        self._select: str | None = None
        self._is_style = False
        self.feed(html)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(found.get("action", ""), found.get("method", "get").lower()))
        elif tag == "button" and self.forms:
            self._button = ({found["name"]: found.get("value", "")} if "name" in found else {}, [])
        elif tag == "input" and self.forms:
            self._input(found)
        elif tag == "select":
            self._select = found.get("name")
        elif tag == "option" and self.forms and self._select:
            if "selected" in found:
                self.forms[-1].fields[self._select] = found.get("value", "")
            self.forms[-1].fields.setdefault(self._select, found.get("value", ""))  # the first, if none is
        self._is_style = tag == "style"

    def _input(self, found: dict[str, str]) -> None:
        kind, name, value = found.get("type", "text"), found.get("name", ""), found.get("value", "")
        if kind == "submit":
            self.forms[-1].buttons.append((value, {name: value} if name else {}))
        elif name and (kind not in {"radio", "checkbox"} or "checked" in found):
            self.forms[-1].fields[name] = value

    def handle_data(self, data: str) -> None:
        if not self._is_style:
            self._words.append(data)
        if self._button is not None:
            self._button[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self._button is not None:
            adds, words = self._button
            self.forms[-1].buttons.append(("".join(words).strip(), adds))
            self._button = None


def _request(base: str, form: Form, adds: dict[str, str]) -> urllib.request.Request:
    target = urllib.parse.urljoin(base, form.action)
    sent = urllib.parse.urlencode(form.fields | adds)
    if form.method == "post":
        return urllib.request.Request(target, sent.encode())
    return urllib.request.Request(f"{target}?{sent}")


def _fetch(request: urllib.request.Request, timeout: float) -> _Page:
    with DIRECT.open(request, timeout=timeout) as answer:
        return _Page(answer.url, answer.read().decode())
