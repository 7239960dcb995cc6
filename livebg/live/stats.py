"""Measuring what flows: how many a second, and how late. Safe to be filled by one thread and read by others."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


class Rate:
    """Events a second, over the last ``window`` seconds; right from the second event on, and anew after a silence of a window.

    ``clock`` tells seconds and never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, window: float = 2.0) -> None:
        self._clock = clock
        self._window: Final = window
        self._lock = threading.Lock()
        self._begin = 0.0
        """The event that opens the measured time, itself not counted."""
        self._times: deque[float] = deque()
        self._silent = True

    def tick(self) -> None:
        """An event, now."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            if self._silent:
                self._begin, self._silent = now, False
            else:
                self._times.append(now)

    @property
    def per_second(self) -> float:
        """0 when there was none, or but one, within the window."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            measured = min(now - self._begin, self._window)
            return len(self._times) / measured if self._times and measured > 0 else 0.0

    def _forget(self, now: float) -> None:
        old = now - self._window
        while self._times and self._times[0] <= old:
            self._times.popleft()
        self._silent = self._silent or (not self._times and self._begin <= old)


@dataclass(frozen=True, slots=True)
class Latency:
    """From the camera's own time of a frame to its writing to the output, over the last 300 frames; milliseconds."""

    p50_ms: float
    p95_ms: float


class Latencies:
    """The last ``size`` latencies."""

    def __init__(self, size: int = 300) -> None:
        self._lock = threading.Lock()
        self._seconds: deque[float] = deque(maxlen=size)

    def add(self, seconds: float) -> None:
        with self._lock:
            self._seconds.append(seconds)

    def summary(self) -> Latency | None:
        """The median and the 95th percentile, each a latency that was measured (nearest rank); None when there was none."""
        with self._lock:
            ordered = sorted(self._seconds)
        if not ordered:
            return None
        p50, p95 = (ordered[math.ceil(share * len(ordered) / 100) - 1] * 1000 for share in (50, 95))
        return Latency(p50, p95)
