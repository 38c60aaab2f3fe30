"""The composition root: what the daemon is made of, the order in which it starts, and the order in which it stops."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from keyfob import __version__, wire
from keyfobd.adapters import folders, process_watch
from keyfobd.adapters.aws_config_file import AwsConfigFile
from keyfobd.adapters.clock import Clock
from keyfobd.adapters.identity_center import IdentityCenter
from keyfobd.adapters.instance import Instance
from keyfobd.adapters.peer import PeerLookup, unix_peer
from keyfobd.adapters.seal import standard_seal
from keyfobd.adapters.settings import Settings, load
from keyfobd.adapters.sockets import ControlSocket, endpoint_listener, lowest_ephemeral_port
from keyfobd.adapters.state import State, StateFile
from keyfobd.adapters.threads import Threads
from keyfobd.adapters.tokens import Tokens
from keyfobd.broker import Broker
from keyfobd.core.admission import Own
from keyfobd.core.errors import KeyfobError
from keyfobd.core.ports import decided_port, ports_to_try
from keyfobd.directory import Directory
from keyfobd.exec_tokens import ExecTokens
from keyfobd.flush import Flush
from keyfobd.http.callback import Callback
from keyfobd.http.control import Control
from keyfobd.http.endpoint import Endpoint
from keyfobd.http.house import Facts, House
from keyfobd.http.words import words
from keyfobd.roles_in_use import RolesInUse
from keyfobd.sessions import Rules, Sessions
from keyfobd.sign_in import Means
from keyfobd.upkeep import Upkeep

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Mapping

    from keyfobd.core.model import EndpointToken, Process

log = logging.getLogger(__name__)

GRACE = 2.0
"""Seconds that requests under way have to end when the daemon stops; they are answered within one."""
KEPT_WITHOUT_ENVIRONMENTS = 8 * 3600
"""Seconds that an exec token outlives its process where no environment can be read (macOS): what was forked and left
behind cannot be found there."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is known and held before the event loop runs."""

    settings: Settings
    instance: Instance
    network: Mapping[str, str]  # for status


def prepare(environ: Mapping[str, str]) -> Prepared:
    """Settings, folders, the lock. Raises ConfigProblem and StartProblem."""
    settings = load(environ)
    folders.prepare(settings.folders)
    return Prepared(settings, Instance(settings.folders.state), network_in_force(settings, environ))


def network_in_force(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """How Identity Center is reached: the variables that are asked, and the settings that go before them."""
    found = wire.network_environment(environ)
    for name in ("ca_bundle", "proxy", "endpoint_sso", "endpoint_sso_oidc", "endpoint_sts"):
        value = getattr(settings, name)
        if value is not None and str(value) not in (environ.get(variable) for variable in wire.NETWORK_VARIABLES):
            found[f"[network] {name}"] = wire.without_password(str(value))
    return found


async def serve_until_stopped(
    prepared: Prepared, ready: Callable[[wire.DaemonFile], None], exit_at_once: Callable[[], None]
) -> None:
    """The daemon's life: start, serve, stop. ``ready`` is called when the endpoint and the control socket answer.
    Raises KeyfobError where it cannot start."""
    daemon = Daemon(prepared)
    _stop_on_signals(daemon.stopping, exit_at_once)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, daemon.listen_anew_if_gone)
    try:
        await daemon.start()
        log.info("ready")
        ready(daemon.found_at())
        await daemon.serve()
        log.info("stopping")
    finally:
        await daemon.stop()


def _stop_on_signals(stopping: asyncio.Event, exit_at_once: Callable[[], None]) -> None:
    def stop() -> None:
        if stopping.is_set():
            exit_at_once()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)


class Daemon:
    """Everything that lives as long as the daemon does."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._settings = settings = prepared.settings
        self.stopping = asyncio.Event()
        self._clock = clock = Clock()
        self._threads = Threads("disk", 4)
        self._config_file = AwsConfigFile(settings.aws_config_file)
        self._state_file = StateFile(settings.folders.state)
        self._control_socket = ControlSocket(settings.folders.control_socket)
        self._center = IdentityCenter(settings, clock)
        self._seal = standard_seal(settings, clock)
        self._tokens = Tokens(settings.folders.state, settings.folders.runtime, threads=self._threads, clock=clock)
        self._sessions = Sessions(self._center, self._seal, clock, self._rules())
        self._broker = Broker(self._sessions, clock, deadline=settings.request_deadline, chance=_chance)
        self._sessions.listener = self._broker
        self._directory = Directory(self._config_file, self._sessions)
        self._exec_tokens = ExecTokens(self._tokens, _OtherProcesses(self._tokens, self._threads), clock)
        self._roles_in_use = RolesInUse(self._broker, clock)
        self._upkeep = self._make_upkeep()
        self._port: int | None = None
        self._started = False
        self._beside: set[asyncio.Task[None]] = set()

    def _rules(self) -> Rules:
        def means(session: str) -> Means:
            return Means(Callback, secrets.token_bytes, self._settings.session(session).callback_port)

        return Rules(_chance, self._settings.calls_per_second, means)

    def _make_upkeep(self) -> Upkeep:
        return Upkeep(
            self._clock,
            planners=(self._sessions, self._broker),
            chores=(self._directory.refresh, self.listen_anew_if_gone, self._exec_tokens.look),
            flushes=(
                Flush("the sign-ins", self._seal_again),
                Flush("when tokens were used", self._tokens.look),
                Flush("which roles are in use", self._store_state),
            ),
            woken=self._broker.changed,
        )

    # --- start --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Opens both sockets; nothing that can be slow is waited for. Raises KeyfobError."""
        # botocore takes longer to import than all of the rest: a thread does it while the sockets are opened.
        self._begin(self._center.preload, "preload")
        state = self._state_file.load()
        self._roles_in_use.remember(state.roles)
        self._directory.refresh()
        listener = self._endpoint_listener(state)
        self._port = listener.getsockname()[1]
        await self._tokens.open()
        self._make_servers(listener, self._port)
        await self._control.listen()
        self._started = True
        self._prepared.instance.announce(self.found_at())

    def _endpoint_listener(self, state: State) -> socket.socket:
        decided = decided_port(setting=self._settings.endpoint_port, remembered=state.port)
        listener = endpoint_listener(decided, ports_to_try(lowest_ephemeral_port()))
        # Durable before any shell is told of it.
        self._state_file.store(replace(state, port=listener.getsockname()[1]))
        return listener

    def _make_servers(self, listener: socket.socket, port: int) -> None:
        self._peers = peers = PeerLookup()
        own = Own(uid=os.getuid(), port=port, peer_check=peers.works)
        self._listener = listener
        self._endpoint = Endpoint(listener, own, broker=self._broker, tokens=self._tokens, peers=peers)
        self._control = Control(
            words(self._house(peer_check=peers.works)), self._control_socket, os.getuid(), unix_peer
        )

    def _house(self, *, peer_check: bool) -> House:
        return House(
            facts=Facts(
                found_at=self.found_at(),
                started_at=self._clock.now().wall,
                network=self._prepared.network,
                token_in=self._settings.token_in,
                peer_check=peer_check,
                keep=None if sys.platform == "linux" else KEPT_WITHOUT_ENVIRONMENTS,
            ),
            sessions=self._sessions,
            broker=self._broker,
            tokens=self._tokens,
            exec_tokens=self._exec_tokens,
            storage=self._seal,
            directory=self._directory,
            settings_of=self._settings.session,
            process_of=process_watch.process_of,
            unlock=partial(_logged, self._unlock, "unlocking"),
            forget_roles=self._roles_in_use.forget_session,
            stop=self.stopping.set,
            bugs=lambda: self._broker.unexpected + self._control.internal_errors + self._endpoint.internal_errors,
        )

    async def _unlock(self) -> None:
        self._sessions.unlocked(await self._seal.retry())

    def found_at(self) -> wire.DaemonFile:
        """How clients find us."""
        pid = os.getpid()
        return {
            "pid": pid,
            "start_time": wire.process_start_time(pid),
            "control": str(self._control_socket.path),
            "port": self._port or 0,
            "version": __version__,
            "protocol": wire.PROTOCOL,
            "config_file": str(self._settings.aws_config_file),
        }

    # --- serve --------------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Until stopped, or until the root of it all breaks: the listener is lost, the look does not go on."""
        for_ever = {
            asyncio.create_task(self._endpoint.serve(), name="endpoint"),
            asyncio.create_task(self._upkeep.go_on(), name="upkeep"),
        }
        stopping = asyncio.create_task(self.stopping.wait(), name="stopping")
        self._begin(self._open, "open")
        done, others = await asyncio.wait({stopping, *for_ever}, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for task in done - {stopping}:
            task.result()

    async def _open(self) -> None:
        """What may be slow, after READY: the keyring, then the roles that were in use, then what else gets imported."""
        self._exec_tokens.resume(self._tokens.all())
        await self._sessions.open()
        sessions = self._directory.sessions()
        self._broker.want(self._roles_in_use.to_fetch(session.name for session in sessions))
        await self._center.preload(sorted({session.region for session in sessions}))

    def listen_anew_if_gone(self) -> None:
        """The control socket's name may vanish with its folder at the last logout; clients then send SIGHUP."""
        if self._started and not self.stopping.is_set() and self._control.is_gone():
            self._begin(self._listen_anew, "binding the control socket anew")

    async def _listen_anew(self) -> None:
        folders.prepare(self._settings.folders)
        await self._control.listen()
        log.info("the control socket was gone and is there again")

    async def _seal_again(self) -> None:
        if self._seal.storage["kind"] in ("keyring", "key-file"):
            await self._seal.retry()  # a disk that was full; without a key there would be a prompt

    async def _store_state(self) -> None:
        await self._threads.run(partial(self._state_file.store, State(self._port, self._roles_in_use.now())))

    async def _store(self) -> None:
        await self._upkeep.close()
        await self._tokens.close()

    def _begin(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        """Work beside all else; what becomes of it is logged."""
        task = asyncio.create_task(_logged(work, name), name=name)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    # --- stop ---------------------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """In this order, each step although the one before may have failed."""
        self.stopping.set()
        if self._started:
            # 1. Nobody new comes in, and the port is free for the next daemon.
            self._control.stop_listening()
            self._listener.close()
            # 2. Sign-ins end with a word to those who wait for them.
            await _logged(self._sessions.end_sign_ins, "ending the sign-ins")
            # 3. Who has asked is answered.
            await asyncio.gather(self._control.finish(GRACE), self._endpoint.finish(GRACE), return_exceptions=True)
            self._peers.close()
        # 4. Nothing is fetched any more, and nothing watched.
        for task in tuple(self._beside):
            task.cancel()
        await _logged(self._broker.close, "closing the broker")
        await _logged(self._exec_tokens.close, "closing the watches")
        # 5. Token renewals have a moment to end. Not before: whoever still asks for a role could begin another, and the
        #    refresh token that its answer brings would be lost with the daemon, the one before it being used up.
        await _logged(self._sessions.close, "closing the sessions")
        if self._started:
            # 6. What was used last is written; sessions and tokens were durable all along.
            await _logged(lambda: asyncio.wait_for(self._store(), GRACE), "storing what was used")
            # 7. Clients do not look for us any more; the lock goes with the process.
            self._prepared.instance.withdraw()


async def _logged(work: Callable[[], Awaitable[None]], name: str) -> None:
    try:
        await work()
    except KeyfobError as error:
        log.warning("%s: %s", name, error)
    except Exception:
        log.exception("%s failed unexpectedly", name)


def _chance() -> float:
    return secrets.randbelow(1 << 53) / (1 << 53)


class _OtherProcesses:
    """Other processes of this machine, for those who watch them."""

    def __init__(self, tokens: Tokens, threads: Threads) -> None:
        self._tokens = tokens
        self._threads = threads

    async def ended(self, process: Process) -> None:
        await process_watch.ended(process)

    def is_alive(self, process: Process) -> bool:
        return process_watch.is_alive(process)

    async def carriers(self, token: EndpointToken) -> tuple[Process, ...]:
        file = self._tokens.exec_file(token.id)
        return await self._threads.run(partial(process_watch.carriers, token.digest, file, os.getuid()))
