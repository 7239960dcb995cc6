"""How long each stage of the frame's way takes, and what threads wait with."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import cv2


class Waits:
    """What the threads of a session wait with, and for how long that is: by the machine's own time.

    A session takes another one for a time of its own, in which days pass within an hour.
    """

    def event(self) -> threading.Event:
        return threading.Event()

    def condition(self) -> threading.Condition:
        return threading.Condition()


REAL: Final = Waits()
"""It has no state."""


class StageClock:
    """Adds up seconds by stage. ``clock`` is CPU time of the process by default, since a laptop's battery pays for that."""

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        self._clock = clock
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begin = self._clock()
        try:
            yield
        finally:
            self.seconds[name] += self._clock() - begin


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """OpenCV's own threads would blur whose CPU time is whose."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
