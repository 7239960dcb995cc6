"""The only door to the kernel: all else in this package goes through a :class:`Kernel`, in whose place tests put their own.

Linux alone has what it calls; elsewhere the module can be imported, and its methods raise.
"""

import ctypes
import mmap
import os
import re
import select
import time
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

Access = Literal["reading", "writing", "reading and writing"]
_ACCESS: Final[dict[int, Access]] = {0: "reading", 1: "writing", 2: "reading and writing"}
_NODE: Final = re.compile(r"video(\d+)")


class Memory(Protocol):
    """A buffer of the device, mapped."""

    def __getitem__(self, part: slice, /) -> bytes: ...
    def close(self) -> None: ...


class Ready(NamedTuple):
    """What a poll found: a buffer (or event) to take, a device in trouble, a rung waker; none of them means time is up."""

    readable: bool
    failed: bool
    woken: bool


class Holder(NamedTuple):
    """A process that has a device open."""

    pid: int
    program: str
    access: Access


class Waker:
    """Ends a poll from another thread."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        return self._fd

    def wake(self) -> None:
        """Every poll from now on returns at once."""
        os.eventfd_write(self._fd, 1)

    def close(self) -> None:
        os.close(self._fd)


class Kernel:
    """System calls on video devices. It has no state; what fails raises ``OSError``."""

    def nodes(self) -> list[Path]:
        """``/dev/video*`` in the order of their numbers."""
        numbered = [(_NODE.fullmatch(path.name), path) for path in Path("/dev").glob("video*")]
        return [path for _, path in sorted((int(match[1]), path) for match, path in numbered if match)]

    def resolve(self, path: Path) -> Path:
        """Follow links, such as those in ``/dev/v4l/by-id``."""
        return path.resolve()

    def open(self, path: Path) -> int:
        """A descriptor for reading and writing whose calls don't block."""
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self, fd: int) -> None:
        os.close(fd)

    def ioctl(self, fd: int, request: int, argument: ctypes.Structure) -> None:
        """``argument`` is read and, where the request says so, written to."""
        import fcntl  # not there on Windows

        while True:
            try:
                fcntl.ioctl(fd, request, argument, True)
            except InterruptedError:  # Python repeats most calls after a signal, but not this one
                continue
            return

    def mmap(self, fd: int, length: int, offset: int) -> Memory:
        """A buffer of the device, ``length`` bytes, for reading."""
        return mmap.mmap(fd, length, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ, offset=offset)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """The number of bytes that the device took."""
        return os.write(fd, data)

    def waker(self) -> Waker:
        return Waker()

    def poll(self, fd: int | None, waker: Waker, timeout: float, *, event: bool = False) -> Ready:
        """Wait up to ``timeout`` seconds until a buffer can be taken, the device fails or the waker is rung.

        ``event``: what is waited for is an event of V4L2 in place of a buffer. Without an ``fd`` the waker alone ends it.
        """
        wanted = select.POLLPRI if event else select.POLLIN
        poller = select.poll()
        if fd is not None:
            poller.register(fd, wanted)
        poller.register(waker, select.POLLIN)
        events = dict(poller.poll(max(0.0, timeout) * 1000))
        mask = events.get(fd, 0) if fd is not None else 0
        trouble = mask & (select.POLLERR | select.POLLHUP | select.POLLNVAL)
        return Ready(bool(mask & wanted), bool(trouble), waker.fileno() in events)

    def now(self) -> float:
        """CLOCK_MONOTONIC in seconds, the clock of the kernel's timestamps."""
        return time.clock_gettime(time.CLOCK_MONOTONIC)

    def holders(self, path: Path) -> list[Holder]:
        """The other processes that have a device open, as far as this user may look."""
        found = []
        for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda entry: int(entry.name)):
            if int(process.name) == os.getpid():
                continue
            try:
                holder = _holder(process, path)
            except OSError:  # it ended, or belongs to somebody else
                continue
            if holder:
                found.append(holder)
        return found


SYSTEM: Final = Kernel()
"""The machine's own."""


def _holder(process: Path, path: Path) -> Holder | None:
    for link in (process / "fd").iterdir():
        if link.readlink() == path:
            flags = re.search(r"^flags:\s*([0-7]+)", (process / "fdinfo" / link.name).read_text(), re.MULTILINE)
            access = _ACCESS.get(int(flags[1], 8) & 3, "reading and writing") if flags else "reading and writing"
            return Holder(int(process.name), (process / "comm").read_text().strip(), access)
    return None
