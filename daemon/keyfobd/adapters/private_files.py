"""Files that are ours alone, and never half written."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from keyfobd.core.errors import StorageProblem

if TYPE_CHECKING:
    from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces a file so that it is the old or the new one at every instant, 0600, and durable on return.
    Raises StorageProblem."""
    fresh = path.with_name(path.name + ".new")
    try:
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(file, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise StorageProblem(f"{path} cannot be written: {error.strerror}.", "Make room or mend its mode.") from None


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
