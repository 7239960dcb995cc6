"""Time: a replaceable clock, and the CPU time of stages."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final


class Clock:
    """The time, and the synchronization objects on which threads wait: here the system's.

    A subclass can run a session on simulated time, in which days pass within an hour.
    """

    def monotonic(self) -> float:
        """Return seconds since an arbitrary moment. They never go backward."""
        return time.monotonic()

    def event(self) -> threading.Event:
        return threading.Event()

    def condition(self) -> threading.Condition:
        return threading.Condition()


SYSTEM_CLOCK: Final = Clock()
"""Stateless, so it can be shared."""


class StageTimer:
    """Accumulates seconds per stage. ``clock`` defaults to the CPU time of the thread, since each stage runs in one."""

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = self._clock()
        try:
            yield
        finally:
            self.seconds[name] += self._clock() - start


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Limit OpenCV to one thread inside the ``with`` block: the planes of a frame are too small for more, and CPU time is
    attributed to the right stage."""
    import cv2  # not needed for the command line, which needs the clock

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
