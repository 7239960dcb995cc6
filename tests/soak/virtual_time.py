"""Time that passes only while all threads of a session sleep: then it jumps to the next moment at which one of them wakes up.

So a day lasts as long as its work does, and no machine is too slow for it: who still works, or waits for a lock, holds the time.
A silence that is seen in this time is one that the session made, by what it waits for, never one of a busy machine.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from livebg.clock import Clock

T = TypeVar("T")
SESSION_THREADS: Final = ("livebg-session", "livebg-output", "livebg-camera", "livebg-presence", "livebg-worker", "livebg-mask")
"""The names of the threads that time waits for, in addition to the session's own."""
_LOOK: Final = 0.002
"""Real seconds between two looks at whether a thread has ended, which notifies no one."""
_SHORTEST: Final = 1e-6
"""Seconds of a wait. A real clock goes on meanwhile; this one would not, where what is left to wait is less than it can tell."""


class _Sleeper:
    """A thread in a wait: ``until`` when at most, and of what."""

    def __init__(self, until: float | None, condition: "VirtualCondition") -> None:
        self.until, self.condition = until, condition
        self.thread = threading.current_thread()
        self.expired = False
        self.bell = threading.Lock()
        self.bell.acquire()


class VirtualTime(Clock):
    """The time itself, in seconds from 0 (:meth:`monotonic`), and what to wait with by it; ``with`` it, until its end.

    Threads that are named otherwise than ``actors``, or were there before, may wait as well, but time does not stop for them.
    """

    def __init__(self, actors: Iterable[str] = ()) -> None:
        self._actors = frozenset((*SESSION_THREADS, *actors))
        self._now = 0.0
        self._lock = threading.Lock()
        self._sleepers: list[_Sleeper] = []
        self._absent: set[threading.Thread] = set()
        self._before = frozenset(threading.enumerate())
        self._closed = threading.Event()
        self._looking = threading.Thread(target=self._look, name="virtual time", daemon=True)

    def monotonic(self) -> float:
        return self._now

    def event(self) -> threading.Event:
        return VirtualEvent(self)

    def condition(self) -> "VirtualCondition":
        return VirtualCondition(self)

    def sleep(self, seconds: float) -> None:
        self.event().wait(seconds)

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Inside the ``with`` block time does not wait for this thread."""
        thread = threading.current_thread()
        with self._lock:
            self._absent.add(thread)
        try:
            yield
        finally:
            with self._lock:
                self._absent.discard(thread)

    def __enter__(self) -> "VirtualTime":
        self._looking.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Wake all threads; later waits end at once."""
        self._closed.set()
        with self._lock:
            for sleeper in self._sleepers:
                self._expire(sleeper)
            self._sleepers.clear()
        self._looking.join()

    def fall_asleep(self, timeout: float | None, condition: "VirtualCondition") -> _Sleeper:
        with self._lock:
            sleeper = _Sleeper(None if timeout is None else self._now + max(timeout, _SHORTEST), condition)
            if self._closed.is_set():
                self._expire(sleeper)
            else:
                self._sleepers.append(sleeper)
        return sleeper

    def rouse(self, condition: "VirtualCondition", most: int) -> None:
        """Threads that wait for the condition count as awake from now on."""
        with self._lock:
            roused = [sleeper for sleeper in self._sleepers if sleeper.condition is condition][:most]
            for sleeper in roused:
                self._sleepers.remove(sleeper)
                sleeper.bell.release()

    def pass_on(self) -> None:
        """Jump to the next wake-up if all threads are asleep."""
        with self._lock:
            asleep = {sleeper.thread for sleeper in self._sleepers} | self._absent | self._before
            if any(thread.name in self._actors and thread not in asleep for thread in threading.enumerate()):
                return
            ends = [sleeper.until for sleeper in self._sleepers if sleeper.until is not None]
            if not ends:
                return
            self._now = max(self._now, min(ends))
            due = [sleeper for sleeper in self._sleepers if sleeper.until is not None and sleeper.until <= self._now]
            for sleeper in due:
                self._sleepers.remove(sleeper)
                self._expire(sleeper)

    @staticmethod
    def _expire(sleeper: _Sleeper) -> None:
        sleeper.expired = True
        sleeper.bell.release()

    def _look(self) -> None:
        while not self._closed.is_set():
            time.sleep(_LOOK)
            self.pass_on()


class VirtualCondition(threading.Condition):
    """A condition whose waits are of a :class:`VirtualTime`."""

    def __init__(self, virtual: VirtualTime) -> None:
        super().__init__(threading.Lock())
        self._virtual = virtual

    def wait(self, timeout: float | None = None) -> bool:
        sleeper = self._virtual.fall_asleep(timeout, self)
        self.release()
        try:
            self._virtual.pass_on()
            sleeper.bell.acquire()
        finally:
            self.acquire()
        return not sleeper.expired

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        end = None if timeout is None else self._virtual.monotonic() + max(timeout, _SHORTEST)
        while not (found := predicate()):
            left = None if end is None else end - self._virtual.monotonic()
            if left is not None and left <= 0:
                break
            if not self.wait(left):
                return predicate()
        return found

    def notify(self, n: int = 1) -> None:
        self._virtual.rouse(self, n)

    def notify_all(self) -> None:
        self._virtual.rouse(self, 1_000_000)


class VirtualEvent(threading.Event):
    """An event whose waits are of a :class:`VirtualTime`."""

    def __init__(self, virtual: VirtualTime) -> None:
        super().__init__()
        self._changed = VirtualCondition(virtual)

    def set(self) -> None:
        with self._changed:
            super().set()
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        with self._changed:
            return self._changed.wait_for(self.is_set, timeout)
