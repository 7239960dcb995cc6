"""Rotates, mirrors, crops and scales the camera's I420 pictures to the output size, plane by plane."""

import math
from dataclasses import replace
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

    def apply(self, frame: Frame, oversampling: float = 1.0) -> Frame:
        """Return the transformed frame with the same time; the same object if nothing changes.

        With ``oversampling`` above 1 a frame with more pixels than the output keeps them: the result has up to that many times
        the output's width and height, but is never enlarged.
        """
        crop = self._crop(frame.width, frame.height)
        stored = self._stored_size(crop, oversampling)
        width, height = stored[::-1] if self._turn.transposed else stored
        color = self._color(frame.color, frame.height, height)
        if self._turn == (False, None) and (frame.width, frame.height) == (width, height):
            return frame if color == frame.color else replace(frame, color=color)
        data = empty_i420(width, height)
        for number, (plane, out) in enumerate(zip(frame.planes, planes(data), strict=True)):
            step = 2 if number else 1
            left, top, wide, high = (edge // step for edge in crop)
            part = _scale(plane[top : top + high, left : left + wide], (stored[0] // step, stored[1] // step))
            self._place(part, out)
        return Frame(data, frame.pts, frame.time_base, color)

    def _crop(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return left, top, width and height of the visible part, all even, so that chroma planes are cropped at the same
        place."""
        wide = min(width, _round_to_even(height * self._aspect))
        high = min(height, _round_to_even(width / self._aspect))
        return _floor_to_even((width - wide) // 2), _floor_to_even((height - high) // 2), wide, high

    def _stored_size(self, crop: tuple[int, int, int, int], oversampling: float) -> tuple[int, int]:
        """Return width and height of the result before a quarter turn."""
        width, height = self._stored
        scale = min(oversampling, crop[2] / width, crop[3] / height)
        return (_round_to_even(width * scale), _round_to_even(height * scale)) if scale > 1 else self._stored

    def _place(self, picture: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        if self._turn.transposed:
            picture = np.asarray(cv2.transpose(picture), np.uint8)
        if self._turn.flip is None:
            np.copyto(out, picture)
        else:
            cv2.flip(picture, self._turn.flip, dst=out)

    def _color(self, color: ColorSpec, before: int, after: int) -> ColorSpec:
        """Return the same color, with an explicit matrix if a new height, also the output's, would make readers assume another
        one."""
        same = (before >= 720) == (after >= 720) == (self._output[1] >= 720)
        return color if same else color.with_default_matrix(before)


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


def _round_to_even(number: Fraction | float) -> int:
    return max(2, 2 * round(number / 2))
