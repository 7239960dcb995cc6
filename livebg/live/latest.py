"""A one-item mailbox between two threads. A newer item replaces an unread one; replaced items are counted as dropped."""

from typing import Generic, TypeVar

from livebg.clock import SYSTEM_CLOCK, Clock

T = TypeVar("T")


class LatestSlot(Generic[T]):
    """Holds the newest item until it is taken once. ``dropped`` counts the items that were never taken."""

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
