"""The Secret Service of a desktop, for real: what `storage.kind = "keyring"` is worth."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from support.machine import Machine, end, machine

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.needs("dbus-daemon", "gnome-keyring-daemon", "linux")


@pytest.fixture
def desktop() -> Iterator[Machine]:
    """A machine with a session bus of its own and an unlocked keyring on it."""
    with machine() as stage:
        bus = stage.popen("dbus-daemon", "--session", "--nofork", "--print-address", stdout=subprocess.PIPE)
        assert bus.stdout is not None
        stage.environ |= {"DBUS_SESSION_BUS_ADDRESS": bus.stdout.readline().strip(), "KEYFOB_STORAGE_KIND": "keyring"}
        keyring = stage.popen(
            "gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert keyring.stdin is not None
        assert keyring.stdout is not None
        keyring.stdin.write("a password")
        keyring.stdin.close()
        keyring.stdout.readline()  # GNOME_KEYRING_CONTROL=…: it is ready
        try:
            stage.simulate()
            yield stage
            stage.run("keyfob", "stop")
        finally:
            for process in (keyring, bus):
                end(process)
            keyring.stdout.close()
            bus.stdout.close()


def test_a_session_sealed_with_the_keyring_outlives_the_daemon(desktop: Machine) -> None:
    signed_in = desktop.sign_in()
    assert signed_in.status == 0, signed_in.err

    assert desktop.run("keyfob", "restart").status == 0
    after = desktop.run("keyfob", "credential-process", "ReadOnly@222222222222")

    assert after.status == 0, after.err
    assert desktop.simulator is not None
    assert len(desktop.simulator.get("sessions")) == 1
