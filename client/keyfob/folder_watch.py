"""Waiting for something to change in a folder, with nothing but the standard library."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType


class FolderWatch:
    """Notices names that come and go in folders from the moment it is entered, so that nothing falls between a look
    and the wait. Linux tells by a signal (dnotify), macOS by kqueue; where neither works a wait ends by its time-out.
    """

    def __init__(self, folders: list[str]) -> None:
        self._folders = folders
        self._descriptors: list[int] = []

    def __enter__(self) -> FolderWatch:  # noqa: PYI034 - typing.Self would import typing
        for folder in self._folders:
            with contextlib.suppress(OSError):  # one that may not be read is not watched
                self._descriptors.append(os.open(folder, os.O_RDONLY | os.O_CLOEXEC))
        if sys.platform == "linux":
            self._notify_by_signal()
        elif sys.platform == "darwin":
            self._notify_by_kqueue()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)  # ends the notification as well
        if sys.platform == "linux":
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGIO, self._before)
            os.close(self._woken)
            os.close(self._waker)

    def wait(self, others: list[int], seconds: float) -> bool:
        """Until something changed or one of ``others`` is readable; False when the time was up first."""
        return bool(select.select([self._woken, *others], [], [], seconds)[0])

    def _notify_by_signal(self) -> None:
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        self._before = signal.signal(signal.SIGIO, _noticed)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for descriptor in self._descriptors:
            try:
                fcntl.fcntl(descriptor, fcntl.F_NOTIFY, fcntl.DN_CREATE | fcntl.DN_RENAME | fcntl.DN_DELETE)
            except OSError:
                return  # a kernel without it

    if sys.platform == "darwin":

        def _notify_by_kqueue(self) -> None:
            queue = select.kqueue()
            self._woken = queue.fileno()
            self._queue = queue
            queue.control(
                [
                    select.kevent(
                        descriptor, select.KQ_FILTER_VNODE, select.KQ_EV_ADD | select.KQ_EV_CLEAR, select.KQ_NOTE_WRITE
                    )
                    for descriptor in self._descriptors
                ],
                0,
            )


def _noticed(_number: int, _frame: FrameType | None) -> None:
    """The byte in the wake-up pipe is all that is needed; without a handler SIGIO would end the process."""
