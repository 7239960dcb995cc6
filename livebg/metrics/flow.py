"""Optical flow to the previous frame, with a forward-backward consistency check."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

_RELATIVE_TOLERANCE: Final = 0.01
_ABSOLUTE_TOLERANCE: Final = 0.5
_MIN_SIDE: Final = 96
_MIN_ASPECT: Final = 0.5
"""OpenCV derives the coarsest level from the width alone and crashes the process if a picture has too few rows for it."""


@dataclass(frozen=True, slots=True, eq=False)
class BackwardFlow:
    """The flow from a frame back to the previous one.

    ``columns`` and ``rows``, float32 (height, width), are the coordinates of each pixel in the previous frame; ``known``, bool,
    is where forward and backward flow agree.
    """

    columns: Plane
    rows: Plane
    known: NDArray[np.bool_]

    def warp(self, plane: Plane) -> Plane:
        """Warp a float32 plane of the previous frame to this one."""
        warped = cv2.remap(plane, self.columns, self.rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(warped, np.float32)


class BackwardFlowEstimator:
    """Dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016), in both directions.

    The flow w of a pixel is known if it points inside the picture and ``|w + v|² <= 0.01 (|w|² + |v|²) + 0.5``, where v is the
    opposite flow at its target (Sundaram et al., "Dense Point Trajectories by GPU-Accelerated Large Displacement Optical Flow",
    ECCV 2010; also used by Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018).
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def estimate(self, luma: NDArray[np.uint8], before: NDArray[np.uint8]) -> BackwardFlow:
        """Estimate the flow from ``luma`` to ``before``, uint8 of one shape (height, width)."""
        height, width = luma.shape
        wide, high = max(_MIN_SIDE - width, 0), max(_MIN_SIDE - height, math.ceil(_MIN_ASPECT * width) - height, 0)
        here, there = (cv2.copyMakeBorder(each, 0, high, 0, wide, cv2.BORDER_REPLICATE) for each in (luma, before))
        back, forth = (self._calc(*pair)[:height, :width] for pair in ((here, there), (there, here)))
        columns = np.asarray(back[..., 0] + np.arange(width, dtype=np.float32), np.float32)
        rows = np.asarray(back[..., 1] + np.arange(height, dtype=np.float32)[:, None], np.float32)
        returned = np.asarray(cv2.remap(forth, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
        gap = np.square(back + returned).sum(axis=2)
        bound = _RELATIVE_TOLERANCE * (np.square(back).sum(axis=2) + np.square(returned).sum(axis=2)) + _ABSOLUTE_TOLERANCE
        inside = (columns >= 0) & (columns <= width - 1) & (rows >= 0) & (rows <= height - 1)
        return BackwardFlow(columns, rows, (gap <= bound) & inside)

    def _calc(self, luma: cv2.typing.MatLike, other: cv2.typing.MatLike) -> Plane:
        # The third argument is the initial flow.
        return np.asarray(self._flow.calc(luma, other, np.zeros((*luma.shape, 2), np.float32)), np.float32)
