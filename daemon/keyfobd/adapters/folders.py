"""Where things lie, and whether nobody else can get at them."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

from platformdirs import PlatformDirs

from keyfob import wire
from keyfobd.core.errors import StartProblem

# sockaddr_un.sun_path has 108 bytes on Linux and 104 on macOS and the BSDs, the closing NUL among them.
LONGEST_SOCKET_PATH = 107 if sys.platform.startswith("linux") else 103
_OTHERS = 0o077
_OTHERS_WRITE = 0o022


@dataclass(frozen=True, slots=True)
class Folders:
    """keyfob's own folders."""

    config: Path
    state: Path
    runtime: Path
    log: Path

    @property
    def control_socket(self) -> Path:
        return self.runtime / wire.CONTROL_SOCKET

    @property
    def config_file(self) -> Path:
        return self.config / "config.toml"


def standard_folders() -> Folders:
    """The folders platformdirs names for this process's environment. State and log are the client's as well, which
    has no platformdirs: wire names them.

    The runtime folder has a part for each state folder: one user with two homes has two daemons, and both see the same
    XDG_RUNTIME_DIR. Raises StartProblem."""
    places = PlatformDirs("keyfob", appauthor=False)
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR (cron, su, containers) it warns and names a folder in /tmp, which we check ourselves.
        warnings.simplefilter("ignore")
        try:
            runtime = Path(places.user_runtime_dir)
        except PermissionError as error:  # its name in /tmp is somebody else's, or a link
            raise StartProblem(
                f"There is no safe folder for sockets: {error}.",
                "Set XDG_RUNTIME_DIR to a folder of yours alone, then run: keyfob start",
            ) from None
    state = Path(wire.state_folder())
    return Folders(config=Path(places.user_config_dir), state=state, runtime=runtime / _short_name(state), log=state)


def _short_name(state: Path) -> str:
    """Eight digits that stand for a folder: the whole path would leave a socket's no room."""
    return hashlib.sha256(os.fsencode(state)).hexdigest()[:8]


def prepare(folders: Folders) -> None:
    """Make the folders that are not there, and see that all are ours alone. Raises StartProblem."""
    length = len(os.fsencode(folders.control_socket))
    if length > LONGEST_SOCKET_PATH:
        raise StartProblem(
            f"The control socket's path {folders.control_socket} is {length} bytes long; {LONGEST_SOCKET_PATH} may be.",
            "Set XDG_RUNTIME_DIR to a shorter folder of yours.",
        )
    if folders.config.exists():
        # It may be read by others, but it says where Identity Center is: nobody else may write it.
        check(folders.config, forbidden=_OTHERS_WRITE)
    lasting, passing = "XDG_STATE_HOME", "XDG_RUNTIME_DIR"
    made = {folders.state.parent: lasting, folders.state: lasting, folders.log: lasting}
    made |= {folders.runtime.parent: passing, folders.runtime: passing}
    for folder, variable in made.items():
        make(folder, variable)
        check(folder, forbidden=_OTHERS)


def make(folder: Path, variable: str) -> None:
    """A folder that only we can enter; parents that are missing as well. ``variable`` is what could name another.
    Raises StartProblem."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StartProblem(
            f"The folder {folder} cannot be made: {error.strerror}.",
            f"Set {variable} to a folder that can be written, then run: keyfob start",
        ) from error


def check(folder: Path, *, forbidden: int) -> None:
    """The folder is one, is ours, has none of the ``forbidden`` mode bits, and nobody else can put another in its
    place. Raises StartProblem."""
    found = _status(folder)
    if found.st_uid != os.getuid():
        raise StartProblem(f"The folder {folder} belongs to {_user(found.st_uid)}, not to {_user(os.getuid())}.")
    if found.st_mode & forbidden:
        mode = stat.S_IMODE(found.st_mode)
        raise StartProblem(f"The folder {folder} is open to other users (mode {mode:04o}).", f"Run: chmod 700 {folder}")
    parent = folder.parent.stat()
    if parent.st_uid not in (0, os.getuid()):
        raise StartProblem(f"The folder {folder.parent}, which holds {folder.name}, is {_user(parent.st_uid)}'s.")
    if parent.st_mode & stat.S_IWOTH and not parent.st_mode & stat.S_ISVTX:
        raise StartProblem(f"In the folder {folder.parent} anybody can replace {folder.name}.")


def _status(folder: Path) -> os.stat_result:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        what = "is a symbolic link" if folder.is_symlink() else f"cannot be used: {error.strerror}"
        raise StartProblem(f"The folder {folder} {what}.") from error
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _user(uid: int) -> str:
    import pwd  # noqa: PLC0415 - reads /etc/passwd or asks a directory service: only for a message

    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
