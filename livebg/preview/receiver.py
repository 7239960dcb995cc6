"""Looks again and again, in a thread of its own, and finds livebg again when it was gone."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from livebg.daemon.status import Status
from livebg.errors import LivebgError
from livebg.live.latest import Latest
from livebg.live.thread import Companion
from livebg.preview.client import PreviewChannel, Seen

_RETRY: Final = 0.3
"""Seconds between two tries to find livebg."""
_STATUS: Final = 0.5
"""Seconds between two statuses."""
_LEAVE: Final = 4.0
"""Seconds within which the thread ends: those that a look may take."""


@dataclass(frozen=True, slots=True)
class Gone:
    """There is nothing to look at; ``reason`` is why, as a sentence."""

    reason: str


class Receiver:
    """What was seen last, for a window that must not wait. ``connect`` opens a channel or raises what that raises.

    ``views`` may be changed at any time; ``status`` is the last one that was told, None while livebg is gone.
    """

    def __init__(self, connect: Callable[[], PreviewChannel], views: tuple[str, ...]) -> None:
        self._connect = connect
        self.views = views
        self.status: Status | None = None
        self._news = Latest[Seen | Gone]()
        self._stop = threading.Event()
        self._thread = Companion("livebg-preview", self._run)

    def start(self) -> None:
        self._thread.start()

    def next(self, timeout: float) -> Seen | Gone | None:
        """What is new, waited for up to ``timeout`` seconds. Raises what the thread died of, which is a defect."""
        if self._thread.error is not None:
            raise self._thread.error
        return self._news.take(timeout)

    def close(self) -> None:
        """Ends the looking; livebg learns of it at once, or within seconds if it hangs."""
        self._stop.set()
        self._news.close()
        self._thread.join(_LEAVE)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._connect() as channel:
                    self._look_on(channel)
            except LivebgError as error:
                self.status = None
                self._news.put(Gone(str(error)))
                self._stop.wait(_RETRY)

    def _look_on(self, channel: PreviewChannel) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            asks = time.monotonic() >= due
            seen = channel.look(self.views, status=asks)
            if asks:
                self.status, due = seen.status, time.monotonic() + _STATUS
            if seen.pictures or seen.status:
                self._news.put(seen)
