"""Look-ahead filter for live video that may be late by a few frames: the backward pass over the pictures that follow."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

import cv2
import numpy as np

from livebg.imaging.frame import Alpha
from livebg.imaging.optical_flow import FlowEstimator
from livebg.imaging.pyramid import Pyramid
from livebg.segmentation.temporal_filter import MAX_GAP_S
from livebg.segmentation.transition import BackwardStep, Image, Transition, filter_backward

MAX_FRAMES: Final = 3
MAX_DELAY_S: Final = 0.15
"""Seconds after a released picture until the next one is released, even if fewer pictures follow it than wanted. Otherwise the
placeholder would appear at low frame rates while pictures are collected."""

DTSSD_CHANGE_PERCENT: Final = {1: -1.9, 2: -3.2, 3: -4.0}
"""Change of dtSSD by number of frames, the mean of slow and fast motion on synthetic clips at 30 frames per second."""

T = TypeVar("T")


def delay_s(frames: int, interval: float) -> float:
    """Return the delay in seconds of a filter with ``frames`` for pictures that are ``interval`` seconds apart."""
    return min(frames, max(math.ceil(MAX_DELAY_S / interval) - 1, 0)) * interval


class Released(NamedTuple, Generic[T]):
    """What belongs to a picture, its filtered alpha, and how many pictures before the newest one it was."""

    item: T
    alpha: Alpha
    pictures_ago: int


@dataclass(slots=True, eq=False)
class _Held(Generic[T]):
    """A held picture; ``back`` leads here from the next one, None across a cut and for the newest."""

    item: T
    alpha: Alpha
    image: Image
    time: float
    back: BackwardStep | None = None


class FixedLagFilter(Generic[T]):
    """Holds each picture until ``frames`` later ones, 1..3, are known, and filters its alpha backward from these.

    ``time_constant`` is that of the causal filter before, in seconds, above 0. The first picture after a start, a gap of more
    than half a second or a step back in time is released at once, so that something is visible. Not thread-safe.
    """

    def __init__(self, frames: int, time_constant: float) -> None:
        if not (1 <= frames <= MAX_FRAMES and time_constant > 0):
            raise ValueError(f"The delay must be 1..{MAX_FRAMES} frames, got {frames} with a time constant of {time_constant}.")
        self._frames, self._time_constant = frames, time_constant
        self._flow = FlowEstimator()
        self._held: deque[_Held[T]] = deque()
        self._released: float | None = None
        """Time of the picture that was released last."""

    def reset(self) -> None:
        """Drop the held pictures."""
        self._held.clear()
        self._released = None
        self._flow.reset()

    def push(self, item: T, alpha: Alpha, image: Image, time: float) -> Released[T] | None:
        """Add the next picture, with its alpha from the causal filter. Returns the oldest one that is due, if any.

        ``alpha`` is float32 (height, width), 0..1; ``image`` is RGB uint8 of that size; ``time`` is in seconds.
        """
        newest = self._held[-1].time if self._held else self._released
        if newest is not None and not 0 < time - newest <= MAX_GAP_S:
            self.reset()
        self._link(image, time)
        self._held.append(_Held(item, alpha, image, time))
        if self._released is not None and len(self._held) <= self._frames and time - self._released < MAX_DELAY_S:
            return None
        alpha = filter_backward((each.alpha, each.back) for each in reversed(self._held))[0]
        oldest = self._held.popleft()
        self._released = oldest.time
        return Released(oldest.item, alpha, len(self._held))

    def _link(self, image: Image, time: float) -> None:
        """Link the newest held picture to the next one, ``image``."""
        luma = Pyramid(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8))
        if not self._held:
            self._flow.set_reference(luma)
            return
        before, back = self._held[-1], self._flow.update_forward(luma)
        if back is not None:
            way = Transition.between(image, before.image, back, time - before.time, self._time_constant)
            before.back = None if way is None else way.backward_step(before.alpha)
