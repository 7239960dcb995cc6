"""Estimates the frame interval from the processing side."""

from collections import deque
from statistics import median
from typing import Final

from livebg.live.quality.mask_task import MAX_MASK_AGE_S

_MIN_IDLE_SHARE: Final = 0.25
"""Idle share of an interval before a frame above which the processor had waited for that frame."""
_WINDOW_SIZE: Final = 9


class FrameIntervalEstimator:
    """Estimates the frame interval, only from frames that the processor waited for: a busy processor misses frames.

    ``interval`` is the median of the last known intervals in seconds, initially the given one.
    """

    def __init__(self, interval: float) -> None:
        self._intervals: deque[float] = deque([interval], maxlen=_WINDOW_SIZE)
        self._last_end: float | None = None
        self._time = 0.0
        self.interval = interval

    def begin(self, now: float, frame_time: float) -> None:
        """Record that processing of the frame at ``frame_time`` starts at ``now``; both in seconds, on different clocks."""
        elapsed = frame_time - self._time
        if (
            self._last_end is not None
            and now - self._last_end > _MIN_IDLE_SHARE * self.interval
            and 0 < elapsed <= MAX_MASK_AGE_S
        ):
            self._intervals.append(elapsed)
            self.interval = median(self._intervals)
        self._time = frame_time

    def end(self, now: float) -> None:
        """Record that processing of the frame ended at ``now``."""
        self._last_end = now

    def reset(self) -> None:
        """Ignore the interval to the next frame."""
        self._last_end = None
