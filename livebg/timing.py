"""How long each stage of the frame's way takes."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2


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
