"""Keeps the most recent error of a session."""

import threading
from dataclasses import dataclass

from livebg.clock import SYSTEM_CLOCK, Clock


@dataclass(frozen=True, slots=True)
class Failure:
    """An error message and its time in seconds on the session clock."""

    text: str
    time: float


class FailureLog:
    """The most recent camera, network or output error, regardless of age. Thread-safe."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last: Failure | None = None

    def record(self, text: str) -> None:
        """Record an error that happened now."""
        with self._lock:
            self._last = Failure(text, self._clock.monotonic())

    @property
    def last(self) -> Failure | None:
        with self._lock:
            return self._last

    @property
    def seconds_ago(self) -> float:
        """Seconds since the last error, 0 if there was none."""
        last = self.last
        return 0.0 if last is None else max(self._clock.monotonic() - last.time, 0.0)
