"""Fits a background to the frame's size: cropped to fill it, or whole on top of its own blur."""

from fractions import Fraction
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.compositing.room_tone import RoomTone
from livebg.imaging.frame import Frame, planes
from livebg.imaging.geometry import Geometry

Fit = Literal["fill", "fit"]
"""``fill`` covers the frame and crops the rest; ``fit`` shows the whole picture, surrounded by its own darkened blur."""

_BLUR_COLUMNS: Final = 24
"""Width in pixels of the picture that is enlarged to surround the whole one."""

_TONE: Final = RoomTone(dim=0.4)
"""Its darkening, which keeps its hue and saturation."""


def fit_to_size(picture: Frame, size: tuple[int, int], fit: Fit, aspect: Fraction = Fraction(1)) -> NDArray[np.uint8]:
    """Return ``picture`` at ``size`` (width, height), both even: I420 in the picture's color. ``aspect`` is the width of a pixel
    of the picture divided by its height."""
    filled = Geometry(size, sample_aspect_ratio=aspect).apply(picture).data
    inner = _inner_size(picture, size, aspect)
    if fit == "fill" or inner == size:
        return filled
    data = filled.copy()
    whole = Geometry(inner, sample_aspect_ratio=aspect).apply(picture)
    left, top = ((size[axis] - inner[axis]) // 4 * 2 for axis in (0, 1))
    each = zip(planes(data), whole.planes, _TONE.scales(picture.color), strict=True)
    for number, (plane, part, (factor, offset)) in enumerate(each):
        small = (_BLUR_COLUMNS, max(_BLUR_COLUMNS * plane.shape[0] // plane.shape[1], 1))
        blurred = cv2.resize(
            cv2.resize(plane, small, interpolation=cv2.INTER_AREA), plane.shape[::-1], interpolation=cv2.INTER_CUBIC
        )
        cv2.convertScaleAbs(blurred, dst=plane, alpha=factor, beta=offset)
        step = 2 if number else 1
        plane[top // step : top // step + part.shape[0], left // step : left // step + part.shape[1]] = part
    return data


def _inner_size(picture: Frame, size: tuple[int, int], aspect: Fraction) -> tuple[int, int]:
    """Return the largest even size (width, height) with the picture's aspect ratio that fits into ``size``."""
    shape = Fraction(picture.width, picture.height) * aspect
    width, height = min(Fraction(size[0]), size[1] * shape), min(Fraction(size[1]), size[0] / shape)
    return max(2 * round(width / 2), 2), max(2 * round(height / 2), 2)
