"""``keyfob start``, ``stop``, ``restart``, ``version``."""

from __future__ import annotations

from keyfob import __version__, ask, launch, terminal, wire
from keyfob.errors import NotRunning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace


def run_start(_options: Namespace) -> int:
    """Returns when the endpoint answers. Raises ClientError."""
    before = ask.daemon_file()
    found = launch.bring_up()
    word = "is running" if before is not None and before["pid"] == found["pid"] else "started"
    terminal.say(f"keyfobd {word}: pid {found['pid']}, http://127.0.0.1:{found['port']}")
    return wire.EXIT_DONE


def run_stop(_options: Namespace) -> int:
    """Returns when the process has ended. Raises ClientError."""
    launch.stop()
    terminal.say("keyfobd stopped.")
    return wire.EXIT_DONE


def run_restart(options: Namespace) -> int:
    """Starts one where none runs, too. Raises ClientError."""
    try:
        launch.stop()
    except NotRunning:
        terminal.say("keyfobd was not running.")
    return run_start(options)


def run_version(_options: Namespace) -> int:
    """The client's own version; the daemon's goes to stderr where it is another. Raises ClientError."""
    terminal.write_out(f"keyfob {__version__}\n")
    try:
        answer = ask.ask(wire.VERSION, {})
    except NotRunning:
        return wire.EXIT_DONE
    if answer["version"] != __version__:
        terminal.note(f"the daemon that runs is {answer['version']}. Run: keyfob restart")
    return wire.EXIT_DONE
