"""Where each pixel was one frame ago, and whether that can be believed."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

_SHARE: Final = 0.01
_PIXELS: Final = 0.5
_LEAST_SIDE: Final = 96
_LEAST_ASPECT: Final = 0.5
"""OpenCV's coarsest level follows from the width alone, and a picture with too few rows for it crashes the process."""


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """From a frame back to the one before.

    ``columns`` and ``rows``, float32 (height, width), say where in the frame before each pixel was; ``known``, bool, where
    the way there and the way back agree.
    """

    columns: Plane
    rows: Plane
    known: NDArray[np.bool_]

    def warped(self, plane: Plane) -> Plane:
        """A plane of the frame before, float32, as it would look now."""
        warped = cv2.remap(plane, self.columns, self.rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(warped, np.float32)


class FlowEstimator:
    """Dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016), both ways.

    A pixel is known where it was in the picture and ``|w + v|² <= 0.01 (|w|² + |v|²) + 0.5``, w being the flow there and v the
    flow back from where it leads (Sundaram et al., "Dense Point Trajectories by GPU-Accelerated Large Displacement Optical
    Flow", ECCV 2010; so do Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018).
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def way(self, luma: NDArray[np.uint8], before: NDArray[np.uint8]) -> Way:
        """From ``luma`` to ``before``, uint8 of one shape (height, width)."""
        height, width = luma.shape
        wide, high = max(_LEAST_SIDE - width, 0), max(_LEAST_SIDE - height, math.ceil(_LEAST_ASPECT * width) - height, 0)
        here, there = (cv2.copyMakeBorder(each, 0, high, 0, wide, cv2.BORDER_REPLICATE) for each in (luma, before))
        back, forth = (self._calc(*pair)[:height, :width] for pair in ((here, there), (there, here)))
        columns = np.asarray(back[..., 0] + np.arange(width, dtype=np.float32), np.float32)
        rows = np.asarray(back[..., 1] + np.arange(height, dtype=np.float32)[:, None], np.float32)
        returned = np.asarray(cv2.remap(forth, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
        gap = np.square(back + returned).sum(axis=2)
        bound = _SHARE * (np.square(back).sum(axis=2) + np.square(returned).sum(axis=2)) + _PIXELS
        inside = (columns >= 0) & (columns <= width - 1) & (rows >= 0) & (rows <= height - 1)
        return Way(columns, rows, (gap <= bound) & inside)

    def _calc(self, luma: cv2.typing.MatLike, other: cv2.typing.MatLike) -> Plane:
        # What is handed in is where the search begins.
        return np.asarray(self._flow.calc(luma, other, np.zeros((*luma.shape, 2), np.float32)), np.float32)
