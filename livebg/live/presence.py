"""(stand-in)"""

from collections.abc import Callable
from typing import Protocol
import threading


class Presence(Protocol):
    watched: bool | None
    method: str

    def run(self) -> None: ...
    def stop(self) -> None: ...


class AlwaysWatched:
    def __init__(self, device: Callable[[], str | None], changed: Callable[[], None]) -> None:
        self.watched: bool | None = None
        self.method = "unknown"
        self._changed = changed
        self._stop = threading.Event()

    def run(self) -> None:
        self.watched = True
        self._changed()
        self._stop.wait()

    def stop(self) -> None:
        self._stop.set()
