"""A faithful stand-in for AWS IAM Identity Center, for development and CI. Never for production.

It simulates the two services that AWS tools sign in with (SSO OIDC and the access portal), the pages a person meets in
the browser, the console's federation endpoint, and as much of STS as it takes to prove that credentials work.

As a process::

    $ keyfob-simulator --port 0
    listening http://127.0.0.1:40613
    export AWS_ENDPOINT_URL_SSO_OIDC=http://127.0.0.1:40613
    …

In a test's own event loop::

    async with Simulator(parse(SCENARIO), clock=Clock(start=1_800_000_000)) as simulator:
        simulator.exports                          # the environment that points any AWS tool at it
        simulator.faults.add(Fault("GetRoleCredentials", "status", status=503, times=1))
        simulator.clock.advance(3600)
        simulator.journal.calls("CreateToken", grant="refresh_token")

`EXAMPLE` is a scenario file with comments; `Settings` says what can be switched; `faults` lists what can go wrong;
``GET /simulator/`` lists the control API.
"""

from identity_center_simulator.clock import Clock
from identity_center_simulator.faults import Fault
from identity_center_simulator.journal import Call
from identity_center_simulator.scenario_file import EXAMPLE, example, load, parse
from identity_center_simulator.server import NotLoopback, Simulator
from identity_center_simulator.settings import ScenarioProblem, Settings
from identity_center_simulator.world import Account, IamRole, PermissionSet, Scenario, User

__all__ = [
    "EXAMPLE",
    "Account",
    "Call",
    "Clock",
    "Fault",
    "IamRole",
    "NotLoopback",
    "PermissionSet",
    "Scenario",
    "ScenarioProblem",
    "Settings",
    "Simulator",
    "User",
    "example",
    "load",
    "parse",
]
