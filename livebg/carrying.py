"""Moving an alpha along with the picture, for the frames that no mask was made of."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.frame import Alpha, resized

_PIXELS: Final = 256 * 144
"""Of the picture that the motion is estimated on."""

_WIDEST: Final = 1.9
_NARROWEST: Final = 0.5
"""OpenCV's coarsest level follows from the width alone, and a picture with too few rows for it crashes the process."""

_FINEST_SCALE: Final = 1
_PATCH_STRIDE: Final = 6
"""Estimated at half of the size and enlarged. The preset's own quarter costs half of that and leaves a fifth more error where
somebody moves fast; its own stride of 4 costs twice as much and gains a thirtieth."""

Flow = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """The way back from a picture to an earlier one.

    ``flow``, float32 (height, width, 2), says in pixels of its own grid how far to the right and down of each pixel it was then.
    Where something comes into sight that was hidden, there is no such place; what the estimate says there is kept all the same,
    since both staying where it was and mixing the two turned out worse, with and without a check of the way there and back.
    """

    flow: Flow

    @classmethod
    def none(cls, size: tuple[int, int]) -> "Motion":
        """From a picture to itself; ``size`` is (width, height)."""
        return cls(np.zeros((size[1], size[0], 2), np.float32))

    def then(self, step: "Motion") -> "Motion":
        """The way to the same earlier picture from one that is ``step`` later.

        Frame by frame the way is short and surely found; over several frames at once it is lost where something is fast.
        """
        return Motion(step.flow + _moved(self.flow, step.flow))

    def carry(self, alpha: Alpha) -> Alpha:
        """An alpha of the earlier picture, float32 (h, w), as it lies in the later one: a new array."""
        height, width = alpha.shape
        rows, columns = self.flow.shape[:2]
        flow = self.flow
        if (height, width) != (rows, columns):
            flow = _floats(cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR))
            flow = _floats(flow * np.array([width / columns, height / rows], np.float32))
        return _moved(alpha, flow)


class AlphaCarrier:
    """Follows the picture from frame to frame by dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse
    Search", ECCV 2016) on a small luma. One carrier serves one thread."""

    def __init__(self) -> None:
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._search.setFinestScale(_FINEST_SCALE)
        self._search.setPatchStride(_PATCH_STRIDE)
        self._shape: tuple[int, ...] = ()
        self._small: NDArray[np.uint8] | None = None

    def follow(self, luma: NDArray[np.uint8]) -> Motion | None:
        """What has moved since the frame before; ``luma`` is uint8 (height, width), at the frame's size.

        None where there is no frame before, or it had another size: nothing can be carried then.
        """
        before = self._small if luma.shape == self._shape else None
        self._shape = luma.shape
        self._small = small = resized(luma, self.size(luma.shape[1], luma.shape[0]))
        if before is None:
            return None
        # What is handed in is where the search begins.
        return Motion(_floats(self._search.calc(small, before, np.zeros((*small.shape, 2), np.float32))))

    def reset(self) -> None:
        """Forget the frame before."""
        self._small = None

    @staticmethod
    def size(width: int, height: int) -> tuple[int, int]:
        """The grid (width, height) that frames of the given size are followed on: their aspect, as far as the search allows."""
        root = math.sqrt(min(max(width / height, _NARROWEST), _WIDEST))
        side = math.sqrt(_PIXELS)
        return round(side * root), round(side / root)


def _moved(plane: NDArray[np.float32], flow: Flow) -> NDArray[np.float32]:
    """Each pixel from where ``flow`` points to; beyond the edge it is the edge."""
    height, width = flow.shape[:2]
    columns = flow[..., 0] + np.arange(width, dtype=np.float32)
    rows = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return _floats(cv2.remap(plane, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _floats(values: object) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)
