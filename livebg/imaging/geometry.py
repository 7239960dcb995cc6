"""Rotates, mirrors, crops and scales the camera's I420 pictures to the output size, plane by plane."""

import math
from fractions import Fraction
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import ColorSpec, Frame, empty_i420, planes
from livebg.imaging.pyramid import halve

ROTATIONS: Final = (0, 90, 180, 270)
"""Degrees clockwise."""


class _Turn(NamedTuple):
    """Rotation and mirroring combined: an optional transposition, then ``cv2.flip`` with this code; None = no flip."""

    transposed: bool
    flip: int | None


_TURNS: Final = {
    (0, False): _Turn(False, None),
    (90, False): _Turn(True, 1),
    (180, False): _Turn(False, -1),
    (270, False): _Turn(True, 0),
    (0, True): _Turn(False, 1),
    (90, True): _Turn(True, None),
    (180, True): _Turn(False, 0),
    (270, True): _Turn(True, -1),
}


class Geometry:
    """Converts frames to the size ``output``, (width, height) in pixels, both even.

    A frame is rotated by ``rotate`` degrees clockwise, mirrored left to right, cropped around its center to the output's aspect
    ratio and scaled; smaller frames are enlarged. ``sample_aspect_ratio`` describes the input frames, width of a pixel divided by
    its height; output pixels are square. Raises ValueError for an odd size or another rotation.
    """

    def __init__(
        self, output: tuple[int, int], mirror: bool = False, rotate: int = 0, sample_aspect_ratio: Fraction = Fraction(1)
    ) -> None:
        if rotate not in ROTATIONS:
            raise ValueError(f"Pictures are rotated by {ROTATIONS} degrees, got {rotate}.")
        if min(output) < 2 or output[0] % 2 or output[1] % 2:
            raise ValueError(f"The output needs an even width and height of at least 2, got {output[0]}x{output[1]}.")
        self._output = output
        self._turn = _TURNS[rotate, mirror]
        # Size and aspect in stored orientation, before a quarter turn swaps the sides.
        self._stored = output[::-1] if self._turn.transposed else output
        self._aspect = Fraction(*self._stored) / sample_aspect_ratio

    def apply(self, frame: Frame) -> Frame:
        """Returns the transformed frame with the same time; the same object if nothing changes."""
        if self._turn == (False, None) and (frame.width, frame.height) == self._output:
            return frame
        crop = self._crop(frame.width, frame.height)
        width, height = self._output
        data = empty_i420(width, height)
        for number, (plane, out) in enumerate(zip(frame.planes, planes(data), strict=True)):
            self._place(plane, crop, 2 if number else 1, out)
        return Frame(data, frame.pts, frame.time_base, self._color(frame.color, frame.height))

    def _crop(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Returns left, top, width and height of the visible part, all even, so that chroma planes are cropped at the same
        place."""
        wide = min(width, _round_to_even(height * self._aspect))
        high = min(height, _round_to_even(width / self._aspect))
        return _floor_to_even((width - wide) // 2), _floor_to_even((height - high) // 2), wide, high

    def _place(self, plane: NDArray[np.uint8], crop: tuple[int, int, int, int], step: int, out: NDArray[np.uint8]) -> None:
        left, top, width, height = (edge // step for edge in crop)
        size = (self._stored[0] // step, self._stored[1] // step)
        picture = _scale(plane[top : top + height, left : left + width], size)
        if self._turn.transposed:
            picture = np.asarray(cv2.transpose(picture), np.uint8)
        if self._turn.flip is None:
            np.copyto(out, picture)
        else:
            cv2.flip(picture, self._turn.flip, dst=out)

    def _color(self, color: ColorSpec, height: int) -> ColorSpec:
        """Returns the same color, with an explicit matrix if the new height would make readers assume another one."""
        return color if (height >= 720) == (self._output[1] >= 720) else color.with_default_matrix(height)


def _scale(plane: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Scale a plane to ``size``: halve it as often as possible, then interpolate. Area averaging costs four times as much
    here."""
    height, width = plane.shape
    if (width, height) == size:
        return plane
    shrink = min(width / size[0], height / size[1])
    halved_plane = halve(plane, int(math.log2(shrink))) if shrink >= 2 else plane
    return np.asarray(cv2.resize(halved_plane, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _floor_to_even(number: int) -> int:
    return number - number % 2


def _round_to_even(number: Fraction) -> int:
    return max(2, 2 * round(number / 2))
