"""The caller's ``~/.aws`` files: where they are, what they say, and the stand-ins without a ``[default]`` identity."""

from __future__ import annotations

import json
import os

from keyfob import aws_config, environment, wire
from keyfob.errors import ClientError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = "stand-ins"
_IN_PLACE_OF = "# keyfob wrote this, in place of: "
_USUAL = {"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"}
CONFIG, CREDENTIALS = environment.FILES


def path_of(variable: str, environ: Mapping[str, str]) -> str:
    """The absolute path of the caller's config or credentials file; what stands behind a stand-in of ours."""
    value = {**environ, **replaced(environ)}.get(variable)
    usual = os.path.join("~", ".aws", _USUAL[variable])
    return os.path.abspath(os.path.expanduser(os.path.expandvars(value or usual)))


def read(path: str) -> aws_config.Config:
    """An absent file is an empty one. Raises ClientError with file and line."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return aws_config.parse(file.read())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return aws_config.Config({})
    except OSError as error:
        raise ClientError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ClientError(f"{path} is not UTF-8 (byte {error.start}).", "Save it as UTF-8.") from error
    except aws_config.ConfigError as error:
        raise ClientError(f"{path}, line {error.line}: {error.message}.", "Mend that line.") from error


def keep_default_from_winning(
    answer: wire.EnvAnswer, environ: Mapping[str, str], *, region: str, keep_config: bool
) -> tuple[dict[str, str], str]:
    """Variables that let the endpoint's identity win over ``[default]`` in the caller's files, and a line that says so;
    nothing where no ``[default]`` would win. Raises ClientError where it would and the files must be left alone."""
    config, credentials = (path_of(variable, environ) for variable in environment.FILES)
    parsed = read(config)
    winners = environment.what_would_win(config, parsed, credentials=False)
    winners += environment.what_would_win(credentials, read(credentials), credentials=True)
    if not winners:
        return {}, ""
    found = aws_config.profiles(parsed)
    profile = found.get(answer["keyfob_profile"] or "")
    if profile is not None and profile.keyfob_target is not None:
        return {environment.PROFILE: profile.name}, f"{winners[0]}; AWS_PROFILE={profile.name} goes before it."
    if keep_config:
        raise ClientError(f"{winners[0]}: it would be used instead.", "Leave out --keep-config.")
    files = _stand_ins(_region_and_output(answer, found, region), environ)
    names = " and ".join(files)
    return files, f"{winners[0]}; {names} hide it and hold region and output alone."


def _region_and_output(answer: wire.EnvAnswer, found: Mapping[str, aws_config.Profile], region: str) -> dict[str, str]:
    sources = [found[name] for name in (answer["profile"] or "default", "default") if name in found]
    values = {"region": region or answer["region"] or "", "output": ""}
    for source in sources:
        values = {key: value or source.get(key) for key, value in values.items()}
    return {key: value for key, value in values.items() if value}


def _stand_ins(values: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    texts = {CONFIG: "[default]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()), CREDENTIALS: ""}
    before = {variable: environ.get(variable) for variable in environment.FILES} | replaced(environ)
    return {name: _write(_USUAL[name], _IN_PLACE_OF + json.dumps(before[name]) + "\n" + texts[name]) for name in texts}


def _write(kind: str, text: str) -> str:
    """The path of a file with this very content: shells that need the same share it, and it is never changed."""
    from binascii import crc32  # noqa: PLC0415 - few have a [default] that needs hiding

    folder = os.path.join(wire.state_folder(), _FOLDER)
    path = os.path.join(folder, f"{kind}-{crc32(text.encode()):08x}")
    try:
        if os.path.exists(path):
            return path
        os.makedirs(folder, mode=0o700, exist_ok=True)
        fresh = f"{path}.{os.getpid()}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(fresh, path)
    except OSError as error:
        raise ClientError(f"{path} cannot be written: {error.strerror}.") from error
    return path


def replaced(environ: Mapping[str, str]) -> dict[str, str | None]:
    """The file variables that hold stand-ins of ours, with what they held before (None: they were not set)."""
    folder = os.path.join(wire.state_folder(), _FOLDER) + os.sep
    ours = {name: environ[name] for name in environment.FILES if environ.get(name, "").startswith(folder)}
    return {name: _held_before(path) for name, path in ours.items()}


def _held_before(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            before = json.loads(file.readline().removeprefix(_IN_PLACE_OF))
    except (OSError, ValueError):
        return None
    return before if isinstance(before, str) else None
