"""Bringing a background to the frame's size: filling it, or whole with its own blur around it."""

from fractions import Fraction
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Frame, planes
from livebg.imaging.geometry import Geometry

Fit = Literal["fill", "fit"]
"""``fill`` covers the frame and crops what is over; ``fit`` shows all of the picture, with its own blur, darkened, around it."""

_CALM: Final = 24
"""Pixels across of the picture that is blown up to surround a whole one."""

_DIM: Final = 0.6
"""What is left of its luma there."""


def placed(picture: Frame, size: tuple[int, int], fit: Fit, aspect: Fraction = Fraction(1)) -> NDArray[np.uint8]:
    """``picture`` at ``size`` (width, height), both even: I420 in the picture's colour. ``aspect`` is the width of a pixel of the
    picture over its height."""
    filled = Geometry(size, sample_aspect_ratio=aspect).apply(picture).data
    inner = _inside(picture, size, aspect)
    if fit == "fill" or inner == size:
        return filled
    data = filled.copy()
    black = 0 if picture.color.full_range else 16
    whole = Geometry(inner, sample_aspect_ratio=aspect).apply(picture)
    left, top = ((size[axis] - inner[axis]) // 4 * 2 for axis in (0, 1))
    for number, (plane, part) in enumerate(zip(planes(data), whole.planes, strict=True)):
        few = (_CALM, max(_CALM * plane.shape[0] // plane.shape[1], 1))
        calm = cv2.resize(cv2.resize(plane, few, interpolation=cv2.INTER_AREA), plane.shape[::-1], interpolation=cv2.INTER_CUBIC)
        plane[:] = calm if number else cv2.addWeighted(calm, _DIM, calm, 0, black * (1 - _DIM))
        step = 2 if number else 1
        plane[top // step : top // step + part.shape[0], left // step : left // step + part.shape[1]] = part
    return data


def _inside(picture: Frame, size: tuple[int, int], aspect: Fraction) -> tuple[int, int]:
    """The largest even size (width, height) of the picture's shape that goes into ``size``."""
    shape = Fraction(picture.width, picture.height) * aspect
    width, height = min(Fraction(size[0]), size[1] * shape), min(Fraction(size[1]), size[0] / shape)
    return max(2 * round(width / 2), 2), max(2 * round(height / 2), 2)
