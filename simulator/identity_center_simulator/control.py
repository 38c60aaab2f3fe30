"""The control API: JSON under ``/simulator/``, for scripts that set the scene and read what happened.

``GET /simulator/`` lists it. A body is a JSON object with ``Content-Type: application/json``, which no other site's
page can send without being asked first (CORS), so an open simulator is nobody's plaything.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from identity_center_simulator import documents, fault_document, journal, replies
from identity_center_simulator.errors import OidcRefused
from identity_center_simulator.instance import NoSuchUser
from identity_center_simulator.pages import BadRequest, Pages, Refusal
from identity_center_simulator.scenario_file import as_document, from_document
from identity_center_simulator.settings import ScenarioProblem, seconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from identity_center_simulator.context import Context
    from identity_center_simulator.sign_ins import AuthorizationRequest, DeviceAuthorization

    Answer = Callable[[Mapping[str, Any]], Awaitable[Any]]

LONGEST_WAIT = 60  # seconds


class Control:
    """Every route takes a mapping (the body, or a GET's query) and answers with JSON."""

    def __init__(self, context: Context, pages: Pages) -> None:
        self._context = context
        self._pages = pages
        self._answers: dict[tuple[str, str], tuple[Answer, str]] = {
            ("GET", ""): (self.index, "this list"),
            ("GET", "scenario"): (self.scenario, "accounts, permission sets, users, settings as they are now"),
            ("POST", "scenario"): (self.load_scenario, "the document of a scenario file, as JSON: begin anew with it"),
            ("POST", "settings"): (self.change_settings, "{setting: value, …}"),
            ("GET", "faults"): (self.list_faults, "faults that are set"),
            ("POST", "faults"): (self.add_fault, "{operation, kind, times?, for?, match?, …}"),
            ("POST", "faults/clear"): (self.clear_faults, "{}"),
            ("GET", "journal"): (self.journal, "?operation=&FIELD=&after=NUMBER&at_least=N&timeout=SECONDS"),
            ("GET", "journal/summary"): (self.summary, "figures over the journal"),
            ("POST", "journal/clear"): (self.clear_journal, "{}"),
            ("GET", "pending"): (self.pending, "device codes that wait for a person"),
            ("POST", "sign-in"): (self.sign_in, "{url or user_code, user, decision?: Allow|Deny} → {redirect}"),
            ("GET", "sessions"): (self.sessions, "portal sessions"),
            ("POST", "sessions/end"): (self.end_sessions, "{user?, session?}: as an administrator would"),
            ("POST", "users/disable"): (self.disable, "{user}"),
            ("POST", "users/enable"): (self.enable, "{user}"),
            ("POST", "assign"): (self.assign, "{user, account_id, role_name}"),
            ("POST", "unassign"): (self.unassign, "{user, account_id, role_name?}"),
            ("POST", "registrations/forget"): (self.forget_registrations, "{client_id?}"),
            ("GET", "clock"): (self.read_clock, "seconds since 1970"),
            ("POST", "clock"): (self.move_clock, "{advance: seconds, or like 1h or -2h}; only with --movable-clock"),
        }

    def routes(self) -> list[web.RouteDef]:
        return [
            web.route(method, f"/simulator/{path}", self._handler(answer))
            for (method, path), (answer, _) in self._answers.items()
        ]

    def _handler(self, answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            try:
                return replies.as_json(await answer(await _parameters(request)))
            except (ScenarioProblem, NoSuchUser, BadRequest, Refusal, OidcRefused) as problem:
                return replies.as_json({"error": str(problem)}, 400)
            except (KeyError, TypeError, ValueError, AttributeError) as problem:
                return replies.as_json({"error": f"cannot be meant: {problem!r}"}, 400)
            except TimeoutError:
                return replies.as_json({"error": "timed out"}, 408)

        return handle

    # --- the scene --------------------------------------------------------------------------------------------------

    async def index(self, _: Mapping[str, Any]) -> Any:
        return {f"{method} /simulator/{path}": says for (method, path), (_, says) in self._answers.items()}

    async def scenario(self, _: Mapping[str, Any]) -> Any:
        instance = self._context.instance
        return as_document(dataclasses.replace(instance.scenario, settings=instance.settings))

    async def load_scenario(self, document: Mapping[str, Any]) -> Any:
        self._context.begin_anew(from_document(document))
        return await self.scenario({})

    async def change_settings(self, changes: Mapping[str, Any]) -> Any:
        self._context.instance.change(**changes)
        return dataclasses.asdict(self._context.instance.settings)

    async def list_faults(self, _: Mapping[str, Any]) -> Any:
        return [dataclasses.asdict(fault) for fault in self._context.faults.active(self._context.clock.now())]

    async def add_fault(self, document: Mapping[str, Any]) -> Any:
        self._context.faults.add(fault_document.from_document(document, self._context.clock.now()))
        return await self.list_faults({})

    async def clear_faults(self, _: Mapping[str, Any]) -> Any:
        self._context.faults.clear()
        return []

    async def read_clock(self, _: Mapping[str, Any]) -> Any:
        return {"now": self._context.clock.now()}

    async def move_clock(self, words: Mapping[str, Any]) -> Any:
        if not self._context.movable_clock:
            raise ScenarioProblem("the clock of this simulator cannot be moved (--movable-clock)")
        moved = str(words["advance"])
        self._context.clock.advance(seconds("advance", moved.removeprefix("-")) * (-1 if moved.startswith("-") else 1))
        return await self.read_clock({})

    # --- what happened ----------------------------------------------------------------------------------------------

    async def journal(self, query: Mapping[str, Any]) -> Any:
        """With ``at_least`` it waits until there are so many such calls, ``timeout`` seconds at most (408)."""
        wanted = dict(query)
        after, least = int(wanted.pop("after", 0)), int(wanted.pop("at_least", 0))
        timeout = min(float(wanted.pop("timeout", 10)), LONGEST_WAIT)

        def found() -> list[dict[str, Any]]:
            calls = (journal.as_json(call) for call in self._context.journal.calls() if call.number > after)
            return [call for call in calls if all(str(call[name]) == value for name, value in wanted.items())]

        async with asyncio.timeout(timeout):
            await self._context.journal.wait_for(lambda: len(found()) >= least)
        return found()

    async def summary(self, _: Mapping[str, Any]) -> Any:
        return self._context.journal.summary()

    async def clear_journal(self, _: Mapping[str, Any]) -> Any:
        self._context.journal.clear()
        return {}

    async def sessions(self, _: Mapping[str, Any]) -> Any:
        now = self._context.clock.now()
        return [
            {
                "id": session.id,
                "user": session.user,
                "began_at": session.began_at,
                "ends_at": session.ends_at,
                "alive": session.alive(now),
            }
            for session in self._context.instance.sessions.every()
        ]

    # --- the person, and the administrator ----------------------------------------------------------------------------

    async def pending(self, _: Mapping[str, Any]) -> Any:
        waiting = self._context.instance.sign_ins.pending(self._context.clock.now())
        return [{"user_code": d.user_code, "client_id": d.client_id, "expires_at": d.expires_at} for d in waiting]

    async def sign_in(self, words: Mapping[str, Any]) -> Any:
        """Play the person at the page of ``url``. A browser would go on to ``redirect``; here the caller does."""
        decision = words.get("decision", "Allow")
        if decision not in {"Allow", "Deny"}:
            raise ScenarioProblem("decision is Allow or Deny")
        subject = self._subject(words)
        user = words["user"] if decision == "Allow" else None
        return {"redirect": self._pages.decided(subject, user).redirect}

    def _subject(self, words: Mapping[str, Any]) -> AuthorizationRequest | DeviceAuthorization:
        parts = urlsplit(words.get("url", ""))
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if parts.path.endswith("/authorize"):
            return self._pages.wanted(query)
        user_code = words.get("user_code") or query.get("user_code", "")
        found = self._context.instance.sign_ins.waiting_device(user_code, self._context.clock.now())
        if found is None:
            raise ScenarioProblem("no sign-in waits for this code")
        return found

    async def end_sessions(self, words: Mapping[str, Any]) -> Any:
        now = self._context.clock.now()
        instance = self._context.instance
        return {"ended": instance.end_sessions(now, user=words.get("user"), session_id=words.get("session"))}

    async def disable(self, words: Mapping[str, Any]) -> Any:
        return {"ended": self._context.instance.disable(words["user"], self._context.clock.now())}

    async def enable(self, words: Mapping[str, Any]) -> Any:
        self._context.instance.enable(words["user"])
        return {}

    async def assign(self, words: Mapping[str, Any]) -> Any:
        self._context.instance.assign(words["user"], words["account_id"], words["role_name"])
        return {}

    async def unassign(self, words: Mapping[str, Any]) -> Any:
        self._context.instance.unassign(words["user"], words["account_id"], words.get("role_name"))
        return {}

    async def forget_registrations(self, words: Mapping[str, Any]) -> Any:
        self._context.instance.clients.forget(words.get("client_id"))
        return {}


async def _parameters(request: web.Request) -> Mapping[str, Any]:
    if request.method != "POST":
        return dict(request.query)
    if request.content_type != "application/json":
        raise ScenarioProblem("the body must be JSON, and Content-Type must say so")
    document = documents.read(await request.read() or b"{}")
    if not isinstance(document, dict):
        raise ScenarioProblem("the body must be a JSON object")
    return document
