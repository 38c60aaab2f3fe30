"""The simulator as a whole: one server, one port, for use inside a test's own event loop or as a process."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Self

from aiohttp import web

from identity_center_simulator import html
from identity_center_simulator.clock import Clock
from identity_center_simulator.context import Context
from identity_center_simulator.control import Control
from identity_center_simulator.federation import Federation
from identity_center_simulator.hosts import guarded
from identity_center_simulator.instance import Instance
from identity_center_simulator.observation import dated, observed
from identity_center_simulator.oidc import Oidc
from identity_center_simulator.pages import Pages
from identity_center_simulator.portal import Portal
from identity_center_simulator.scenario_file import example
from identity_center_simulator.sts import Sts

if TYPE_CHECKING:
    from identity_center_simulator.faults import Faults
    from identity_center_simulator.journal import Journal
    from identity_center_simulator.world import Scenario


class NotLoopback(ValueError):
    """The address could be reached from other machines, and nobody said that this is meant."""


class Simulator:
    """A running simulator: ``async with Simulator(scenario) as simulator: … simulator.url``.

    ``port`` 0 takes a free one. ``clock`` may be one that a test moves, or one that follows an event loop's time. With
    ``movable_clock`` the control API can move it too. On loopback it answers to loopback's names alone, unless
    ``any_host``. Raises NotLoopback, and OSError when the port is taken.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        clock: Clock | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        movable_clock: bool = False,
        beyond_loopback: bool = False,
        any_host: bool = False,
    ) -> None:
        if not beyond_loopback and not is_loopback(host):
            raise NotLoopback(f"{host} is not a loopback address")
        self._context = Context(clock or Clock(), Instance(scenario or example()), movable_clock)
        self._host, self._port = host, port
        self._any_host = any_host or not is_loopback(host)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end; known once it has started."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def exports(self) -> dict[str, str]:
        """The environment that points any AWS tool at it."""
        return exports(self.url)

    @property
    def instance(self) -> Instance:
        return self._context.instance

    @property
    def clock(self) -> Clock:
        return self._context.clock

    @property
    def faults(self) -> Faults:
        return self._context.faults

    @property
    def journal(self) -> Journal:
        return self._context.journal

    async def start(self) -> None:
        # Handlers end with their client, so that a fault that hangs does not outlive the call it met.
        self._runner = web.AppRunner(
            application(self._context, any_host=self._any_host),
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=1.0,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Let go those who hang, close every connection, free the port."""
        self._context.stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def application(context: Context, *, any_host: bool) -> web.Application:
    """All parts on one aiohttp application, routed by path alone."""
    pages, sts = Pages(context), Sts(context)
    guards = [] if any_host else [guarded()]
    app = web.Application(middlewares=[*guards, observed(context)], client_max_size=1024 * 1024)
    app.on_response_prepare.append(dated(context))
    app.on_response_prepare.append(lasting)
    for part in (Oidc(context), Portal(context), Federation(context), pages, Control(context, pages)):
        app.add_routes(part.routes())

    async def root(request: web.Request) -> web.Response:
        if request.method == "POST" or "Action" in request.query:
            return await sts.answer(request)
        return html.message("Identity Center simulator", "It runs. The control API is at /simulator/")

    app.add_routes([web.get("/", root), web.post("/", root)])
    return app


async def lasting(_request: web.Request, response: web.StreamResponse) -> None:
    """Say that the connection lasts, as the real services do; HTTP/1.1 would not need it."""
    if response.keep_alive:
        response.headers.setdefault("Connection", "keep-alive")


def exports(url: str) -> dict[str, str]:
    return dict.fromkeys(("AWS_ENDPOINT_URL_SSO_OIDC", "AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_STS"), url)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
