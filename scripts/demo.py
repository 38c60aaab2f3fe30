"""`make demo`: the whole of keyfob in about a minute, against a simulated IAM Identity Center, in a temporary HOME.

Nothing here is make-believe but Identity Center itself: simulator and daemon are processes of their own, boto3 and
`aws` are the real ones, and every identity they print was confirmed by the simulator's STS, which checks signatures.
"""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from support.machine import BIN, CONFIG, Machine, Ran, machine

if TYPE_CHECKING:
    from types import FrameType

    from support.simulator import SimulatorProcess

SHORT_LIFE = 20  # seconds; real role credentials live 1 to 12 hours

SCENARIO = f"""\
start_urls = ["https://d-1234567890.awsapps.com/start"]
region = "us-east-1"
[accounts.111111111111]
name = "Development"
[accounts.222222222222]
name = "Production"
[permission_sets]
Deployer = "{SHORT_LIFE}s"
ReadOnly = "1h"
[users.alice.assignments]
111111111111 = ["Deployer"]
222222222222 = ["ReadOnly"]
"""

ROLES = {"dev": "Deployer@111111111111", "prod": "ReadOnly@222222222222"}

PROFILES = "".join(
    f"\n[profile {name}]\ncredential_process = {BIN}/keyfob credential-process {target}\nregion = eu-central-1\n"
    for name, target in ROLES.items()
)

WHO_AM_I = """\
import boto3
print(boto3.client("sts").get_caller_identity()["Arn"])
"""

AT_WORK = """\
import time, boto3

def show(request, **_):
    print(request.headers["Authorization"].decode().partition("Credential=")[2].partition("/")[0], end=" ")

client = boto3.client("sts")
client.meta.events.register("before-send.sts.GetCallerIdentity", show)
while True:
    print(client.get_caller_identity()["Arn"], flush=True)
    time.sleep(1)
"""

AWS_WHO_AM_I = ("aws", "sts", "get-caller-identity", "--query", "Arn", "--output", "text")


class DemoFailed(Exception):
    """Something did not go as the story goes."""


class Story:
    """Says what happens, a line a step, and stops where it did not."""

    def __init__(self, stage: Machine) -> None:
        self.stage = stage
        self._steps = itertools.count(1)

    @property
    def simulator(self) -> SimulatorProcess:
        assert self.stage.simulator is not None, "begin() started it"
        return self.stage.simulator

    def step(self, text: str) -> None:
        print(f"\n{next(self._steps):2}. {text}", flush=True)

    def aside(self, text: str) -> None:
        print(f"      {text}".rstrip(), flush=True)

    def shell(self, line: str) -> Ran:
        """Show a line as it is typed, run it in bash, show what it printed; it has to work."""
        self.aside(f"$ {line}")
        ran = self.stage.run("bash", "-euc", line)
        if ran.status:
            raise DemoFailed(f"{line!r} ended with {ran.status}: {ran.err.strip()}")
        for text in (ran.err + ran.out).splitlines():
            self.aside(text)
        return ran


def main() -> int:
    signal.signal(signal.SIGTERM, _end_in_order)
    started = time.monotonic()
    print("keyfob against a simulated IAM Identity Center, in a temporary HOME. Nothing of yours is touched.")
    try:
        with machine() as stage:
            tell(Story(stage))
    except KeyboardInterrupt:
        print("\nInterrupted; everything that was started is gone.", file=sys.stderr)
        return 130
    except DemoFailed as failure:
        print(f"\nThe demo failed: {failure}", file=sys.stderr)
        return 1
    print(f"\nThat was all, in {time.monotonic() - started:.0f} seconds. Nothing is left running.")
    return 0


def _end_in_order(signum: int, _: FrameType | None) -> NoReturn:
    """SIGTERM unwinds the stack as an error would, so that nothing is left running."""
    sys.exit(128 + signum)


def tell(story: Story) -> None:
    begin(story)
    sign_in(story)
    everybody_has_credentials(story)
    keys_change_under_a_running_program(story)
    the_session_ends(story)


def begin(story: Story) -> None:
    stage = story.stage
    stage.config_file.write_text(CONFIG + PROFILES, encoding="utf-8")
    Path(stage.home, "whoami.py").write_text(WHO_AM_I, encoding="utf-8")
    simulator = stage.simulate(SCENARIO)
    stage.environ["AWS_DEFAULT_REGION"] = "eu-central-1"  # as in a shell of yours: boto3 makes no client without
    story.step(f"A simulator stands in for AWS IAM Identity Center and STS, at {simulator.url}.")
    story.step("keyfobd starts; it will hold the session and serve credentials on loopback.")
    story.shell("keyfob start")


def sign_in(story: Story) -> None:
    story.step("Somebody signs in: keyfob shows an address, they press Allow on that page.")
    story.aside("$ keyfob login")
    ran = story.stage.sign_in()
    if ran.status:
        raise DemoFailed(f"keyfob login ended with {ran.status}: {ran.err.strip()}")
    for line in ran.err.splitlines():
        story.aside(line)
    story.step("What they may use:")
    story.shell("keyfob list")


def everybody_has_credentials(story: Story) -> None:
    story.step("Two roles in two accounts, by `keyfob exec`:")
    for role in ROLES.values():
        story.shell(f"keyfob exec {role} -- python whoami.py")
        story.shell(f"keyfob exec {role} -- {' '.join(AWS_WHO_AM_I)}")
    story.step("The same in a shell that asked once:")
    for role in ROLES.values():
        story.shell(f'eval "$(keyfob env {role})"; python whoami.py; {" ".join(AWS_WHO_AM_I)}')
    story.step("And by profiles with `credential_process`, for tools that are given a profile's name:")
    for name in ROLES:
        story.shell(f"AWS_PROFILE={name} python whoami.py")
        story.shell(f"{' '.join(AWS_WHO_AM_I)} --profile {name}")


def keys_change_under_a_running_program(story: Story) -> None:
    role = ROLES["dev"]
    story.step(f"{role} has keys that live {SHORT_LIFE} seconds here. A boto3 client works on, longer than that:")
    Path(story.stage.home, "at_work.py").write_text(AT_WORK, encoding="utf-8")
    story.aside(f"$ keyfob exec {role} -- python at_work.py")
    sign_ins = len(story.simulator.get("sessions"))
    worker = story.stage.popen("keyfob", "exec", role, "--", "python", "at_work.py", stdout=subprocess.PIPE)
    try:
        keys = watch(story, worker)
    finally:
        worker.kill()
        worker.communicate()
    if len(keys) < 2:
        raise DemoFailed(f"the client did not work across {SHORT_LIFE} seconds; it signed with {len(keys)} keys")
    if len(story.simulator.get("sessions")) != sign_ins:
        raise DemoFailed("somebody had to sign in again")
    story.aside("Nobody was asked, and nothing was started anew.")


def watch(story: Story, worker: subprocess.Popen[str]) -> list[str]:
    """The keys that a program signs with, until it has gone on for longer than the first ones live."""
    keys: list[str] = []
    began = time.monotonic()
    for line in worker.stdout or ():
        key, _, identity = line.strip().partition(" ")
        seconds = time.monotonic() - began
        if key not in keys:
            keys.append(key)
            story.aside(f"{seconds:4.0f} s: signs with …{key[-6:]} as {identity}")
        if seconds > SHORT_LIFE + 2:
            return keys
    return []


def the_session_ends(story: Story) -> None:
    stage = story.stage
    story.step("The session is ended at Identity Center. What was handed out works on until it expires; then:")
    given = json.loads(stage.run("keyfob", "env", ROLES["dev"], "--format", "json").out)
    story.simulator.post("sessions/end")
    began = time.monotonic()
    while "keyfob login" not in (ran := stage.run(*AWS_WHO_AM_I, env=given["set"])).err:
        if time.monotonic() - began > 2 * SHORT_LIFE:
            raise DemoFailed(f"the session is over, and the tool does not say what to do: {ran.err}")
    story.aside(f"$ {' '.join(AWS_WHO_AM_I)}")
    story.aside(ran.err.strip())
    story.step("One command mends it:")
    story.aside("$ keyfob login")
    for line in stage.sign_in().err.splitlines()[-1:]:
        story.aside(line)
    story.shell(f"keyfob exec {ROLES['dev']} -- {' '.join(AWS_WHO_AM_I)}")


if __name__ == "__main__":
    sys.exit(main())
