"""One slot between two threads: who comes late gets the newest, and what nobody fetched in time is counted."""

from typing import Generic, TypeVar

from livebg.clock import REAL, Waits

T = TypeVar("T")


class Latest(Generic[T]):
    """Holds the newest item until it is taken, once. ``dropped`` counts exactly those that never were."""

    def __init__(self, waits: Waits = REAL) -> None:
        self._changed = waits.condition()
        self._item: T | None = None
        self._closed = False
        self.dropped = 0

    def put(self, item: T) -> None:
        """Replaces what lies there. After :meth:`close` the item is dropped."""
        with self._changed:
            self.dropped += self._closed or self._item is not None
            self._item = None if self._closed else item
            self._changed.notify()

    def take(self, timeout: float) -> T | None:
        """The newest item, waiting for it up to ``timeout`` seconds; None when there is none, or the slot was closed."""
        with self._changed:
            if self._item is None and not self._closed:
                self._changed.wait(timeout)
            item, self._item = self._item, None
            return item

    def wake(self) -> None:
        """Ends a wait of :meth:`take` now, although nothing has come."""
        with self._changed:
            self._changed.notify_all()

    def clear(self) -> None:
        """Drops what lies there."""
        with self._changed:
            self.dropped += self._item is not None
            self._item = None

    def close(self) -> None:
        """Wakes who waits, and takes nothing more."""
        with self._changed:
            self._closed = True
            self.dropped += self._item is not None
            self._item = None
            self._changed.notify_all()
