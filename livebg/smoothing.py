"""Steadying alpha in time, without trailing behind what moves."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.frame import Alpha

_LONGEST_GAP = 0.5
"""Seconds without a picture after which the past says nothing about the present."""

_NOISE_LEVELS = 4.0
"""A change of this many levels of 255 is camera noise: the pixel counts as still."""

_MOTION_LEVELS = 12.0
"""A change of this many levels beyond the noise is motion for certain."""


class AlphaSmoother:
    """A motion-adaptive exponential filter, per pixel, at model resolution.

    Where the picture holds still, alpha follows with ``time_constant`` (seconds), which takes the network's flicker away; where
    the picture changes, alpha is taken as it comes, so that a moving hand leaves no ghost. The rate is 1 - exp(-dt / tau), so
    that 15 and 60 frames a second look the same.
    """

    def __init__(self, time_constant: float = 0.1) -> None:
        if time_constant < 0:
            raise ValueError(f"a time constant is at least 0 seconds, got {time_constant}")
        self._time_constant = time_constant
        self._alpha: Alpha | None = None
        self._image: NDArray[np.uint8] | None = None
        self._time = 0.0

    def reset(self) -> None:
        """Forget the past: after a cut, a seek, a change of format or a toggle."""
        self._alpha = self._image = None

    def past(self, time: float, shape: tuple[int, ...]) -> Alpha | None:
        """What :meth:`smooth` made last, for a picture at ``time`` (seconds) whose alpha has ``shape``; not to be written to.

        None where there is no past, or it says nothing about that picture: after a gap of more than half a second, a step back
        in time, or at another size.
        """
        goes_on = 0 < time - self._time <= _LONGEST_GAP
        return self._alpha if goes_on and self._alpha is not None and self._alpha.shape == shape else None

    def smooth(self, alpha: Alpha, image: NDArray[np.uint8], time: float) -> Alpha:
        """Steady ``alpha``, float32 (height, width), 0..1.

        ``image`` is the picture that it was made from, RGB uint8 of the same size, and ``time`` that picture's in seconds.
        Returns a new array. Where there is no :meth:`past` it begins anew.
        """
        before, seen, elapsed = self.past(time, alpha.shape), self._image, time - self._time
        self._image, self._time = image, time
        if before is None or seen is None:
            self._alpha = alpha.copy()
        else:
            self._alpha = before + (alpha - before) * self._rate(seen, image, elapsed)
        return self._alpha.copy()

    def _rate(self, seen: NDArray[np.uint8], image: NDArray[np.uint8], elapsed: float) -> Alpha:
        """The share of the new alpha to take, per pixel: 1 where something moves, the filter's own where nothing does."""
        red, green, blue = cv2.split(cv2.absdiff(seen, image))
        change = cv2.blur(cv2.max(cv2.max(red, green), blue), (3, 3))
        # Motion spreads to its neighbourhood: behind a moving edge the room that comes free changes as well.
        motion = cv2.dilate(change, np.ones((5, 5), np.uint8))
        still = 1.0 - math.exp(-elapsed / self._time_constant) if self._time_constant else 1.0
        moving = np.clip((np.arange(256) - _NOISE_LEVELS) / _MOTION_LEVELS, 0.0, 1.0)
        return np.asarray(cv2.LUT(motion, (still + (1.0 - still) * moving).astype(np.float32)), np.float32)
