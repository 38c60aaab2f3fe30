"""``keyfob-simulator``: the simulator alone, as a process in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from identity_center_simulator.scenario_file import EXAMPLE, example, load
from identity_center_simulator.server import NotLoopback, Simulator
from identity_center_simulator.settings import ScenarioProblem, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from identity_center_simulator.world import Scenario

BANNER = """\
This is a SIMULATOR of AWS IAM Identity Center, for development and CI. It is not AWS: it believes whoever says Allow.
"""


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="keyfob-simulator",
        description="A stand-in for AWS IAM Identity Center (SSO OIDC, access portal, a little STS) on loopback.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--port", type=_port, default=5399, help="port to listen on; 0 takes a free one (default 5399)")
    found.add_argument("--scenario", type=Path, help="TOML file of accounts, permission sets, users and settings")
    found.add_argument("--example", action="store_true", help="print the scenario that is used without one, and exit")
    found.add_argument("--movable-clock", action="store_true", help="let POST /simulator/clock move the clock")
    found.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    found.add_argument("--beyond-loopback", action="store_true", help="allow an address that other machines can reach")
    found.add_argument("--any-host", action="store_true", help="on loopback, answer to other names too (hosts file)")
    return found


def run(arguments: Sequence[str] | None = None) -> None:
    """The console script; exits with 0 when it was stopped, 1 when it could not start, 2 for wrong words."""
    options = parser().parse_args(arguments)
    if options.example:
        sys.stdout.write(EXAMPLE)
        return
    try:
        scenario = load(options.scenario) if options.scenario else example()
        asyncio.run(_serve_until_stopped(scenario, options))
    except (ScenarioProblem, OSError, NotLoopback) as problem:
        hint = " (--beyond-loopback allows it)" if isinstance(problem, NotLoopback) else ""
        sys.exit(f"keyfob-simulator: {problem}{hint}")


async def _serve_until_stopped(scenario: Scenario, options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    simulator = Simulator(
        scenario,
        host=options.host,
        port=options.port,
        movable_clock=options.movable_clock,
        beyond_loopback=options.beyond_loopback,
        any_host=options.any_host,
    )
    async with simulator:
        _announce(simulator)
        await stop.wait()


def _announce(simulator: Simulator) -> None:
    """The first line on stdout is for scripts: it comes when the port answers, and its second word is the URL."""
    sys.stderr.write(BANNER)
    exports = "".join(f"export {name}={value}\n" for name, value in simulator.exports.items())
    sys.stdout.write(f"listening {simulator.url}\n{exports}")
    sys.stdout.flush()
    scenario = simulator.instance.scenario
    sys.stderr.write(
        f"Start URL {scenario.start_urls[0]}, region {scenario.region}; users: {', '.join(scenario.users)}. "
        f"Control API: {simulator.url}/simulator/\n"
    )


def _epilog() -> str:
    defaults = Settings()
    names = (f"  {each.name} = {getattr(defaults, each.name)!r}" for each in dataclasses.fields(Settings))
    return (
        "The first line on stdout is `listening URL`, once it does; the next three point AWS tools at it.\n"
        "Settings of a scenario, with their defaults (durations in seconds, or like 20s, 15m, 8h, 90d):\n"
        + "\n".join(names)
    )


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    run()
