"""Metrics of an alpha against the true one.

MAD, MSE, Grad, Conn and dtSSD have the definitions and scales of Robust Video Matting's evaluation (Lin et al., "Robust
High-Resolution Video Matting with Temporal Guidance", WACV 2022; ``evaluation/evaluate_lr.py`` of its repository). Grad and Conn
are sums over the picture and grow with its size: compare them at one size only (512x288 in that paper).
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha, Alpha8
from livebg.metrics.edge_lag import EDGE_LAG, EdgeLag
from livebg.metrics.statistics import Measure, Score, clip_block

TOLERANCE: Final = 0.008
"""Maximum distance at which a boundary counts as found, as a share of the picture's diagonal (DAVIS)."""

_SIGMA: Final = 1.4
_NEGLIGIBLE: Final = 1e-2
_GRAD_DIGITS: Final = 9
_THRESHOLDS: Final = 10
_MIN_EXCESS: Final = 0.15
_MIN_RANGE: Final = 0.5 / 255
"""Half a level: alphas that are constant in 8 bits have no gradient, as in that evaluation."""

PICTURE_MEASURES: Final = (
    Measure("mad", "MAD x1e3", "mean absolute difference"),
    Measure("mse", "MSE x1e3", "mean squared difference"),
    Measure("grad", "Grad /1e3", "difference of gradients, summed"),
    Measure("conn", "Conn /1e3", "wrongly detached or attached regions, summed"),
    Measure("iou", "IoU", "overlap of the foregrounds at 0.5", higher_is_better=True),
    Measure("boundary_f", "Boundary F", "outlines found within 0.8 % of the diagonal", higher_is_better=True),
)
DTSSD: Final = Measure("dtssd", "dtSSD x1e2", "change that the true alpha does not have")


def as_alpha(alpha: Alpha | Alpha8) -> Alpha:
    """Return float32, 0..1, from an alpha of shape (height, width), either uint8 (0..255) or float32 (0..1, returned unchanged).

    Raises ValueError for any other shape or dtype.
    """
    if alpha.ndim != 2 or not alpha.size or alpha.dtype not in (np.uint8, np.float32):
        raise ValueError(f"An alpha must be uint8 or float32 of shape (height, width), got {alpha.dtype} {alpha.shape}.")
    return np.divide(alpha, np.float32(255), dtype=np.float32) if alpha.dtype == np.uint8 else np.asarray(alpha, np.float32)


def mean_absolute_difference(alpha: Alpha, truth: Alpha) -> float:
    """Return MAD: the mean of ``|alpha - truth|``, times 1e3."""
    return float(np.abs(alpha - truth).mean(dtype=np.float64)) * 1e3


def mean_squared_error(alpha: Alpha, truth: Alpha) -> float:
    """Return MSE: the mean of ``(alpha - truth)²``, times 1e3."""
    return float(np.square(alpha - truth).mean(dtype=np.float64)) * 1e3


def gradient_error(alpha: Alpha, truth: Alpha) -> float:
    """Return Grad: the sum of squared differences of the two gradient magnitudes, divided by 1e3.

    Each alpha is stretched to 0..1 (unless it is constant) and filtered with first derivatives of a Gaussian, sigma 1.4, of unit
    L2 norm, with replicated border (Rhemann et al., "A Perceptually Motivated Online Benchmark for Image Matting", CVPR 2009, q =
    2).
    """
    error = float(np.square(_gradient_magnitude(truth) - _gradient_magnitude(alpha)).sum(dtype=np.float64)) / 1e3
    # Filtering the same values may differ in the last bit, depending on their memory alignment.
    return round(error, _GRAD_DIGITS)


def connectivity_error(alpha: Alpha, truth: Alpha) -> float:
    """Return Conn: the sum of differences in the connectivity of each pixel with the person, divided by 1e3.

    At thresholds 0.1 apart the largest 4-connected region where both alphas reach the threshold is the person; a pixel's level l
    is the last threshold up to which it belongs to it; with d = alpha - l its connectivity is 1 - d if d >= 0.15, else 1 (Rhemann
    et al. 2009, with theta = 0.15 and p = 1).
    """
    level = np.ones(truth.shape, np.float32)
    undecided = np.ones(truth.shape, np.bool_)
    both = np.minimum(alpha, truth)
    for step in range(1, _THRESHOLDS + 1):
        outside = undecided & ~_largest_region(both >= np.float32(step / _THRESHOLDS))
        level[outside] = np.float32((step - 1) / _THRESHOLDS)
        undecided &= ~outside
    excess, true_excess = alpha - level, truth - level
    excess[excess < _MIN_EXCESS] = 0
    true_excess[true_excess < _MIN_EXCESS] = 0
    return float(np.abs(true_excess - excess).sum(dtype=np.float64)) / 1e3


def temporal_difference(alpha: Alpha, alpha_before: Alpha, truth: Alpha, truth_before: Alpha) -> float:
    """Return dtSSD: the root of the mean squared difference of the two changes since the previous frame, times 1e2.

    (Erofeev et al., "Perceptually Motivated Benchmark for Video Matting", BMVC 2015.) The first frame of a clip has none; Robust
    Video Matting counts it as 0, which makes its means smaller by one part in the number of frames.
    """
    change = (alpha - alpha_before) - (truth - truth_before)
    return math.sqrt(float(np.square(change).mean(dtype=np.float64))) * 1e2


def foreground_iou(alpha: Alpha, truth: Alpha) -> float:
    """Return the intersection over union, 0..1, of the regions with alpha of at least 0.5; 1 if both are empty."""
    ours, theirs = alpha >= 0.5, truth >= 0.5
    union = np.count_nonzero(ours | theirs)
    return float(np.count_nonzero(ours & theirs) / union) if union else 1.0


def boundary_f_measure(alpha: Alpha, truth: Alpha) -> float:
    """Return the harmonic mean, 0..1, of the shares of each outline at 0.5 within :data:`TOLERANCE` of the other.

    The distance is Euclidean and rounded up to whole pixels. The result is 1 if both have no outline, and 0 if one has none
    (Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016).
    """
    ours, theirs = _outline(alpha >= 0.5), _outline(truth >= 0.5)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    reach = math.ceil(TOLERANCE * math.hypot(*truth.shape))
    precision, recall = _share_near(ours, theirs, reach), _share_near(theirs, ours, reach)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


_METRICS: Final = {
    "mad": mean_absolute_difference,
    "mse": mean_squared_error,
    "grad": gradient_error,
    "conn": connectivity_error,
    "iou": foreground_iou,
    "boundary_f": boundary_f_measure,
}


class ReferenceScore:
    """Reference metrics, frame by frame: those of ``measures``, and of clips the changes.

    ``moving`` declares the alphas the frames of clips: then their changes count (dtSSD, edge lag), and neighboring frames are
    correlated (see :func:`~livebg.metrics.statistics.summarize`). Otherwise they are independent pictures.
    """

    def __init__(self, moving: bool = True, measures: Sequence[Measure] = PICTURE_MEASURES) -> None:
        self._moving = moving
        self._measures = tuple(measures)
        self._rows: list[dict[str, float]] = []
        self._before: tuple[Alpha, Alpha] | None = None
        self._lag = EdgeLag()

    def add(self, alpha: Alpha | Alpha8, truth: Alpha | Alpha8) -> dict[str, float]:
        """Measure one frame or picture. Returns its values by metric name (dtSSD is NaN without a previous frame).

        Both are uint8 (0..255) or float32 (0..1) of one shape (height, width). Raises ValueError if they are not, or if the size
        changes within a clip.
        """
        ours, theirs = as_alpha(alpha), as_alpha(truth)
        if ours.shape != theirs.shape:
            raise ValueError(f"The alpha has shape {ours.shape}, the true one {theirs.shape}.")
        row = {each.name: _METRICS[each.name](ours, theirs) for each in self._measures} | {DTSSD.name: math.nan}
        if self._moving:
            if self._before is not None:
                if self._before[0].shape != ours.shape:
                    raise ValueError(f"The frame size must not change within a clip, got {ours.shape}.")
                row[DTSSD.name] = temporal_difference(ours, self._before[0], theirs, self._before[1])
            # The caller may reuse its arrays for the next frame.
            self._before = ours.copy(), theirs.copy()
            self._lag.add(ours, theirs * np.float32(255))
        self._rows.append(row)
        return row

    def result(self) -> Score:
        """Return the metrics of all frames so far. Independent pictures have neither dtSSD nor edge lag."""
        measures = (*self._measures, DTSSD) if self._moving else self._measures
        values = {each.name: np.array([row[each.name] for row in self._rows], np.float64) for each in measures}
        if not self._moving:
            return Score(measures, values)
        return Score((*measures, EDGE_LAG), values, clip_block(len(self._rows)), {EDGE_LAG.name: self._lag.summary()})


@lru_cache(maxsize=1)
def _derivative_kernels() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a Gaussian and its derivative, both of unit L2 norm, cut off where the Gaussian falls below 0.01."""
    half = math.ceil(_SIGMA * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * _SIGMA * _NEGLIGIBLE)))
    position = np.arange(-half, half + 1, dtype=np.float64)
    bell = np.exp(-(position**2) / (2 * _SIGMA**2))
    slope = -position * bell
    return bell / np.linalg.norm(bell), slope / np.linalg.norm(slope)


def _gradient_magnitude(alpha: Alpha) -> Alpha:
    low, high = float(alpha.min()), float(alpha.max())
    if high - low < _MIN_RANGE:
        return np.zeros(alpha.shape, np.float32)
    stretched = (alpha - np.float32(low)) / np.float32(high - low)
    bell, slope = _derivative_kernels()
    across = cv2.sepFilter2D(stretched, cv2.CV_32F, slope, bell, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(stretched, cv2.CV_32F, bell, slope, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.magnitude(across, down), np.float32)


def _largest_region(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(inside.view(np.uint8), connectivity=4)
    if len(stats) < 2:
        return np.zeros(inside.shape, np.bool_)
    return np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])), np.bool_)


def _outline(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels that differ from their right, lower or lower right neighbor."""
    padded = np.pad(inside, ((0, 1), (0, 1)), mode="edge")
    here = padded[:-1, :-1]
    return (here ^ padded[:-1, 1:]) | (here ^ padded[1:, :-1]) | (here ^ padded[1:, 1:])


def _share_near(outline: NDArray[np.bool_], other: NDArray[np.bool_], reach: int) -> float:
    distance = cv2.distanceTransform((~other).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float((distance[outline] <= reach).mean())
