"""How fast the frames come, seen by whoever processes them."""

from collections import deque
from statistics import median
from typing import Final

from livebg.live.quality.mask_task import OLDEST_MASK

_IDLE: Final = 0.25
"""Share of an interval for which the processor lay idle before a frame: then it had waited for that very frame."""
_INTERVALS: Final = 9


class Pace:
    """How often frames come: known of those that were waited for, since a busy processor misses frames and cannot tell.

    ``interval`` is the seconds between two, at first those given: the median of the last ones that are known.
    """

    def __init__(self, interval: float) -> None:
        self._seen: deque[float] = deque([interval], maxlen=_INTERVALS)
        self._ended: float | None = None
        self._time = 0.0
        self.interval = interval

    def begin(self, now: float, frame_time: float) -> None:
        """A frame of ``frame_time`` is begun at ``now``, both in seconds, on clocks of their own."""
        apart = frame_time - self._time
        if self._ended is not None and now - self._ended > _IDLE * self.interval and 0 < apart <= OLDEST_MASK:
            self._seen.append(apart)
            self.interval = median(self._seen)
        self._time = frame_time

    def end(self, now: float) -> None:
        """The frame is done."""
        self._ended = now

    def reset(self) -> None:
        """The next frame comes after a break."""
        self._ended = None
