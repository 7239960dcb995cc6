"""Motion compensation: warps an alpha along with the picture by dense optical flow."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha
from livebg.imaging.pyramid import Pyramid

_GRID_PIXELS: Final = 256 * 144
"""Size of the grid on which the motion is estimated."""

_MAX_ASPECT: Final = 1.9
_MIN_ASPECT: Final = 0.5
"""OpenCV derives the coarsest level from the width alone and crashes the process if a picture has too few rows for it."""

_FINEST_SCALE: Final = 1
_PATCH_STRIDE: Final = 6
_DESCENT_ITERATIONS: Final = 6
"""Half resolution. The preset's quarter resolution halves the cost but increases the error on fast motion by 20 %. The preset's
stride of 4 doubles the cost and reduces the error by 3 %; its 12 descent iterations are no better than 6."""

_ERROR_CELL: Final = 8
_MAX_ERROR: Final = 12.0
"""Error of the flow, in levels, up to which a warped mask is as good as a new one. On clips with truth, reusing masks up to here
raises MAD and dtSSD by at most 0.5 % in any motion. The difference between the pictures without the flow is a worse criterion: at
the same quality it saves a quarter as many masks."""

Flow = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FlowField:
    """The backward flow from a picture to an earlier one.

    ``flow``, float32 (height, width, 2), is in pixels of its own grid: how far to the right and down of each pixel its content
    was in the earlier picture. Newly visible areas have no such place; the estimate there is kept, since leaving the alpha in
    place or blending the two measured worse, with and without a forward-backward check.

    ``error`` is by how much the picture differs from the earlier one moved along the flow: the largest mean absolute difference
    within a cell of 8x8 pixels of the grid, in levels of 255.
    """

    flow: Flow
    error: float = 0.0

    @property
    def explains(self) -> bool:
        """Whether the later picture is the earlier one moved along the flow, so that a warped mask is as good as a new one."""
        return self.error <= _MAX_ERROR

    @classmethod
    def zero(cls, size: tuple[int, int]) -> "FlowField":
        """Return zero flow; ``size`` is (width, height)."""
        return cls(np.zeros((size[1], size[0], 2), np.float32))

    def compose(self, step: "FlowField") -> "FlowField":
        """Compose with ``step``, the flow from a later picture to this one. Returns the flow from the later picture to the same
        earlier one.

        The flow between neighboring frames is small and reliable; estimated over several frames at once it fails on fast motion.
        """
        return FlowField(step.flow + _warp(self.flow, step.flow), max(self.error, step.error))

    def inverse(self) -> "FlowField":
        """Return the flow in the other direction, from the earlier picture to the later one.

        This is the first step of the fixed-point iteration of Chen et al., "A simple fixed-point approach to invert a deformation
        field", Medical Physics 2008; the second changes little. It costs a quarter of estimating that flow, and mattes come
        closer to the truth, since the two directions agree.
        """
        return FlowField(-_warp(self.flow, -self.flow), self.error)

    def resized(self, size: tuple[int, int]) -> "FlowField":
        """Return the same flow for pictures of ``size`` (width, height), in their pixels."""
        rows, columns = self.flow.shape[:2]
        if size == (columns, rows):
            return self
        flow = cv2.resize(self.flow, size, interpolation=cv2.INTER_LINEAR)
        return FlowField(_as_float32(flow * np.array([size[0] / columns, size[1] / rows], np.float32)), self.error)

    def warp(self, alpha: Alpha) -> Alpha:
        """Warp an alpha of the earlier picture, float32 (h, w), to the later one. Returns a new array."""
        return self.sampling(alpha.shape).warp(alpha)

    def sampling(self, shape: tuple[int, ...]) -> "Sampling":
        """Return where pictures of ``shape`` (height, width, ...) are sampled, to warp several of them."""
        return Sampling(_coordinates(self.resized((shape[1], shape[0])).flow))


@dataclass(frozen=True, slots=True, eq=False)
class Sampling:
    """The column and row at which each pixel of a later picture is sampled in an earlier one, float32 (height, width, 2)."""

    places: NDArray[np.float32]

    def warp(self, alpha: Alpha) -> Alpha:
        """Warp an alpha of the earlier picture, float32 (height, width), to the later one. Returns a new array."""
        return _as_float32(_remap(alpha, self.places))

    def warp_image(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Warp the earlier picture, uint8 (height, width, 3), to the later one. Returns a new array."""
        # OpenCV needs half as long for four channels as for three.
        warped = _remap(cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA), self.places)
        return np.asarray(cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB), np.uint8)


class FlowEstimator:
    """Estimates the motion from frame to frame by dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse
    Search", ECCV 2016) on a downscaled luma plane. Not thread-safe."""

    def __init__(self) -> None:
        self._estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._estimator.setFinestScale(_FINEST_SCALE)
        self._estimator.setPatchStride(_PATCH_STRIDE)
        self._estimator.setGradientDescentIterations(_DESCENT_ITERATIONS)
        self._shape: tuple[int, ...] = ()
        self._small: NDArray[np.uint8] | None = None

    def update(self, luma: Pyramid) -> FlowField | None:
        """Return the backward flow to the previous frame; ``luma`` has the frame's size.

        Returns None if there is no previous frame or it has another size.
        """
        pair = self._pair(luma)
        return None if pair is None else self._estimate(*pair)

    def update_forward(self, luma: Pyramid) -> FlowField | None:
        """Return the flow from the previous frame to this one, in place of that back to it."""
        pair = self._pair(luma)
        return None if pair is None else self._estimate(*pair[::-1])

    def _pair(self, luma: Pyramid) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
        """Return this frame and the previous one, downscaled, and store this one as the previous."""
        previous = self._small if luma.shape == self._shape else None
        self._shape = luma.shape
        self._small = small = luma.at(self.size(luma.shape[1], luma.shape[0]))
        return None if previous is None else (small, previous)

    def _estimate(self, small: NDArray[np.uint8], other: NDArray[np.uint8]) -> FlowField:
        # The third argument is the initial flow.
        flow = _as_float32(self._estimator.calc(small, other, np.zeros((*small.shape, 2), np.float32)))
        difference = cv2.absdiff(small, _remap(other, _coordinates(flow)))
        cells = [max(side // _ERROR_CELL, 1) for side in small.shape[::-1]]
        return FlowField(flow, float(cv2.resize(difference, cells, interpolation=cv2.INTER_AREA).max()))

    def set_reference(self, luma: Pyramid) -> None:
        """Set the reference frame without estimating motion, if the flow to it is known. Costs next to nothing."""
        self._pair(luma)

    def reset(self) -> None:
        """Clear the reference frame."""
        self._small = None

    @staticmethod
    def size(width: int, height: int) -> tuple[int, int]:
        """Return the grid size (width, height) for frames of the given size: their aspect ratio within the limits of the
        search."""
        root = math.sqrt(min(max(width / height, _MIN_ASPECT), _MAX_ASPECT))
        side = math.sqrt(_GRID_PIXELS)
        return round(side * root), round(side / root)


def _warp(plane: NDArray[np.float32], flow: Flow) -> NDArray[np.float32]:
    """Sample each pixel at the place to which ``flow`` points; the border is replicated."""
    return _as_float32(_remap(plane, _coordinates(flow)))


def _coordinates(flow: Flow) -> NDArray[np.float32]:
    """Return the column and row coordinates to which ``flow`` points, (height, width, 2)."""
    return _as_float32(flow + _grid(flow.shape[0], flow.shape[1]))


@lru_cache(maxsize=4)
def _grid(height: int, width: int) -> NDArray[np.float32]:
    """Return the column and the row of each pixel, (height, width, 2)."""
    rows, columns = np.indices((height, width), np.float32)
    grid = np.stack([columns, rows], axis=2)
    grid.flags.writeable = False  # shared by all callers
    return grid


def _remap(picture: cv2.typing.MatLike, coordinates: NDArray[np.float32]) -> cv2.typing.MatLike:
    # One map of columns and rows instead of two; the stubs lack None for the other, and an empty array is read out of bounds.
    remapped: cv2.typing.MatLike = cv2.remap(  # type: ignore[call-overload]
        picture, coordinates, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return remapped


def _as_float32(values: object) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)
