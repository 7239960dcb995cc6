"""A kernel with one v4l2loopback device that reports, as its source does, when clients start or stop streaming from it."""

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path

from livebg.v4l2 import abi
from livebg.v4l2.syscalls import EventFd, Ready, Syscalls

NODE = Path("/dev/video42")


class FakeUsage(Syscalls):
    """``types`` are the events that it knows. Descriptors are real, of eventfd: they are readable while an event waits."""

    def __init__(self, *types: int, node: Path = NODE) -> None:
        self.node, self.types = node, types or (abi.EVENT_CLIENT_USAGE,)
        self.streaming = self.gone = False
        self.unsupported = errno.EINVAL
        self.refused: int | None = None
        """The errno with which opening fails."""
        """How many of the next calls are interrupted by a signal."""
        self.spurious = False
        """Whether a poll announces events that aren't there."""
        self.opened = 0
        self.most_open = 0
        self.subscribed: dict[int, int | None] = {}
        """The type of event that each open descriptor gets."""
        self._waiting: dict[int, abi.Event] = {}

    def stream(self, on: bool, *, lost: bool = False) -> None:
        """A client starts or stops streaming; ``lost``: no event is delivered."""
        changed, self.streaming = on != self.streaming, on
        if changed and not lost:
            self._announce()

    def vanish(self) -> None:
        self.gone = True
        for fd in self.subscribed:
            os.eventfd_write(fd, 1)

    def open(self, path: Path) -> int:
        if self.gone or path != self.node:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        if self.refused is not None:
            raise OSError(self.refused, os.strerror(self.refused))
        self.opened += 1
        assert self.opened < 10_000, "it spins"
        fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.subscribed[fd] = None
        self.most_open = max(self.most_open, len(self.subscribed))
        return fd

    def close(self, fd: int) -> None:
        del self.subscribed[fd]
        self._waiting.pop(fd, None)
        os.close(fd)

    def ioctl(self, fd: int, request: int, argument: ctypes.Structure) -> None:
        if self.gone:
            raise OSError(errno.ENODEV, "No such device")
        match argument:
            case abi.EventSubscription():
                assert request == abi.SUBSCRIBE_EVENT
                self._subscribe(fd, argument)
            case abi.Event():
                assert request == abi.DQEVENT
                self._dequeue(fd, argument)

    def poll(self, fd: int | None, waker: EventFd, timeout: float, *, event: bool = False) -> Ready:
        """An eventfd has no POLLPRI, so the fake's is POLLIN."""
        assert event == (fd in self.subscribed)
        ready = super().poll(fd, waker, 0 if self.spurious else timeout)
        if event and self.gone:
            return Ready(False, True, ready.woken)
        return Ready(ready.readable or (event and self.spurious), ready.failed, ready.woken)

    def pending(self, fd: int | None) -> bool:
        return fd in self._waiting

    def _subscribe(self, fd: int, wanted: abi.EventSubscription) -> None:
        if wanted.type not in self.types:
            raise OSError(self.unsupported, os.strerror(self.unsupported))
        again = self.subscribed[fd] == wanted.type
        self.subscribed[fd] = wanted.type
        if wanted.flags & abi.EVENT_SUB_FL_SEND_INITIAL and not again:
            self._announce()

    def _announce(self) -> None:
        """To every subscriber; a newer event takes the place of an older one."""
        for fd, event_type in list(self.subscribed.items()):
            if event_type is not None:
                sequence = self._waiting[fd].sequence + 1 if fd in self._waiting else 0
                self._waiting[fd] = abi.Event(type=event_type, sequence=sequence)
                self._waiting[fd].count = int(self.streaming)
                os.eventfd_write(fd, 1)

    def _dequeue(self, fd: int, answer: abi.Event) -> None:
        if fd not in self._waiting:
            raise OSError(errno.ENOENT, "No such file or directory")
        event = self._waiting.pop(fd)
        ctypes.memmove(ctypes.addressof(answer), ctypes.addressof(event), ctypes.sizeof(event))
        os.eventfd_read(fd)


class ScriptedUsage(FakeUsage):
    """The same with simulated time, which passes during polls. ``script`` contains actions by their times in seconds."""

    def __init__(self, *types: int, node: Path = NODE) -> None:
        super().__init__(*types, node=node)
        self.time = 0.0
        self.polls = 0
        self.script: list[tuple[float, Callable[[], object]]] = []

    def now(self) -> float:
        return self.time

    def poll(self, fd: int | None, waker: EventFd, timeout: float, *, event: bool = False) -> Ready:
        self.polls += 1
        end = self.time + max(0.0, timeout)
        while True:
            ready = super().poll(fd, waker, 0, event=event)
            if any(ready):
                return ready
            if not self.script or self.script[0][0] > end:
                self.time = max(self.time, end)
                return ready
            time, act = self.script.pop(0)
            self.time = max(self.time, time)
            act()
