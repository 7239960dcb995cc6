"""What an alpha and its picture tell without truth: how restless it is, and how late.

Everything is measured at no more than 512 pixels on the longer side. Being slow passes for being calm, hence the edge lag.
"""

import math
from collections import deque
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha, Alpha8
from livebg.metrics.conversions import as_alpha, as_luma, within
from livebg.metrics.edge_lag import EDGE_LAG, EdgeLag
from livebg.metrics.flow import FlowEstimator
from livebg.metrics.statistics import Measure, Score, Values, clip_block

MEASURES: Final = (
    Measure("warp_error", "Warp error x1e3", "change that the motion does not explain"),
    Measure("still_change", "Still change x1e3", "change where the picture stood still"),
    Measure("flips", "Flips x1e3", "still pixels that changed and changed back"),
    Measure("dropouts", "Dropouts, %", "frames that lost a fifth of the person for a moment"),
    EDGE_LAG,
)

_LONGEST_SIDE: Final = 512
_LEAST_KNOWN: Final = 0.5
_LEAST_STILL: Final = 0.01
_NOISE_WINDOW: Final = 5
_NOISE_SIGMAS: Final = 5.0
_LEAST_LEVELS, _MOST_LEVELS = 1.0, 4.0
_MAD_TO_SIGMA: Final = 1.4826
_NEIGHBOURHOOD: Final = 15
_FLIP: Final = 0.2
_LOST: Final = 0.2
_RETURNED: Final = 0.9
_LEAST_AREA: Final = 0.005
_LONGEST_DROPOUT: Final = 0.5
_FRAMES_BEFORE: Final = 5


class _Instant(NamedTuple):
    alpha: Alpha
    luma: NDArray[np.uint8]
    smooth: NDArray[np.float32]
    still: NDArray[np.bool_]
    """Where the picture has not changed since the frame before."""


class BlindScore:
    """All measures without truth, frame by frame.

    - Warp error: the mean of ``|alpha_t(x) - alpha_t-1(x + w(x))|``, times 1e3, w being the optical flow of the luma, over pixels
      whose flow is known (:class:`~livebg.metrics.flow.FlowEstimator`; after Lai et al., "Learning Blind Video Temporal
      Consistency", ECCV 2018, with a plain mean in place of the squares). None where half of them are not, as after a cut.
    - Still change: the mean of ``|alpha_t - alpha_t-1|``, times 1e3, where the picture stands still: there and 7 pixels around
      the mean luma of 5x5 pixels has changed by less than five deviations of the noise (which is told from the median change),
      at least 1 and at most 4 levels of 255. None where less than a hundredth of the picture does.
    - Flips (A-B-A): per thousand pixels that stand still over three frames, those whose alpha changes by more than 0.2 and then
      back, to within 0.2 of what it was.
    - Dropouts: the share of frames, in per cent, in which alpha's area is under 0.8 of its median over the five frames before,
      and within half a second again over 0.9 of it.
    - Edge lag: :class:`~livebg.metrics.edge_lag.EdgeLag`.
    """

    def __init__(self) -> None:
        self._flow = FlowEstimator()
        self._lag = EdgeLag()
        self._recent: deque[_Instant] = deque(maxlen=3)
        self._rows: list[tuple[float, float, float]] = []
        self._clips: list[list[tuple[float, float]]] = []
        self.begin()

    def begin(self) -> None:
        """Another clip begins: the next frame follows none."""
        self._recent.clear()
        self._lag.begin()
        self._clips.append([])

    def add(self, picture: NDArray[np.uint8], alpha: Alpha | Alpha8, time: float) -> dict[str, float]:
        """Measure one frame, and return the numbers that it has by itself (NaN where there is none) by the measures' names.

        ``picture`` is uint8, luma (height, width) or RGB (height, width, 3); ``alpha`` is uint8 (0..255) or float32 (0..1), of
        that height and width; ``time`` is in seconds. Raises ValueError when they are not, or when the size changes or time does
        not rise within a clip.
        """
        luma, full = as_luma(picture), as_alpha(alpha)
        if luma.shape != full.shape:
            raise ValueError(f"the picture is {luma.shape}, its alpha {full.shape}")
        clip = self._clips[-1]
        if clip and time <= clip[-1][0]:
            raise ValueError(f"time must rise, got {time} s after {clip[-1][0]} s")
        here = self._instant(luma.astype(np.float32), within(full, _LONGEST_SIDE))
        self._lag.add(here.alpha, here.luma.astype(np.float32))
        row = self._warp_error(here), self._still_change(here), self._flips(here)
        self._recent.append(here)
        self._rows.append(row)
        clip.append((time, float(full.mean(dtype=np.float64))))
        return {measure.name: value for measure, value in zip(MEASURES, row, strict=False)}

    def result(self) -> Score:
        """What has been measured so far."""
        table: Values = np.asarray(self._rows, np.float64).reshape(-1, 3)
        values = {measure.name: table[:, column] for column, measure in enumerate(MEASURES[:3])}
        dropouts = [_dropouts(np.array(clip)) for clip in self._clips if clip]
        values["dropouts"] = np.concatenate(dropouts) if dropouts else np.empty(0)
        return Score(MEASURES, values, clip_block(len(table)), {EDGE_LAG.name: self._lag.summary()})

    def _instant(self, luma: NDArray[np.float32], alpha: Alpha) -> _Instant:
        small = within(luma, _LONGEST_SIDE)
        smooth = np.asarray(cv2.blur(small, (_NOISE_WINDOW, _NOISE_WINDOW)), np.float32)
        if self._recent and self._recent[-1].luma.shape != small.shape:
            raise ValueError(f"the size of a clip's frames must not change, got {small.shape}")
        still = _still(smooth, self._recent[-1].smooth) if self._recent else np.zeros(small.shape, np.bool_)
        return _Instant(alpha.copy(), np.rint(small).astype(np.uint8), smooth, still)

    def _warp_error(self, here: _Instant) -> float:
        if not self._recent:
            return math.nan
        before = self._recent[-1]
        way = self._flow.way(here.luma, before.luma)
        if way.known.mean() < _LEAST_KNOWN:
            return math.nan
        return float(np.abs(here.alpha - way.warped(before.alpha))[way.known].mean(dtype=np.float64)) * 1e3

    def _still_change(self, here: _Instant) -> float:
        if here.still.mean() < _LEAST_STILL:
            return math.nan
        return float(np.abs(here.alpha - self._recent[-1].alpha)[here.still].mean(dtype=np.float64)) * 1e3

    def _flips(self, here: _Instant) -> float:
        if len(self._recent) < 2:
            return math.nan
        first, second = self._recent[-2], self._recent[-1]
        still = here.still & second.still
        if still.mean() < _LEAST_STILL:
            return math.nan
        there, back = second.alpha - first.alpha, here.alpha - second.alpha
        flipped = (np.minimum(np.abs(there), np.abs(back)) > _FLIP) & (np.abs(there + back) < _FLIP)
        return float(flipped[still].mean(dtype=np.float64)) * 1e3


def _still(smooth: NDArray[np.float32], before: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where a picture and the one before are the same but for noise, with some room around."""
    change = cv2.absdiff(smooth, before)
    noise = _MAD_TO_SIGMA * float(np.median(change))
    bound = min(max(_NOISE_SIGMAS * noise, _LEAST_LEVELS), _MOST_LEVELS)
    moved = (np.asarray(change) > bound).astype(np.uint8)
    return np.asarray(cv2.dilate(moved, np.ones((_NEIGHBOURHOOD, _NEIGHBOURHOOD), np.uint8)) == 0, np.bool_)


def _dropouts(clip: Values) -> Values:
    """100 for each frame inside a dropout, else 0, from a clip's times and areas, shape (frames, 2)."""
    times, areas = clip.T
    lost = np.zeros(len(clip))
    frame = 1
    while frame < len(clip):
        before = float(np.median(areas[max(0, frame - _FRAMES_BEFORE) : frame]))
        end = _return(times, areas, frame, before)
        lost[frame:end] = 100.0
        frame = max(end, frame + 1)
    return lost


def _return(times: Values, areas: Values, frame: int, before: float) -> int:
    """The frame in which the area that was lost in ``frame`` is back; ``frame`` itself when none was lost, or for longer."""
    if before < _LEAST_AREA or areas[frame] >= (1 - _LOST) * before:
        return frame
    back = (times > times[frame]) & (times <= times[frame - 1] + _LONGEST_DROPOUT) & (areas > _RETURNED * before)
    return int(back.argmax()) if back.any() else frame
