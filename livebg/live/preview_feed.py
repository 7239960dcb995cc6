"""Publishes sent pictures to the user's own previews, in addition to the virtual camera."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from livebg.live.frame_path import OutputFrame


class PreviewFeed:
    """Keeps the most recently sent frame while at least one preview is subscribed.

    The output thread publishes each picture (:meth:`publish`) without waiting; slow previews miss pictures. ``changed`` is called
    after each change in the number of subscribers, one call at a time, with whether there are any. ``may_show`` returns whether a
    picture may still be shown.
    """

    def __init__(self, changed: Callable[[bool], object], may_show: Callable[[OutputFrame], bool]) -> None:
        self._changed, self._may_show = changed, may_show
        self._subscribers_lock = threading.Lock()
        """Held while subscribing and unsubscribing, which may wait for the output thread. That thread never takes it."""
        self._updated = threading.Condition()
        """Guards the picture and the subscriber count."""
        self._newest: OutputFrame | None = None
        self._number = 0
        self._closed = False
        self.count = 0
        """Number of subscribers."""

    @contextmanager
    def subscribe(self) -> Iterator[None]:
        """Subscribe for the duration of the ``with`` block."""
        self._add_subscribers(1)
        try:
            yield
        finally:
            self._add_subscribers(-1)

    def publish(self, sent: OutputFrame) -> None:
        """Publish the picture just sent, unless it was ruled out meanwhile: nothing waits for the send of a hung output."""
        with self._updated:
            if self.count and not self._closed and self._may_show(sent):  # under the lock: what rules it out later clears it
                self._number += 1
                self._newest = replace(sent, number=self._number)
                self._updated.notify_all()

    def wait_for_newer(self, after: int | None, timeout: float) -> OutputFrame | None:
        """Wait up to ``timeout`` seconds for a picture with a number other than ``after``. Returns it, or None on timeout."""
        with self._updated:
            self._updated.wait_for(lambda: self._closed or self._is_new(after), timeout)
            return self._newest if self._is_new(after) else None

    def clear(self) -> None:
        """Discard the last picture, for example when the output was lost."""
        with self._updated:
            self._newest = None

    @property
    def closed(self) -> bool:
        """Whether publishing has ended."""
        return self._closed

    def close(self) -> None:
        """End publishing and wake waiting previews."""
        with self._updated:
            self._closed, self._newest = True, None
            self._updated.notify_all()

    def _is_new(self, after: int | None) -> bool:
        return self._newest is not None and self._newest.number != after

    def _add_subscribers(self, by: int) -> None:
        with self._subscribers_lock:
            with self._updated:
                self.count += by
                if not self.count:
                    self._newest = None
            self._changed(self.count > 0)
