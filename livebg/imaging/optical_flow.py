"""Moving an alpha along with the picture: to steady the next one, and for the frames that no mask was made of."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha
from livebg.imaging.pyramid import resized

_PIXELS: Final = 256 * 144
"""Of the picture that the motion is estimated on."""

_WIDEST: Final = 1.9
_NARROWEST: Final = 0.5
"""OpenCV's coarsest level follows from the width alone, and a picture with too few rows for it crashes the process."""

_FINEST_SCALE: Final = 1
_PATCH_STRIDE: Final = 6
_STEPS: Final = 6
"""Estimated at half of the size and enlarged. The preset's own quarter costs half of that and leaves a fifth more error where
somebody moves fast; its own stride of 4 costs twice as much and gains a thirtieth. Its 12 steps
of descent gain nothing over 6."""

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

    def at(self, size: tuple[int, int]) -> "Motion":
        """The same way in the pixels of pictures of ``size`` (width, height)."""
        rows, columns = self.flow.shape[:2]
        if size == (columns, rows):
            return self
        flow = cv2.resize(self.flow, size, interpolation=cv2.INTER_LINEAR)
        return Motion(_floats(flow * np.array([size[0] / columns, size[1] / rows], np.float32)))

    def carry(self, alpha: Alpha) -> Alpha:
        """An alpha of the earlier picture, float32 (h, w), as it lies in the later one: a new array."""
        return _moved(alpha, self.at((alpha.shape[1], alpha.shape[0])).flow)

    def carry_picture(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The earlier picture, uint8 (h, w, 3), as it would look from where the later one was taken: a new array."""
        # OpenCV takes half as long for four channels as for three.
        taken = _taken(cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA), _places(self.at((picture.shape[1], picture.shape[0])).flow))
        return np.asarray(cv2.cvtColor(taken, cv2.COLOR_RGBA2RGB), np.uint8)


class AlphaCarrier:
    """Follows the picture from frame to frame by dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse
    Search", ECCV 2016) on a small luma. One carrier serves one thread."""

    def __init__(self) -> None:
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._search.setFinestScale(_FINEST_SCALE)
        self._search.setPatchStride(_PATCH_STRIDE)
        self._search.setGradientDescentIterations(_STEPS)
        self._shape: tuple[int, ...] = ()
        self._small: NDArray[np.uint8] | None = None

    def follow(self, luma: NDArray[np.uint8]) -> Motion | None:
        """What has moved since the frame before; ``luma`` is uint8 (height, width), at the frame's size.

        None where there is no frame before, or it had another size: nothing can be carried then.
        """
        pair = self._pair(luma)
        return None if pair is None else self._search_from(*pair)

    def follow_both(self, luma: NDArray[np.uint8]) -> tuple[Motion, Motion] | None:
        """:meth:`follow`, and the way from the frame before to this one, for who looks ahead. Twice the cost."""
        pair = self._pair(luma)
        return None if pair is None else (self._search_from(*pair), self._search_from(*pair[::-1]))

    def _pair(self, luma: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
        """This frame and the one before, small; this one is from now on the one before."""
        before = self._small if luma.shape == self._shape else None
        self._shape = luma.shape
        self._small = small = resized(luma, self.size(luma.shape[1], luma.shape[0]))
        return None if before is None else (small, before)

    def _search_from(self, small: NDArray[np.uint8], other: NDArray[np.uint8]) -> Motion:
        # What is handed in is where the search begins.
        return Motion(_floats(self._search.calc(small, other, np.zeros((*small.shape, 2), np.float32))))

    def see(self, luma: NDArray[np.uint8]) -> None:
        """Follow from this frame on, where the way to it is known: costs next to nothing."""
        self._pair(luma)

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
    return _floats(_taken(plane, _places(flow)))


def _places(flow: Flow) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The columns and the rows that ``flow`` points to."""
    height, width = flow.shape[:2]
    rows = np.arange(height, dtype=np.float32)[:, None]
    return _floats(flow[..., 0] + np.arange(width, dtype=np.float32)), _floats(flow[..., 1] + rows)


def _taken(picture: cv2.typing.MatLike, places: tuple[NDArray[np.float32], NDArray[np.float32]]) -> cv2.typing.MatLike:
    return cv2.remap(picture, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _floats(values: object) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)
