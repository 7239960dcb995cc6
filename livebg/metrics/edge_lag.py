"""How far the alpha's edges trail the picture's, in frames."""

import math
from collections import deque
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha
from livebg.metrics.conversions import within
from livebg.metrics.statistics import Measure, Summary, clip_block

EARLIEST: Final = -3
LATEST: Final = 10
"""The lags that are looked for, in frames; negative where the alpha is ahead of the picture."""

EDGE_LAG: Final = Measure("edge_lag", "Edge lag, frames", "how far the outline trails")

_LONGEST_SIDE: Final = 256
_STEEPNESS: Final = 8.0
_RADIUS: Final = 6
_NOISE: Final = 25.0
_TINY: Final = 1e-3
_FLAT: Final = 0.02
_UNSURE: Final = 1.0
_RESAMPLES: Final = 300
_SEED: Final = 7

Plane = NDArray[np.float32]


class _Seen(NamedTuple):
    """A picture, and its mean and variance in windows."""

    picture: Plane
    mean: Plane
    variance: Plane


class EdgeLag:
    """The delay, in frames and fractions of one, at which the alpha fits what it was made of best.

    Alpha's outline at 0.5 is laid over the picture (or over the true alpha) of this frame, of ten before and of three after. The
    fit is how well a local linear model of alpha explains the picture (Levin, Lischinski and Weiss, "A Closed-Form Solution to
    Natural Image Matting", 2008): the squared correlation of the two in windows of 13 pixels, weighted by alpha's variance,
    summed over the picture and over the frames, so that what stands still moves no top. The fit falls off about linearly with
    the distance of the two outlines; hence the top is where two lines of opposite slope meet that go through the best delay and
    its neighbours (the equiangular fit of Shimizu and Okutomi, "Precise Sub-Pixel Estimation on Area-Based Matching", 2001).

    A pure delay is told as it is, an exponential filter by the delay of its 0.5, about ln 2 of its time constant. A lag beyond
    :data:`LATEST` is told as that. Where nothing moves, or the alpha does not follow what does, there is none: the standard error
    is then above a frame.
    """

    def __init__(self) -> None:
        self._seen: deque[_Seen] = deque(maxlen=LATEST - EARLIEST + 1)
        self._alphas: deque[Plane] = deque(maxlen=1 - EARLIEST)
        self._fits: list[NDArray[np.float64]] = []

    def begin(self) -> None:
        """Another clip begins: the next frame follows none."""
        self._seen.clear()
        self._alphas.clear()

    def add(self, alpha: Alpha, picture: Plane) -> None:
        """The next frame: its alpha, 0..1, and its luma (or its true alpha times 255), 0..255; float32 (height, width)."""
        small = within(picture, _LONGEST_SIDE)
        mean = _windows(small)
        self._seen.append(_Seen(small, mean, _windows(small * small) - mean * mean))
        self._alphas.append(np.clip((within(alpha, _LONGEST_SIDE) - 0.5) * _STEEPNESS + 0.5, 0, 1).astype(np.float32))
        if len(self._seen) == LATEST - EARLIEST + 1:
            self._fits.append(_fits(self._alphas[0], self._seen))

    def summary(self) -> Summary | None:
        """The lag over all frames so far, with its interval; None where nothing tells."""
        fits = np.asarray(self._fits, np.float64).reshape(-1, LATEST - EARLIEST + 1)
        lag = _top(fits.sum(axis=0))
        if lag is None:
            return None
        drawn = _resampled_tops(fits)
        if len(drawn) < _RESAMPLES // 2:
            return Summary(lag, None, None, None, len(fits))
        error = float(drawn.std(ddof=1))
        if error > _UNSURE:
            return None
        low, high = np.quantile(drawn, [0.025, 0.975])
        return Summary(lag, error, float(low), float(high), len(fits))


def _windows(plane: Plane) -> Plane:
    return np.asarray(cv2.blur(plane, (2 * _RADIUS + 1, 2 * _RADIUS + 1), borderType=cv2.BORDER_REFLECT), np.float32)


def _fits(alpha: Plane, seen: deque[_Seen]) -> NDArray[np.float64]:
    """How well ``alpha`` fits each of the pictures, the newest of which is ``-EARLIEST`` frames after it: by delay, rising."""
    mean = _windows(alpha)
    variance = _windows(alpha * alpha) - mean * mean
    weight = variance / (variance + np.float32(_TINY))
    return np.array(
        [
            (weight * np.square(_windows(alpha * each.picture) - mean * each.mean) / (each.variance + np.float32(_NOISE))).sum(
                dtype=np.float64
            )
            for each in reversed(seen)
        ]
    )


def _top(fits: NDArray[np.float64]) -> float | None:
    """The delay of the best fit, to fractions of a frame; None where all fit alike."""
    best = int(fits.argmax())
    if fits[best] - fits.min() <= _FLAT * fits[best]:
        return None
    if best in (0, len(fits) - 1):
        return float(EARLIEST + best)
    before, here, after = fits[best - 1 : best + 2]
    return float(EARLIEST + best + (after - before) / (2 * (here - min(before, after))))


def _resampled_tops(fits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lags of clips drawn anew in stretches of frames, where they have one."""
    count, block = len(fits), clip_block(len(fits))
    rng = np.random.default_rng(_SEED)
    starts = rng.integers(0, count, (_RESAMPLES, math.ceil(count / block), 1))
    drawn = ((starts + np.arange(block)) % count).reshape(_RESAMPLES, -1)
    tops = (_top(fits[frames].sum(axis=0)) for frames in drawn)
    return np.array([top for top in tops if top is not None])
