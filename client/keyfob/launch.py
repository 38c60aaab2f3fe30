"""Start, wake, stop: for when no daemon answers. Nothing here polls; a start ends with a line from the daemon itself.

``start.lock`` is held by whichever client starts or stops a daemon, so that others wait for the outcome instead of
adding to it. ``daemon.lock`` is held by the daemon for life: a held lock is a living daemon, whatever its socket says.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import sys

from keyfob import ask, config_files, environment, wire
from keyfob.errors import NotRunning, NotUsable, Refused
from keyfob.folder_watch import FolderWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 10.0  # seconds for a daemon that was woken to bind its socket anew, or to end
_CHANGES = 100  # in its folders, each looked at once: more is no daemon waking up
_ELSEWHERE = "Set XDG_STATE_HOME to a folder that can be written, then run: keyfob start"
_RESET = (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM, signal.SIGQUIT, signal.SIGXFSZ)


def bring_up(*, start: bool = True) -> wire.DaemonFile:
    """A daemon that answers: the running one, woken if its socket is gone, else a new one. Raises NotRunning where none
    runs and ``start`` is false, NotUsable, Refused (the daemon said why it cannot start)."""
    folder = _folder(make=start)
    with _held(os.path.join(folder, wire.START_LOCK_FILE)):
        running = _reachable() or (_woken(folder) if _is_held(_daemon_lock(folder)) else None)
        if running is not None:
            return running
        if not start:
            raise NotRunning
        return _started(folder)


def stop() -> None:
    """Returns when the daemon's process has ended. Raises NotRunning, NotUsable."""
    folder = _folder(make=False)
    with _held(os.path.join(folder, wire.START_LOCK_FILE)):
        if not _is_held(_daemon_lock(folder)) and _reachable() is None:
            raise NotRunning
        pid = _pid(folder)
        with _end_of(pid) as ended:
            _tell_to_stop(pid)
            _wait_for_end(folder, ended)


def _tell_to_stop(pid: int | None) -> None:
    if _reachable() is not None:
        ask.ask(wire.STOP, {})
    elif pid is not None:
        os.kill(pid, signal.SIGTERM)  # it runs, and nobody can talk with it
    else:
        raise NotUsable("keyfobd runs, but nothing tells which process it is.", "End it by hand.")


def _folder(*, make: bool) -> str:
    folder = wire.state_folder()
    if not ask.owned_by_us(folder):
        if not make:
            raise NotRunning
        try:
            for path in (os.path.dirname(folder), folder):
                os.makedirs(path, mode=0o700, exist_ok=True)
        except OSError as error:
            raise NotUsable(f"The folder {folder} cannot be made: {error.strerror}.", _ELSEWHERE) from error
    return folder


def _daemon_lock(folder: str) -> str:
    return os.path.join(folder, wire.LOCK_FILE)


@contextlib.contextmanager
def _held(path: str) -> Iterator[None]:
    """Holds a lock; waits for whoever has it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise NotUsable(f"{path} cannot be opened: {error.strerror}.", _ELSEWHERE) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_held(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _reachable() -> wire.DaemonFile | None:
    found = ask.daemon_file()
    control = ask.connected(found)
    if control is None:
        return None
    control.close()
    return found


def _pid(folder: str) -> int | None:
    """The process that holds the daemon's lock: from daemon.json if that very process lives, else from the lock."""
    found = wire.read_daemon_file(folder)
    if found is not None and wire.process_start_time(found["pid"]) == found["start_time"]:
        return found["pid"]
    try:
        with open(_daemon_lock(folder), encoding="ascii") as file:
            pid = int(file.read())
    except (OSError, ValueError):
        return None
    return pid if wire.process_start_time(pid) else None


def _woken(folder: str) -> wire.DaemonFile | None:
    """The daemon that holds the lock, once it listens again; None if it ended meanwhile. Raises NotUsable.

    The runtime folder vanishes with the last logout (systemd) while the daemon lives on; SIGHUP has it bind anew.
    """
    pid = _pid(folder)
    with _end_of(pid) as ended:
        if pid is not None and wire.read_daemon_file(folder) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)
        for _ in range(_CHANGES):
            with FolderWatch(_where_it_appears(folder)) as watch:
                found = _reachable()
                if found is not None or not _is_held(_daemon_lock(folder)):
                    return found
                if not watch.wait([*ended], _PATIENCE):
                    break
    found = _reachable()
    if found is None:
        who = f" (pid {pid})" if pid else ""
        raise NotUsable(f"keyfobd{who} is running but does not answer.", "Run: keyfob restart")
    return found


def _where_it_appears(folder: str) -> list[str]:
    found = wire.read_daemon_file(folder)
    runtime = os.path.abspath(os.path.dirname(found["control"])) if found else folder
    while not os.path.isdir(runtime):
        runtime = os.path.dirname(runtime)
    return list(dict.fromkeys((folder, runtime)))


@contextlib.contextmanager
def _end_of(pid: int | None) -> Iterator[tuple[int, ...]]:
    """A descriptor that becomes readable when the process ends; none where the system has no such thing."""
    descriptor = None
    if pid is not None and sys.platform == "linux":
        with contextlib.suppress(OSError):
            descriptor = os.pidfd_open(pid)
    try:
        yield () if descriptor is None else (descriptor,)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _wait_for_end(folder: str, ended: tuple[int, ...]) -> None:
    if not ended:
        with _held(_daemon_lock(folder)):
            return
    if not select.select(ended, [], [], _PATIENCE)[0]:
        raise NotUsable("keyfobd was told to stop and has not ended yet.", f"Its log is {_log(folder)}")


# --- a new daemon -------------------------------------------------------------------------------------------------


def _log(folder: str) -> str:
    return os.path.join(folder, wire.LOG_FILE)


def _started(folder: str) -> wire.DaemonFile:
    """Waits for the line that the daemon writes when its endpoint answers, or when it gives up. A client that is
    interrupted takes its half-started daemon with it."""
    ready, theirs = os.pipe()
    pid = None
    try:
        try:
            pid = _spawned(folder, theirs)
        finally:
            os.close(theirs)
        with open(ready, "rb", closefd=False) as reader:
            return _announced(reader.readline(), folder)
    except KeyboardInterrupt:
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            select.select([ready], [], [], _PATIENCE)  # readable at the end of the file: it is gone
        raise
    finally:
        os.close(ready)


def _announced(line: bytes, folder: str) -> wire.DaemonFile:
    try:
        answer = json.loads(line) if line else {}
    except ValueError:
        answer = {}
    if "ready" in answer:
        found: wire.DaemonFile = answer["ready"]
        return found
    if "error" in answer:
        error: wire.ErrorAnswer = answer["error"]
        raise Refused({**error, "exit": error.get("exit", wire.EXIT_NOT_RUNNING)})
    raise NotUsable("keyfobd ended before it was ready.", f"Its log says why: {_log(folder)}")


def _spawned(folder: str, ready: int) -> int:
    """The pid of a new keyfobd in a session of its own. A process between us and it ends at once, so that it is not our
    child: `exec` becomes a program that would wonder at a child it never had."""
    environ = environment.of_daemon(os.environ)
    if "AWS_CONFIG_FILE" in environ:  # absolute, since the daemon runs in /; and not a stand-in of ours
        environ["AWS_CONFIG_FILE"] = config_files.path_of("AWS_CONFIG_FILE", os.environ)
    reader, writer = os.pipe()
    between = os.fork()
    if between == 0:
        _between(folder, ready, writer, environ)
    os.close(writer)
    with open(reader, "rb") as answer:
        os.waitpid(between, 0)
        word = answer.read()
    if not word.isdigit():
        raise NotUsable(f"keyfobd cannot be started: {word.decode(errors='replace')}.")
    return int(word)


def _between(folder: str, ready: int, answer: int, environ: dict[str, str]) -> None:
    """Runs in the process between and never returns. Safe path (-P): not even a folder named keyfobd in the current
    directory can take the daemon's place."""
    try:
        os.setsid()
        os.chdir("/")
        os.umask(0o077)
        os.set_inheritable(ready, True)
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, _log(folder), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        command = [sys.executable, "-P", "-m", "keyfobd", "--ready-fd", str(ready)]
        pid = os.posix_spawn(sys.executable, command, environ, file_actions=actions, setsigmask=(), setsigdef=_RESET)
        os.write(answer, str(pid).encode())
    except OSError as error:
        os.write(answer, str(error.strerror).encode())
    finally:
        os._exit(0)
