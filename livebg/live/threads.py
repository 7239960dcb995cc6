"""What the threads of a session are made of: a thread that keeps its exception, mailboxes between threads, and a send barrier."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

from livebg.clock import SYSTEM_CLOCK, Clock

T = TypeVar("T")
SEND_TIMEOUT_S: Final = 1.0
"""Seconds after the start of a send at which the output counts as hung, and nothing waits for that send any longer."""


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
        """Wait for the thread to end. A thread that was never started counts as ended."""
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
        """Replace the current item. After :meth:`close` the new item is dropped."""
        with self._changed:
            self.dropped += self._closed or self._item is not None
            self._item = None if self._closed else item
            self._changed.notify()

    def take(self, timeout: float | None = None) -> T | None:
        """Remove and return the newest item, waiting up to ``timeout`` seconds; None on timeout, if woken or if closed."""
        with self._changed:
            if self._item is None and not self._closed and not self._woken:
                self._changed.wait(timeout)
            item, self._item, self._woken = self._item, None, False
            return item

    def wake(self) -> None:
        """Make the waiting :meth:`take`, or else the next one, return immediately, even without an item."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def clear(self) -> None:
        """Drop the current item."""
        with self._changed:
            self.dropped += self._item is not None
            self._item = None

    def close(self) -> None:
        """Wake waiting threads and drop the current and all later items."""
        with self._changed:
            self._closed = True
            self.dropped += self._item is not None
            self._item = None
            self._changed.notify_all()


class SendBarrier:
    """Separates the sends of one output thread from changes that rule pictures out. Thread-safe.

    The output thread chooses and sends each picture inside :meth:`sending`. A thread that rules pictures out first makes the
    change and then calls :meth:`wait`: a later send sees the change, and an earlier one has ended when ``wait`` returns, unless
    the output hangs. Even then, that one picture is the last one that the change does not apply to.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock, self._ended = clock, clock.condition()
        self._number, self._since = 0, clock.monotonic()
        self._busy = False

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Mark a picture as being chosen and sent. Only one thread may use it."""
        with self._ended:
            self._busy, self._since = True, self._clock.monotonic()
        try:
            yield
        finally:
            with self._ended:
                self._busy, self._number = False, self._number + 1
                self._ended.notify_all()

    @property
    def hung(self) -> bool:
        """Whether a send has been in progress for longer than :data:`SEND_TIMEOUT_S`."""
        with self._ended:
            return self._busy and self._clock.monotonic() - self._since > SEND_TIMEOUT_S

    def wait(self) -> None:
        """Wait for the end of the send in progress, if any, at most until :data:`SEND_TIMEOUT_S` after its start."""
        with self._ended:
            number, left = self._number, self._since + SEND_TIMEOUT_S - self._clock.monotonic()
            if self._busy and left > 0:
                self._ended.wait_for(lambda: self._number != number, left)


class Broadcast(Generic[T]):
    """Puts each item into the :class:`LatestSlot` of every receiver, so that a slow one does not delay the others."""

    def __init__(self, slots: Sequence[LatestSlot[T]]) -> None:
        self.slots: Final = tuple(slots)

    def put(self, item: T) -> None:
        """Replace the current item of each slot."""
        for slot in self.slots:
            slot.put(item)

    def wake(self) -> None:
        """Wake every slot."""
        for slot in self.slots:
            slot.wake()

    def clear(self) -> None:
        """Clear every slot."""
        for slot in self.slots:
            slot.clear()

    def close(self) -> None:
        """Close every slot."""
        for slot in self.slots:
            slot.close()
