"""Receives preview frames in a background thread and reconnects after a disconnect."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from livebg.daemon.status import Status
from livebg.errors import LivebgError
from livebg.live.latest import LatestSlot
from livebg.live.thread import WorkerThread
from livebg.preview.client import PreviewClient, PreviewFrame

_RETRY_DELAY_S: Final = 0.3
"""Delay between two connection attempts."""
_STATUS_INTERVAL_S: Final = 0.5
"""Interval between two status requests."""
_JOIN_TIMEOUT_S: Final = 4.0
"""Maximum time for the thread to end, which is the time that one request may take."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is lost or cannot be opened. ``reason`` is a sentence for the user."""

    reason: str


class Receiver:
    """Provides the newest frame to a window that must not block. ``connect`` opens a channel and may raise its errors.

    ``views`` may be changed at any time. ``status`` is the last status received, None while disconnected.
    """

    def __init__(self, connect: Callable[[], PreviewClient], views: tuple[str, ...]) -> None:
        self._connect = connect
        self.views = views
        self.status: Status | None = None
        self._newest = LatestSlot[PreviewFrame | Disconnected]()
        self._stop = threading.Event()
        self._thread = WorkerThread("livebg-preview", self._run)

    def start(self) -> None:
        """Start the background thread."""
        self._thread.start()

    def next(self, timeout: float) -> PreviewFrame | Disconnected | None:
        """Return the next frame or disconnect, or None after ``timeout`` seconds. Re-raises an uncaught error of the thread."""
        if self._thread.error is not None:
            raise self._thread.error
        return self._newest.take(timeout)

    def close(self) -> None:
        """Stop the thread and disconnect: at once, or within seconds if livebg hangs."""
        self._stop.set()
        self._newest.close()
        self._thread.join(_JOIN_TIMEOUT_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._connect() as channel:
                    self._receive(channel)
            except LivebgError as error:
                self.status = None
                self._newest.put(Disconnected(str(error)))
                self._stop.wait(_RETRY_DELAY_S)

    def _receive(self, channel: PreviewClient) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            wants_status = time.monotonic() >= due
            seen = channel.next_frame(self.views, status=wants_status)
            if wants_status:
                self.status, due = seen.status, time.monotonic() + _STATUS_INTERVAL_S
            if seen.pictures or seen.status:
                self._newest.put(seen)
