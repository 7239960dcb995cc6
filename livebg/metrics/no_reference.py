"""No-reference metrics: temporal stability and lag, from an alpha and its picture only.

Everything is measured at no more than 512 pixels on the longer side. A delayed matte scores as stable, hence the edge lag.
"""

import math
from collections import deque
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha, Alpha8
from livebg.imaging.optical_flow import FlowField
from livebg.metrics.edge_lag import EDGE_LAG, EdgeLag, Plane, within
from livebg.metrics.reference import as_alpha
from livebg.metrics.statistics import Measure, Score, Values, clip_block

MEASURES: Final = (
    Measure("warp_error", "Warp error x1e3", "change not explained by motion"),
    Measure("still_change", "Still change x1e3", "change where the picture is static"),
    Measure("flips", "Flips x1e3", "static pixels that changed and changed back"),
    Measure("dropouts", "Dropouts, %", "frames that briefly lost a fifth of the person"),
    EDGE_LAG,
)

_MAX_SIDE: Final = 512
_MIN_KNOWN_SHARE: Final = 0.5
_MIN_STATIC_SHARE: Final = 0.01
_NOISE_WINDOW: Final = 5
_NOISE_SIGMAS: Final = 5.0
_MIN_LEVELS, _MAX_LEVELS = 1.0, 4.0
_MAD_TO_SIGMA: Final = 1.4826
_NEIGHBORHOOD: Final = 15
_MIN_FLIP: Final = 0.2
_AREA_LOSS: Final = 0.2
_AREA_RECOVERY: Final = 0.9
_MIN_AREA: Final = 0.005
_MAX_DROPOUT_S: Final = 0.5
_FRAMES_BEFORE: Final = 5
_RELATIVE_TOLERANCE: Final = 0.01
_ABSOLUTE_TOLERANCE: Final = 0.5
_MIN_FLOW_SIDE: Final = 96
_MIN_FLOW_ASPECT: Final = 0.5
"""OpenCV derives the coarsest level from the width alone and crashes the process if a picture has too few rows for it."""


class _FrameStats(NamedTuple):
    alpha: Alpha
    luma: NDArray[np.uint8]
    smooth: Plane
    still: NDArray[np.bool_]
    """Where the picture has not changed since the previous frame."""


class NoReferenceScore:
    """All no-reference metrics of a clip, frame by frame.

    - Warp error: the mean of ``|alpha_t(x) - alpha_t-1(x + w(x))|``, times 1e3, where w is the optical flow of the luma, over
      pixels with known flow (:func:`flow_with_check`; after Lai et al., "Learning Blind Video
      Temporal Consistency", ECCV 2018, with a plain mean instead of squares). None if less than half of them are known, as after
      a cut.
    - Still change: the mean of ``|alpha_t - alpha_t-1|``, times 1e3, over static pixels: there and 7 pixels around, the mean luma
      of 5x5 pixels changed by less than five standard deviations of the noise (estimated from the median change), limited to 1..4
      levels of 255. None if less than 1 % of the picture is static.
    - Flips (A-B-A): per thousand pixels that are static over three frames, those whose alpha changes by more than 0.2 and then
      back, to within 0.2 of its first value.
    - Dropouts: the percentage of frames in which alpha's area is below 0.8 of its median over the five previous frames, and above
      0.9 of it again within half a second.
    - Edge lag: :class:`~livebg.metrics.edge_lag.EdgeLag`.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._lag = EdgeLag()
        self._recent: deque[_FrameStats] = deque(maxlen=3)
        self._rows: list[tuple[float, float, float]] = []
        self._areas: list[tuple[float, float]] = []

    def add(self, picture: NDArray[np.uint8], alpha: Alpha | Alpha8, time: float) -> dict[str, float]:
        """Measure one frame. Returns its values by metric name (NaN if a metric has none).

        ``picture`` is uint8, luma (height, width) or RGB (height, width, 3); ``alpha`` is uint8 (0..255) or float32 (0..1), of
        that height and width; ``time`` is in seconds. Raises ValueError if they are not, or if the size changes or time does not
        increase.
        """
        luma, full = _luma(picture), as_alpha(alpha)
        if luma.shape != full.shape:
            raise ValueError(f"The picture has shape {luma.shape}, its alpha {full.shape}.")
        if self._areas and time <= self._areas[-1][0]:
            raise ValueError(f"Time must increase, got {time} s after {self._areas[-1][0]} s.")
        current = self._frame_stats(luma.astype(np.float32), within(full, _MAX_SIDE))
        self._lag.add(current.alpha, current.luma.astype(np.float32))
        row = self._warp_error(current), self._still_change(current), self._flips(current)
        self._recent.append(current)
        self._rows.append(row)
        self._areas.append((time, float(full.mean(dtype=np.float64))))
        return {measure.name: value for measure, value in zip(MEASURES, row, strict=False)}

    def result(self) -> Score:
        """Return the metrics of all frames so far."""
        table: Values = np.asarray(self._rows, np.float64).reshape(-1, 3)
        values = {measure.name: table[:, column] for column, measure in enumerate(MEASURES[:3])}
        values["dropouts"] = _dropouts(*np.reshape(self._areas, (-1, 2)).T)
        return Score(MEASURES, values, clip_block(len(table)), {EDGE_LAG.name: self._lag.summary()})

    def _frame_stats(self, luma: Plane, alpha: Alpha) -> _FrameStats:
        small = within(luma, _MAX_SIDE)
        smooth = np.asarray(cv2.blur(small, (_NOISE_WINDOW, _NOISE_WINDOW)), np.float32)
        if self._recent and self._recent[-1].luma.shape != small.shape:
            raise ValueError(f"The frame size must not change within a clip, got {small.shape}.")
        still = _static_pixels(smooth, self._recent[-1].smooth) if self._recent else np.zeros(small.shape, np.bool_)
        return _FrameStats(alpha.copy(), np.rint(small).astype(np.uint8), smooth, still)

    def _warp_error(self, current: _FrameStats) -> float:
        if not self._recent:
            return math.nan
        before = self._recent[-1]
        flow, known = flow_with_check(self._flow, current.luma, before.luma)
        if known.mean() < _MIN_KNOWN_SHARE:
            return math.nan
        return float(np.abs(current.alpha - flow.warp(before.alpha))[known].mean(dtype=np.float64)) * 1e3

    def _still_change(self, current: _FrameStats) -> float:
        if current.still.mean() < _MIN_STATIC_SHARE:
            return math.nan
        return float(np.abs(current.alpha - self._recent[-1].alpha)[current.still].mean(dtype=np.float64)) * 1e3

    def _flips(self, current: _FrameStats) -> float:
        if len(self._recent) < 2:
            return math.nan
        first, second = self._recent[-2], self._recent[-1]
        still = current.still & second.still
        if still.mean() < _MIN_STATIC_SHARE:
            return math.nan
        there, back = second.alpha - first.alpha, current.alpha - second.alpha
        flipped = (np.minimum(np.abs(there), np.abs(back)) > _MIN_FLIP) & (np.abs(there + back) < _MIN_FLIP)
        return float(flipped[still].mean(dtype=np.float64)) * 1e3


def flow_with_check(
    estimator: cv2.DISOpticalFlow, luma: NDArray[np.uint8], before: NDArray[np.uint8]
) -> tuple[FlowField, NDArray[np.bool_]]:
    """Return the optical flow from ``luma`` back to ``before``, uint8 of one shape (height, width), and where it is known.

    At full resolution, so more accurate than that of the live filter, by dense inverse search (Kroeger et al., "Fast Optical Flow
    using Dense Inverse Search", ECCV 2016). The flow w of a pixel is known if it points inside the picture and
    ``|w + v|² <= 0.01 (|w|² + |v|²) + 0.5``, where v is the opposite flow at its target (Sundaram et al., "Dense Point
    Trajectories by GPU-Accelerated Large Displacement Optical Flow", ECCV 2010; also used by Lai et al., "Learning Blind Video
    Temporal Consistency", ECCV 2018).
    """
    height, width = luma.shape
    wide = max(_MIN_FLOW_SIDE - width, 0)
    high = max(_MIN_FLOW_SIDE - height, math.ceil(_MIN_FLOW_ASPECT * width) - height, 0)
    here, there = (cv2.copyMakeBorder(each, 0, high, 0, wide, cv2.BORDER_REPLICATE) for each in (luma, before))
    start = np.zeros((*here.shape, 2), np.float32)
    back, forth = (
        np.asarray(estimator.calc(*pair, start.copy()), np.float32)[:height, :width] for pair in ((here, there), (there, here))
    )
    flow = FlowField(back)
    returned = flow.warp(forth)
    gap = np.square(back + returned).sum(axis=2)
    bound = _RELATIVE_TOLERANCE * (np.square(back).sum(axis=2) + np.square(returned).sum(axis=2)) + _ABSOLUTE_TOLERANCE
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    target_x, target_y = back[..., 0] + columns, back[..., 1] + rows
    inside = (target_x >= 0) & (target_x <= width - 1) & (target_y >= 0) & (target_y <= height - 1)
    return flow, (gap <= bound) & inside


def _luma(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return luma, shape (height, width), of a picture that is luma or RGB, shape (height, width, 3), both uint8.

    Raises ValueError for any other shape or dtype.
    """
    if picture.dtype != np.uint8 or not picture.size or not (picture.ndim == 2 or picture.shape[2:] == (3,)):
        found = f"{picture.dtype} {picture.shape}"
        raise ValueError(f"A picture must be uint8, luma (height, width) or RGB (height, width, 3), got {found}.")
    return picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def _static_pixels(smooth: Plane, before: Plane) -> NDArray[np.bool_]:
    """Return where a picture equals the previous one except for noise, minus a margin around changes."""
    change = cv2.absdiff(smooth, before)
    noise = _MAD_TO_SIGMA * float(np.median(change))
    bound = min(max(_NOISE_SIGMAS * noise, _MIN_LEVELS), _MAX_LEVELS)
    moved = (np.asarray(change) > bound).astype(np.uint8)
    return np.asarray(cv2.dilate(moved, np.ones((_NEIGHBORHOOD, _NEIGHBORHOOD), np.uint8)) == 0, np.bool_)


def _dropouts(times: Values, areas: Values) -> Values:
    """Return 100 for each frame inside a dropout, else 0, from the times and areas of a clip's frames."""
    lost = np.zeros(len(times))
    frame = 1
    while frame < len(times):
        before = float(np.median(areas[max(0, frame - _FRAMES_BEFORE) : frame]))
        end = _recovery_frame(times, areas, frame, before)
        lost[frame:end] = 100.0
        frame = max(end, frame + 1)
    return lost


def _recovery_frame(times: Values, areas: Values, frame: int, before: float) -> int:
    """Return the frame in which the area lost at ``frame`` is back; ``frame`` itself if none was lost, or for too long."""
    if before < _MIN_AREA or areas[frame] >= (1 - _AREA_LOSS) * before:
        return frame
    back = (times > times[frame]) & (times <= times[frame - 1] + _MAX_DROPOUT_S) & (areas > _AREA_RECOVERY * before)
    return int(back.argmax()) if back.any() else frame
