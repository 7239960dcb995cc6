"""The only module that makes system calls: the rest of this package uses a :class:`Syscalls`, which tests replace.

The calls exist only on Linux; on other systems the module can be imported, but its methods raise.
"""

import ctypes
import errno
import mmap
import os
import re
import select
import time
from collections.abc import Container
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

Access = Literal["reading", "writing", "reading and writing"]
_ACCESS_MODES: Final[dict[int, Access]] = {0: "reading", 1: "writing", 2: "reading and writing"}
UNSUPPORTED: Final = (errno.EINVAL, errno.ENOTTY)
"""Errors of an ioctl that the driver does not have, and the end of a list."""
_NODE_PATTERN: Final = re.compile(r"video(\d+)")


class Memory(Protocol):
    """A memory-mapped buffer of the device."""

    def __getitem__(self, part: slice, /) -> bytes: ...
    def close(self) -> None: ...


class Ready(NamedTuple):
    """The result of a poll: a buffer or event is ready, the device failed, or the waker was triggered; all False on timeout."""

    readable: bool
    failed: bool
    woken: bool


class Holder(NamedTuple):
    """A process that has a device open."""

    pid: int
    program: str
    access: Access


class EventFd:
    """Wakes a poll from another thread."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        return self._fd

    def wake(self) -> None:
        """Make every poll from now on return immediately."""
        os.eventfd_write(self._fd, 1)

    def close(self) -> None:
        os.close(self._fd)


class Syscalls:
    """System calls on video devices. Stateless; failures raise ``OSError``."""

    def nodes(self) -> list[Path]:
        """Return ``/dev/video*`` in numeric order."""
        numbered = [(_NODE_PATTERN.fullmatch(path.name), path) for path in Path("/dev").glob("video*")]
        return [path for _, path in sorted((int(match[1]), path) for match, path in numbered if match)]

    def resolve(self, path: Path) -> Path:
        """Resolve links, such as those in ``/dev/v4l/by-id``. Returns the path itself if they form a loop."""
        try:
            return path.resolve()
        except (OSError, RuntimeError):  # also without a current directory
            return path

    def open(self, path: Path) -> int:
        """Open for non-blocking reading and writing; return the descriptor."""
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self, fd: int) -> None:
        os.close(fd)

    def ioctl(self, fd: int, request: int, argument: ctypes.Structure) -> None:
        """Run an ioctl, which reads ``argument`` and, depending on the request, writes to it."""
        import fcntl  # not available on Windows

        while True:
            try:
                fcntl.ioctl(fd, request, argument, True)
            except InterruptedError:  # Python retries most calls after a signal, but not this one
                continue
            return

    def try_ioctl(self, fd: int, request: int, argument: ctypes.Structure, expected: Container[int | None] = UNSUPPORTED) -> bool:
        """Run an ioctl; return False if it fails with one of the ``expected`` error numbers."""
        try:
            self.ioctl(fd, request, argument)
        except OSError as error:
            if error.errno not in expected:
                raise
            return False
        return True

    def mmap(self, fd: int, length: int, offset: int) -> Memory:
        """Map ``length`` bytes of the device for reading."""
        return mmap.mmap(fd, length, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ, offset=offset)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """Write to the device and return the number of bytes accepted."""
        return os.write(fd, data)

    def waker(self) -> EventFd:
        return EventFd()

    def poll(self, fd: int | None, waker: EventFd, timeout: float, *, event: bool = False) -> Ready:
        """Wait up to ``timeout`` seconds until a buffer is ready, the device fails or the waker is triggered.

        ``event``: wait for a V4L2 event instead of a buffer. Without an ``fd`` only the waker ends the wait.
        """
        awaited = select.POLLPRI if event else select.POLLIN
        poller = select.poll()
        if fd is not None:
            poller.register(fd, awaited)
        poller.register(waker, select.POLLIN)
        events = dict(poller.poll(max(0.0, timeout) * 1000))
        mask = events.get(fd, 0) if fd is not None else 0
        failures = mask & (select.POLLERR | select.POLLHUP | select.POLLNVAL)
        return Ready(bool(mask & awaited), bool(failures), waker.fileno() in events)

    def now(self) -> float:
        """Return CLOCK_MONOTONIC in seconds, the clock of the kernel's timestamps."""
        return time.clock_gettime(time.CLOCK_MONOTONIC)

    def holders(self, path: Path) -> list[Holder]:
        """Return the other processes that have a device open, as far as this user can inspect them."""
        found = []
        for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda entry: int(entry.name)):
            if int(process.name) == os.getpid():
                continue
            try:
                holder = _holder(process, path)
            except OSError:  # it exited, or belongs to another user
                continue
            if holder:
                found.append(holder)
        return found


SYSCALLS: Final = Syscalls()
"""The system calls of this machine."""


def _holder(process: Path, path: Path) -> Holder | None:
    for link in (process / "fd").iterdir():
        if link.readlink() == path:
            flags = re.search(r"^flags:\s*([0-7]+)", (process / "fdinfo" / link.name).read_text(), re.MULTILINE)
            access = _ACCESS_MODES.get(int(flags[1], 8) & 3, "reading and writing") if flags else "reading and writing"
            return Holder(int(process.name), (process / "comm").read_text().strip(), access)
    return None
