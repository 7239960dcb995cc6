"""What the threads of a session are made of: a thread that keeps its exception, and a mailbox between two of them."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from livebg.clock import SYSTEM_CLOCK, Clock

T = TypeVar("T")


class WorkerThread(threading.Thread):
    """A daemon thread that stores an uncaught exception in ``error`` so the owner can re-raise it.

    It is a daemon thread so that a driver or network call that never returns cannot keep the process from exiting. It calls
    ``ended`` last.
    """

    def __init__(self, name: str, target: Callable[[], object], ended: Callable[[], object] = lambda: None) -> None:
        super().__init__(name=name, daemon=True)
        self._work, self._ended = target, ended
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - stored for the owner, which re-raises it
            self.error = error
        self._ended()

    def join(self, timeout: float | None = None) -> None:
        """Waits for the thread to end. A thread that was never started counts as ended."""
        if self.ident is not None:
            super().join(timeout)


class LatestSlot(Generic[T]):
    """A mailbox for one item: holds the newest one until it is taken once. ``dropped`` counts the items that were never taken."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._changed = clock.condition()
        self._item: T | None = None
        self._closed = self._woken = False
        self.dropped = 0

    def put(self, item: T) -> None:
        """Replaces the current item. After :meth:`close` the new item is dropped."""
        with self._changed:
            self.dropped += self._closed or self._item is not None
            self._item = None if self._closed else item
            self._changed.notify()

    def take(self, timeout: float | None = None) -> T | None:
        """Removes and returns the newest item, waiting up to ``timeout`` seconds; None on timeout, if woken or if closed."""
        with self._changed:
            if self._item is None and not self._closed and not self._woken:
                self._changed.wait(timeout)
            item, self._item, self._woken = self._item, None, False
            return item

    def wake(self) -> None:
        """Makes the waiting :meth:`take`, or else the next one, return immediately, even without an item."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def clear(self) -> None:
        """Drops the current item."""
        with self._changed:
            self.dropped += self._item is not None
            self._item = None

    def close(self) -> None:
        """Wakes waiting threads and drops the current and all later items."""
        with self._changed:
            self._closed = True
            self.dropped += self._item is not None
            self._item = None
            self._changed.notify_all()
