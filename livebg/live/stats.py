"""What a session measures: rates, latencies, counts and the last error. One thread may write while others read."""

import logging
import math
import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

from livebg.clock import SYSTEM_CLOCK, Clock
from livebg.errors import LivebgError

_LOG: Final = logging.getLogger(__name__)
_LOG_INTERVAL_S: Final = 60.0
"""Minimum time between two log entries of the same message."""


class RateMeter:
    """Events per second over the last ``window`` seconds. Accurate from the second event on; restarts after an empty window."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK, window: float = 2.0) -> None:
        self._clock = clock
        self._window: Final = window
        self._lock = threading.Lock()
        self._times: deque[float] = deque()
        """Times of the events. The first one starts the measured interval and may be older than the window."""

    def tick(self) -> None:
        """Record an event."""
        with self._lock:
            now = self._clock.monotonic()
            self._discard_old(now)
            self._times.append(now)

    @property
    def per_second(self) -> float:
        """The current rate; 0 with fewer than two events in the window."""
        with self._lock:
            now = self._clock.monotonic()
            self._discard_old(now)
            measured = min(now - self._times[0], self._window) if self._times else 0.0
            return (len(self._times) - 1) / measured if measured > 0 else 0.0

    def _discard_old(self, now: float) -> None:
        """Keep one event from before the window to measure from, unless it is the only one."""
        while self._times and self._times[min(1, len(self._times) - 1)] <= now - self._window:
            self._times.popleft()


@dataclass(frozen=True, slots=True)
class RecordingStatus:
    """A recording: its file, ``seconds`` and ``frames`` so far, the microphone's name or None, whether it still runs, and the
    problem that ended it or its sound, or None."""

    path: str
    seconds: float
    frames: int
    audio: str | None
    active: bool = True
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Latency:
    """Latency in milliseconds from a frame's capture time to its output, over the last 300 frames."""

    p50_ms: float
    p95_ms: float


class LatencyWindow:
    """A window of the last ``size`` latencies. Thread-safe."""

    def __init__(self, size: int = 300) -> None:
        self._lock = threading.Lock()
        self._seconds: deque[float] = deque(maxlen=size)

    def add(self, seconds: float) -> None:
        """Record a latency in seconds."""
        with self._lock:
            self._seconds.append(seconds)

    def summary(self) -> Latency | None:
        """Return the median and 95th percentile by nearest rank, or None without measurements."""
        with self._lock:
            ordered = sorted(self._seconds)
        if not ordered:
            return None
        p50, p95 = (ordered[math.ceil(percent * len(ordered) / 100) - 1] * 1000 for percent in (50, 95))
        return Latency(p50, p95)


@dataclass(frozen=True, slots=True)
class Counts:
    """Frame counts since the start."""

    captured: int
    """Captured by the camera."""
    dropped: int
    """Captured but not shown because a newer frame was available or it was too late."""
    processed: int
    """Composited."""
    sent: int
    """Composites shown, each counted once: captured = sent + dropped + failed, except for frames in flight."""
    placeholders: int
    """Placeholder pictures shown."""
    repeated: int
    """Composites shown again because there was no newer one."""
    failed: int = 0
    """Captured but not composited because the network failed."""


@dataclass(frozen=True, slots=True)
class LastError:
    text: str
    seconds_ago: float


class FailureLog:
    """The most recent camera, network or output error, regardless of age. Thread-safe."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._last: tuple[str, float] | None = None
        self._lock = threading.Lock()
        self._logged: dict[str, float] = {}
        """When each message of the last minute was logged."""

    def record(self, text: str) -> None:
        """Record an error that happened now."""
        self._last = text, self._clock.monotonic()

    def record_loss(self, error: LivebgError, before: str | None) -> str:
        """Record that a device is unavailable and return the reason. Logs it unless it is the reason ``before``."""
        text = str(error)
        if text != before:
            self.warn(text)
        self.record(text)
        return text

    def warn(self, text: str) -> bool:
        """Log a message unless it was logged within the last minute, and return whether it was logged now.

        What fails and recovers with every frame would otherwise fill the log.
        """
        with self._lock:
            now = self._clock.monotonic()
            self._logged = {known: at for known, at in self._logged.items() if now - at < _LOG_INTERVAL_S}
            if text in self._logged:
                return False
            self._logged[text] = now
        _LOG.warning("%s", text)
        return True

    @property
    def last(self) -> LastError | None:
        last = self._last
        return None if last is None else LastError(last[0], max(self._clock.monotonic() - last[1], 0.0))
