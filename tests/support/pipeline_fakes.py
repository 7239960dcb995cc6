"""Small implementations of the pipeline's interfaces."""

import threading
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from livebg.clock import Clock
from livebg.errors import ModelError, SinkError
from livebg.imaging.frame import Alpha, ColorSpec, Composite, Frame, VideoFormat, empty_i420, planes
from livebg.interfaces import Sink, Source

UNTAGGED = ColorSpec()


def gray_frame(number: int = 0, luma: int = 100, size: tuple[int, int] = (64, 48), color: ColorSpec = UNTAGGED) -> Frame:
    """A frame of one luma at ``number`` thirtieths of a second."""
    data = empty_i420(*size)
    for plane, level in zip(planes(data), (luma, 128, 128), strict=True):
        plane[:] = level
    return Frame(data, number, Fraction(1, 30), color)


def noise_frame(seed: int, size: tuple[int, int] = (64, 48), color: ColorSpec = UNTAGGED, number: int = 0) -> Frame:
    """Every byte different, so that no byte can hide where it came from."""
    data = np.random.default_rng(seed).integers(0, 256, (size[1] * 3 // 2, size[0]), np.uint8)
    return Frame(data, number, Fraction(1, 30), color)


class HandClock(Clock):
    """A clock whose time is set manually: ``seconds``."""

    def __init__(self, seconds: float = 1000.0) -> None:
        self.seconds = seconds

    def monotonic(self) -> float:
        return self.seconds


class InstantClock(HandClock):
    """A clock that moves on by the time of each wait, which ends at once."""

    def event(self) -> threading.Event:
        return _InstantEvent(self)


class _InstantEvent(threading.Event):
    def __init__(self, clock: HandClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        if not self.is_set() and timeout is not None:
            self._clock.seconds += max(timeout, 1e-6)  # less could be lost in rounding
        return self.is_set()


class ListSource(Source):
    """Frames from a list."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = frames
        self.closed = False

    @property
    def format(self) -> VideoFormat:
        first = self._frames[0]
        return VideoFormat(first.width, first.height, Fraction(30), first.color)

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._frames:
            if self.closed:
                return
            yield frame

    def close(self) -> None:
        self.closed = True


class ListSink(Sink):
    """Composites into a list; breaks at the number ``breaks_at``."""

    def __init__(self, breaks_at: int | None = None) -> None:
        self.composites: list[Composite] = []
        self.end: str | None = None
        self._breaks_at = breaks_at

    def send(self, composite: Composite) -> None:
        if self.end or len(self.composites) == self._breaks_at:
            raise SinkError("this sink has been closed")
        if self.composites and composite.time <= self.composites[-1].time:
            raise SinkError("time must increase")
        self.composites.append(composite)

    def close(self) -> None:
        self.end = self.end or "closed"

    def abort(self) -> None:
        self.end = self.end or "aborted"


class LumaSegmenter:
    """Alpha is luma / 255. ``looks`` counts the pictures; the one at index ``fails_at`` fails."""

    name = "luma"
    provider = "none"

    def __init__(self, fails_at: int | None = None) -> None:
        self.looks = 0
        self._fails_at = fails_at

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return width // 2, height // 2

    def segment(self, image: NDArray[np.uint8]) -> Alpha:
        self.looks += 1
        if self.looks - 1 == self._fails_at:
            raise ModelError("the network failed")
        return np.asarray(image.mean(axis=2) / 255, np.float32)


class StillSegmenter(LumaSegmenter):
    """The same alpha for every picture, made by a function of the size."""

    def __init__(self, alpha: Callable[[int, int], Alpha]) -> None:
        super().__init__()
        self._alpha = alpha

    def segment(self, image: NDArray[np.uint8]) -> Alpha:
        self.looks += 1
        return self._alpha(image.shape[1], image.shape[0])
