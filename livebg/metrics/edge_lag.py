"""Measures by how many frames the alpha's edges lag behind the picture's."""

import math
from collections import deque
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha
from livebg.metrics.statistics import Measure, Summary, clip_block

EARLIEST: Final = -3
LATEST: Final = 10
"""Range of lags searched, in frames; negative if the alpha is ahead of the picture."""

EDGE_LAG: Final = Measure("edge_lag", "Edge lag, frames", "how far the outline trails")

_MAX_SIDE: Final = 256
_EDGE_GAIN: Final = 8.0
_WINDOW_RADIUS: Final = 6
_NOISE_VARIANCE: Final = 25.0
_MIN_VARIANCE: Final = 1e-3
_MIN_CONTRAST: Final = 0.02
_MAX_STANDARD_ERROR: Final = 1.0
_RESAMPLES: Final = 300
_SEED: Final = 7

Plane = NDArray[np.float32]


class _EdgeSample(NamedTuple):
    """A picture with its windowed mean and variance."""

    picture: Plane
    mean: Plane
    variance: Plane


class EdgeLag:
    """The delay, in fractional frames, at which the alpha best fits the picture from which it was computed.

    Alpha's outline at 0.5 is compared with the picture (or the true alpha) of this frame, of ten earlier and of three later ones.
    The fit is how well a local linear model of alpha explains the picture (Levin, Lischinski and Weiss, "A Closed-Form Solution
    to Natural Image Matting", 2008): the squared correlation of the two in windows of 13 pixels, weighted by alpha's variance,
    summed over the picture and the frames, so that static content does not shift the maximum. The fit decreases about linearly
    with the distance of the two outlines; hence the maximum is the intersection of two lines of opposite slope through the best
    delay and its neighbors (the equiangular fit of Shimizu and Okutomi, "Precise Sub-Pixel Estimation on Area-Based Matching",
    2001).

    A pure delay is measured exactly, an exponential filter by the delay of its 0.5, about ln 2 of its time constant. Lags beyond
    :data:`LATEST` are reported as that. If nothing moves, or the alpha does not follow the motion, there is no result: the
    standard error is then above one frame.
    """

    def __init__(self) -> None:
        self._samples: deque[_EdgeSample] = deque(maxlen=LATEST - EARLIEST + 1)
        self._alphas: deque[Plane] = deque(maxlen=1 - EARLIEST)
        self._fits: list[NDArray[np.float64]] = []

    def begin(self) -> None:
        """Start another clip: the next frame has no predecessor."""
        self._samples.clear()
        self._alphas.clear()

    def add(self, alpha: Alpha, picture: Plane) -> None:
        """Add the next frame: its alpha, 0..1, and its luma (or its true alpha times 255), 0..255; float32 (height, width)."""
        small = within(picture, _MAX_SIDE)
        mean = _windows(small)
        self._samples.append(_EdgeSample(small, mean, _windows(small * small) - mean * mean))
        self._alphas.append(np.clip((within(alpha, _MAX_SIDE) - 0.5) * _EDGE_GAIN + 0.5, 0, 1).astype(np.float32))
        if len(self._samples) == LATEST - EARLIEST + 1:
            self._fits.append(_fits(self._alphas[0], self._samples))

    def summary(self) -> Summary | None:
        """Return the lag over all frames so far, with its interval; None if it cannot be determined."""
        fits = np.asarray(self._fits, np.float64).reshape(-1, LATEST - EARLIEST + 1)
        lag = _peak(fits.sum(axis=0))
        if lag is None:
            return None
        resampled = _resampled_peaks(fits)
        if len(resampled) < _RESAMPLES // 2:
            return Summary(lag, None, None, None, len(fits))
        error = float(resampled.std(ddof=1))
        if error > _MAX_STANDARD_ERROR:
            return None
        low, high = np.quantile(resampled, [0.025, 0.975])
        return Summary(lag, error, float(low), float(high), len(fits))


def within(plane: Plane, longest_side: int) -> Plane:
    """Shrink a float32 plane by area averages until no side is longer than ``longest_side`` pixels; smaller planes are returned
    unchanged."""
    height, width = plane.shape
    scale = longest_side / max(height, width)
    if scale >= 1:
        return plane
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)


def _windows(plane: Plane) -> Plane:
    return np.asarray(
        cv2.blur(plane, (2 * _WINDOW_RADIUS + 1, 2 * _WINDOW_RADIUS + 1), borderType=cv2.BORDER_REFLECT), np.float32
    )


def _fits(alpha: Plane, samples: deque[_EdgeSample]) -> NDArray[np.float64]:
    """Return how well ``alpha`` fits each picture, by increasing delay. The newest picture is ``-EARLIEST`` frames after it."""
    mean = _windows(alpha)
    variance = _windows(alpha * alpha) - mean * mean
    weight = variance / (variance + np.float32(_MIN_VARIANCE))
    return np.array(
        [
            (
                weight
                * np.square(_windows(alpha * each.picture) - mean * each.mean)
                / (each.variance + np.float32(_NOISE_VARIANCE))
            ).sum(dtype=np.float64)
            for each in reversed(samples)
        ]
    )


def _peak(fits: NDArray[np.float64]) -> float | None:
    """Return the delay of the best fit in fractional frames; None if all fit equally."""
    best = int(fits.argmax())
    if fits[best] - fits.min() <= _MIN_CONTRAST * fits[best]:
        return None
    if best in (0, len(fits) - 1):
        return float(EARLIEST + best)
    before, here, after = fits[best - 1 : best + 2]
    return float(EARLIEST + best + (after - before) / (2 * (here - min(before, after))))


def _resampled_peaks(fits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lags of block-bootstrap resamples, where they have one."""
    count, block = len(fits), clip_block(len(fits))
    rng = np.random.default_rng(_SEED)
    starts = rng.integers(0, count, (_RESAMPLES, math.ceil(count / block), 1))
    resampled = ((starts + np.arange(block)) % count).reshape(_RESAMPLES, -1)
    peaks = (_peak(fits[frames].sum(axis=0)) for frames in resampled)
    return np.array([peak for peak in peaks if peak is not None])
