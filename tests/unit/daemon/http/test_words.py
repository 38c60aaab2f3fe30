"""What each word of the control socket does, over sessions and a broker with Identity Center in memory."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keyfob import ask, aws_config, wire
from keyfobd.adapters.settings import SessionSettings
from keyfobd.core.errors import (
    AmbiguousTarget,
    NotPermitted,
    NotYet,
    SignInNeeded,
    UnknownTarget,
    Unreachable,
    UsageError,
)
from keyfobd.core.model import EndpointToken, Process, Role
from keyfobd.directory import Directory
from keyfobd.exec_tokens import ExecTokens
from keyfobd.http.control import Asked
from keyfobd.http.house import Facts, House
from keyfobd.http.role_words import PATIENCE
from keyfobd.http.words import words
from support.sessions import ADMIN, DEV, MemoryStore, house, until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.wire import LoginEvent, StorageAnswer
    from keyfobd.core.model import SealedSession
    from support.sessions import House as Inside

pytestmark = pytest.mark.looptime

CONFIG = f"""\
[sso-session dev]
sso_start_url = {DEV.start_url}
sso_region = {DEV.region}

[sso-session lab]
sso_start_url = https://d-9999999999.awsapps.com/start
sso_region = eu-west-1
"""
US = Process(4711, "99")
TARGET = str(ADMIN)


@dataclass(frozen=True)
class FakeIssued:
    token: EndpointToken
    text: str
    file: Path


@dataclass
class FakeTokens:
    made: list[EndpointToken] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)

    def all(self) -> tuple[EndpointToken, ...]:
        return tuple(token for token in self.made if token.id not in self.revoked)

    async def standing(self, role: Role, label: str) -> FakeIssued:
        return self._issued(EndpointToken(f"t{len(self.made)}", b"", "standing", label, (role,), 0))

    async def for_process(
        self, roles: tuple[Role, ...], label: str, process: Process, keep: float | None
    ) -> FakeIssued:
        until = None if keep is None else int(keep)
        token = EndpointToken(f"t{len(self.made)}", b"", "exec", label, roles, 0, process=process, keep_until=until)
        return self._issued(token)

    async def revoke(self, token_id: str) -> bool:
        self.revoked.append(token_id)
        return True

    def _issued(self, token: EndpointToken) -> FakeIssued:
        self.made.append(token)
        return FakeIssued(token, f"text-of-{token.id}", Path("/state/tokens") / token.id)


class FakeFile:
    path = Path("/home/me/.aws/config")
    problem = None

    def __init__(self) -> None:
        self.config = aws_config.parse("")

    def refresh(self) -> bool:
        before, self.config = self.config, aws_config.parse(CONFIG)
        return not before.sections


class Processes:
    """Those that end when the test says so."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    def is_alive(self, process: Process) -> bool:
        assert process == US
        return not self.gone.is_set()

    async def ended(self, process: Process) -> None:
        assert process == US
        await self.gone.wait()

    async def carriers(self, token: EndpointToken) -> tuple[Process, ...]:
        assert token.process == US
        return ()


class Storage(MemoryStore):
    """The sealed file, with the door for a key file."""

    async def use_key_file(self) -> None:
        self.storage = {"kind": "key-file", "detail": None}


class Stage:
    """The words of a daemon whose outside is in memory."""

    def __init__(self, inside: Inside, storage: Storage) -> None:
        self.inside = inside
        self.storage = storage
        self.tokens = FakeTokens()
        self.processes = Processes()
        self.settings: dict[str, SessionSettings] = {}
        self.calls: list[str] = []
        self.bugs = 0
        self.exec_tokens = ExecTokens(self.tokens, self.processes, inside.clock)
        self.directory = Directory(FakeFile(), inside.sessions)
        self.directory.refresh()
        self.words = words(self._house())

    def _house(self) -> House:
        found_at: wire.DaemonFile = {
            "pid": 1,
            "start_time": "2",
            "control": "/run/c.sock",
            "port": 5393,
            "version": "0.1.0",
            "protocol": wire.PROTOCOL,
            "config_file": "/home/me/.aws/config",
        }
        return House(
            facts=Facts(found_at, self.inside.clock.now().wall, {}, "both", peer_check=True, keep=None),
            sessions=self.inside.sessions,
            broker=self.inside.broker,
            tokens=self.tokens,
            exec_tokens=self.exec_tokens,
            storage=self.storage,
            directory=self.directory,
            settings_of=lambda name: self.settings.get(name, SessionSettings()),
            process_of=lambda pid: US if pid == US.pid else None,
            unlock=self._unlock,
            forget_roles=self.calls.append,
            stop=lambda: self.calls.append("stop"),
            bugs=lambda: self.bugs,
        )

    async def _unlock(self) -> None:
        self.calls.append("unlock")
        await asyncio.Event().wait()

    async def ask(self, route: str, pid: int | None = US.pid, **body: Any) -> Mapping[str, Any]:
        return await self.words.answers[route](Asked(body, pid))

    async def login(self, **body: Any) -> list[LoginEvent]:
        self.inside.center.approved = True
        async with aclosing(self.words.lines[wire.LOGIN](Asked(body, None))) as events:
            return [event async for event in events if event["event"] != "waiting"]

    async def close(self) -> None:
        await self.exec_tokens.close()
        await self.inside.close()


async def stage(*, signed_in: bool = True, contents: tuple[SealedSession, ...] = ()) -> Stage:
    storage = Storage(contents)
    made = Stage(await house(store=storage), storage)
    if signed_in:
        assert (await made.login(session="dev", flow="device"))[-1]["event"] == "done"
    return made


# --- a role for a tool --------------------------------------------------------------------------------------------


async def test_env_fetches_first_and_gives_a_standing_token() -> None:
    made = await stage()
    answer = await made.ask(wire.ENV, target=TARGET)
    assert answer["url"] == "http://127.0.0.1:5393/role/dev/111122223333/Admin"
    assert answer["token"] == "text-of-t0"
    assert answer["token_file"] == "/state/tokens/t0"
    assert answer["token_in"] == "both"
    assert answer["expires_at"].endswith("Z")
    assert answer["notes"] == []
    assert made.tokens.made[0].kind == "standing"
    await made.close()


async def test_env_gives_no_token_where_there_are_no_credentials() -> None:
    made = await stage(signed_in=False)
    with pytest.raises(SignInNeeded):
        await made.ask(wire.ENV, target=TARGET)
    assert not made.tokens.made
    await made.close()


async def test_without_fetching_the_token_comes_before_the_sign_in() -> None:
    made = await stage(signed_in=False)
    answer = await made.ask(wire.ENV, target=TARGET, fetch=False)
    assert answer["expires_at"] is None
    assert made.tokens.made
    await made.close()


async def test_what_is_held_goes_on_while_identity_center_is_away_with_a_word_about_it() -> None:
    made = await stage()
    await made.ask(wire.ENV, target=TARGET)
    made.inside.center.break_down("refresh", Unreachable("Connection refused."))
    made.inside.center.break_down("role_credentials", Unreachable("Connection refused."))
    await made.inside.tend(2400)
    answer = await made.ask(wire.ENV, target=TARGET)
    assert answer["expires_at"] is not None
    assert "cannot be reached" in answer["notes"][0]
    await made.close()


async def test_exec_gives_a_token_that_lives_as_long_as_the_process_that_asked() -> None:
    made = await stage()
    answer = await made.ask(wire.EXEC, target=TARGET)
    assert answer["token"] == "text-of-t0"
    assert made.tokens.made[0].process == US
    assert made.tokens.all()
    made.processes.gone.set()
    await until(lambda: made.tokens.revoked == ["t0"])
    await made.close()


async def test_exec_of_a_launcher_is_kept_as_long_as_asked() -> None:
    made = await stage()
    await made.ask(wire.EXEC, target=TARGET, keep=3600)
    assert made.tokens.made[0].keep_until == 3600
    await made.close()


@pytest.mark.parametrize("pid", [None, 1])
async def test_exec_is_refused_for_a_process_that_cannot_be_seen(pid: int | None) -> None:
    made = await stage()
    with pytest.raises(UsageError, match="cannot be seen"):
        await made.ask(wire.EXEC, pid=pid, target=TARGET)
    await made.close()


async def test_credential_process_answers_what_sdks_want() -> None:
    made = await stage()
    answer = await made.ask(wire.CREDENTIAL_PROCESS, target=TARGET)
    assert set(answer) == {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "AccountId"}
    assert answer["Version"] == 1
    assert not made.tokens.made
    await made.close()


async def test_a_role_that_is_not_assigned_is_not_permitted() -> None:
    made = await stage()
    with pytest.raises(NotPermitted):
        await made.ask(wire.ENV, target="dev/999999999999/Admin")
    await made.close()


async def test_a_name_that_nobody_can_know_yet_is_a_reason_to_sign_in() -> None:
    made = await stage(signed_in=False)
    with pytest.raises(SignInNeeded):
        await made.ask(wire.ENV, target="Admin@Production")
    await made.close()


async def test_right_after_a_sign_in_names_are_waited_for() -> None:
    made = await stage(signed_in=False)
    listing = made.inside.center.hold("accounts")
    assert (await made.login(session="dev", flow="device"))[-1]["event"] == "done"
    name = made.inside.center.directory[ADMIN.account_id][0].name
    asking = asyncio.create_task(made.ask(wire.ENV, target=f"Admin@{name}"))
    await asyncio.sleep(0)
    assert not asking.done()
    listing.set()
    assert (await asking)["account_name"] == name
    await made.close()


async def test_a_long_listing_is_not_waited_for_without_end_and_goes_on() -> None:
    made = await stage(signed_in=False)
    listing = made.inside.center.hold("accounts")
    await made.login(session="dev", flow="device")
    name = made.inside.center.directory[ADMIN.account_id][0].name
    before = asyncio.get_running_loop().time()
    with pytest.raises(NotYet, match="The accounts of dev are still being listed") as late:
        await made.ask(wire.ENV, target=f"Admin@{name}")
    waited = asyncio.get_running_loop().time() - before
    assert waited + PATIENCE < ask.PATIENCE  # or the client would take the daemon for hung
    assert late.value.hint.endswith("run: keyfob list")
    listing.set()
    assert (await made.ask(wire.ENV, target=f"Admin@{name}"))["account_name"] == name
    assert [call.operation for call in made.inside.center.calls].count("accounts") == 1
    await made.close()


async def test_two_roles_that_fit_are_not_one_that_is_not_listed() -> None:
    made = await stage()
    with pytest.raises(AmbiguousTarget):
        await made.ask(wire.ENV, target="Admin", partial=True)
    await made.close()


async def test_a_name_that_is_not_listed_is_unknown_though_another_session_was_never_signed_in_to() -> None:
    made = await stage()
    with pytest.raises(UnknownTarget):
        await made.ask(wire.ENV, target="Admin@Nowhere")
    await made.close()


# --- tokens -------------------------------------------------------------------------------------------------------


async def test_tokens_are_listed_without_their_text_and_revoked_by_id_or_all() -> None:
    made = await stage()
    await made.ask(wire.ENV, target=TARGET)
    await made.ask(wire.EXEC, target=TARGET)
    listed = (await made.ask(wire.TOKEN_LIST))["tokens"]
    assert [(token["id"], token["kind"], token["pid"]) for token in listed] == [
        ("t0", "standing", None),
        ("t1", "exec", US.pid),
    ]
    assert "text-of" not in str(listed)
    assert await made.ask(wire.TOKEN_REVOKE, id="t0") == {"revoked": ["t0"]}
    assert await made.ask(wire.TOKEN_REVOKE, all=True) == {"revoked": ["t1"]}
    with pytest.raises(UsageError, match="no endpoint token"):
        await made.ask(wire.TOKEN_REVOKE, id="t0")
    await made.close()


# --- sessions -----------------------------------------------------------------------------------------------------


async def test_login_uses_the_browser_unless_the_settings_or_the_client_say_otherwise() -> None:
    made = await stage(signed_in=False)
    visit = (await made.login(session="dev", flow="device"))[0]
    assert "code" in visit
    made.settings["lab"] = SessionSettings(use_device_code=True)
    assert "code" in (await made.login(session="lab"))[0]
    with pytest.raises(UsageError):
        await made.login(session="dev", flow="telepathy", force=True)
    await made.close()


async def test_logout_forgets_the_roles_of_that_session() -> None:
    made = await stage()
    answer = await made.ask(wire.LOGOUT, session="dev")
    assert [(gone["name"], gone["portal"]) for gone in answer["sessions"]] == [("dev", "signed-out")]
    assert made.calls == ["dev"]
    await made.close()


async def test_logout_of_all_names_each() -> None:
    made = await stage()
    answer = await made.ask(wire.LOGOUT, all=True)
    assert {gone["name"]: gone["portal"] for gone in answer["sessions"]} == {
        "dev": "signed-out",
        "lab": "was-not-signed-in",
    }
    await made.close()


async def test_list_shows_what_it_can_and_says_what_it_cannot() -> None:
    made = await stage()
    answer = await made.ask(wire.LIST)
    assert {account["session"] for account in answer["accounts"]} == {"dev"}
    assert "keyfob login lab" in answer["notes"][0]
    with pytest.raises(SignInNeeded):
        await made.ask(wire.LIST, session="lab")
    await made.close()


async def test_one_session_can_be_listed_alone() -> None:
    made = await stage()
    answer = await made.ask(wire.LIST, session="dev", refresh=True)
    assert answer["notes"] == []
    assert answer["accounts"]
    await made.close()


async def test_where_nothing_can_be_listed_it_is_an_error() -> None:
    made = await stage(signed_in=False)
    with pytest.raises(SignInNeeded):
        await made.ask(wire.LIST)
    await made.close()


# --- the daemon ---------------------------------------------------------------------------------------------------


async def test_status_tells_of_sessions_roles_and_storage() -> None:
    made = await stage()
    made.settings["dev"] = SessionSettings(length=8 * 3600)
    await made.ask(wire.LIST, session="dev")
    await made.ask(wire.ENV, target=TARGET)
    status = await made.ask(wire.STATUS)
    assert status["daemon"]["endpoint"] == "http://127.0.0.1:5393"
    assert [(session["name"], session["state"]) for session in status["sessions"]] == [
        ("dev", "signed-in"),
        ("lab", "signed-out"),
    ]
    assert status["sessions"][0]["session_ends_at"] is not None
    assert status["sessions"][1]["session_ends_at"] is None
    role = status["roles"][0]
    assert (role["role_name"], role["state"]) == ("Admin", "fresh")
    assert role["account_name"]
    assert status["storage"] == {"kind": "keyring", "detail": None}
    await made.close()


async def test_status_says_that_there_were_bugs() -> None:
    made = await stage(signed_in=False)
    assert (await made.ask(wire.STATUS))["daemon"]["detail"] is None
    made.bugs = 2
    assert "2 bug(s)" in (await made.ask(wire.STATUS))["daemon"]["detail"]
    await made.close()


async def test_a_look_at_a_locked_keyring_tries_it_again_but_does_not_wait_for_ever() -> None:
    made = await stage(signed_in=False)
    locked: StorageAnswer = {"kind": "locked", "detail": "the keyring did not answer"}
    made.storage.storage = locked
    assert (await made.ask(wire.STATUS))["storage"] == locked
    await made.ask(wire.STATUS)
    assert made.calls == ["unlock"]  # once: each try may bring up a prompt
    await made.close()


async def test_a_check_for_a_prompt_never_tries_a_locked_keyring_and_waits_for_nothing() -> None:
    made = await stage(signed_in=False)
    made.storage.storage = {"kind": "locked", "detail": "the keyring did not answer"}
    before = asyncio.get_running_loop().time()
    assert (await made.ask(wire.STATUS, check=True))["storage"]["kind"] == "locked"
    assert made.calls == []
    assert asyncio.get_running_loop().time() == before
    await made.close()


async def test_a_key_file_is_used_when_the_person_says_so() -> None:
    made = await stage(signed_in=False)
    assert await made.ask(wire.STORAGE, kind="key-file") == {"kind": "key-file", "detail": None}
    with pytest.raises(UsageError):
        await made.ask(wire.STORAGE, kind="paper")
    await made.close()


async def test_stop_and_version() -> None:
    made = await stage(signed_in=False)
    assert await made.ask(wire.VERSION) == {"version": "0.1.0", "protocol": wire.PROTOCOL, "pid": 1}
    await made.ask(wire.STOP)
    assert made.calls == ["stop"]
    await made.close()
