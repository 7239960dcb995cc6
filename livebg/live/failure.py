"""What went wrong, as people need to hear it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """One sentence, and when it was (seconds on the session's clock)."""

    text: str
    time: float


class Failures:
    """The last thing that went wrong with camera, network or output, however long ago; any thread may :meth:`note` one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last: Failure | None = None

    def note(self, text: str) -> None:
        with self._lock:
            self._last = Failure(text, self._clock())

    @property
    def last(self) -> Failure | None:
        with self._lock:
            return self._last

    @property
    def seconds_ago(self) -> float:
        """Since the last one; 0 where there was none."""
        last = self.last
        return 0.0 if last is None else max(self._clock() - last.time, 0.0)
