"""Maps photos into frames: whole, zoomed out over their own extension, or cropped around a person; sometimes bulged."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.lab.training.augmentation import Alpha, Random, outline_points
from livebg.lab.training.pixel_store import Picture, Size
from livebg.synthetic import Box

ATTEMPTS: Final = 3
"""How often a crop is drawn until people fill it well."""
_MIN_PERSON, _MAX_PERSON = 0.03, 0.93
"""Shares of the frame."""
_MAX_ZOOM_IN, _MAX_ZOOM_OUT = 2.0, 2.4
_BULGE_RADII: Final = 0.12, 0.45
"""Range relative to the frame's height."""
_BULGE_DEPTH: Final = 0.7
"""Twice the distance of its center from the outline, relative to its radius."""
_BULGE_STRENGTHS: Final = 0.3, 0.65
"""The center is enlarged by 1 / (1 - strength)."""
_OPAQUE: Final = 63
_MIN_SIDE: Final = 0.2
"""Share of the photo's width beside the people, from which a background for other people can be cropped."""
_MAX_CUT: Final = 0.02
"""Share of the row with alpha above ``_OPAQUE``."""


def is_well_filled(alpha: Alpha) -> bool:
    """Return whether people cover neither nearly nothing nor nearly everything of the frame."""
    return bool(_MIN_PERSON < alpha.mean() / 255 < _MAX_PERSON)


def warp(rgba: Picture, matrix: NDArray[np.float64], size: Size) -> Picture:
    """Warp the picture into the frame, reflected beyond its borders. Blurs before shrinking to avoid aliasing."""
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    source = cv2.GaussianBlur(rgba, (0, 0), 0.45 / shrink) if shrink < 0.75 else rgba
    return np.asarray(cv2.warpAffine(source, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), np.uint8)


def whole_map(draw: Random, shape: tuple[int, ...], size: Size) -> NDArray[np.float64]:
    """Return the map that squeezes the whole photo, or nearly, into the frame."""
    left, top, right, bottom = (draw.random(4) ** 2) * 0.12 * draw.choice((0, 1))
    scale_x, scale_y = size[0] / (shape[1] * (1 - left - right)), size[1] / (shape[0] * (1 - top - bottom))
    return np.array([[scale_x, 0, -left * shape[1] * scale_x], [0, scale_y, -top * shape[0] * scale_y]])


def is_cut_at_top(rgba: Picture) -> bool:
    """Return whether the top edge of the photo cuts off a person."""
    return _is_cut(rgba[0])


def is_cut_at_bottom(rgba: Picture) -> bool:
    """Return whether the lower edge of the photo cuts off a person."""
    return _is_cut(rgba[-1])


def _is_cut(row: Picture) -> bool:
    return bool((row[:, 3] > _OPAQUE).mean() > _MAX_CUT)


def empty_side(rgba: Picture, box: Box) -> Picture | None:
    """Return the wider part of the photo left or right of the people, which are inside ``box``; None if both are narrow."""
    width = rgba.shape[1]
    left, right = int(box[0]), int(box[2])
    side = rgba[..., :3][:, : max(left, 0)] if left > width - right else rgba[..., :3][:, right:]
    return side if side.shape[1] >= _MIN_SIDE * width else None


def extend_top(rgba: Picture) -> Picture:
    """Extend the photo upward by repeating its top row, because a reflection would show people upside down.

    If people reach the top row, stripes of the color of their hair would be labeled as people.
    """
    return np.asarray(cv2.copyMakeBorder(rgba, 2 * rgba.shape[0], 0, 0, 0, cv2.BORDER_REPLICATE), np.uint8)


def zoomed_out_map(draw: Random, shape: tuple[int, ...], stretch: float, size: Size) -> NDArray[np.float64]:
    """Return the map that places an extended photo, smaller than the frame, at the lower edge."""
    fit = min(size[0] / (shape[1] * stretch), 3 * size[1] / shape[0])
    scale = fit / float(np.exp(draw.uniform(0, np.log(_MAX_ZOOM_OUT))))
    left = draw.uniform(0, max(size[0] - shape[1] * scale * stretch, 0))
    top = size[1] * draw.uniform(1, 1.1) - shape[0] * scale
    return np.array([[scale * stretch, 0, left], [0, scale, top]])


def crop_map(draw: Random, shape: tuple[int, ...], box: Box, stretch: float, size: Size) -> NDArray[np.float64]:
    """Return the map that crops the photo to the frame's shape, including part of the person."""
    cover = max(size[0] / (shape[1] * stretch), size[1] / shape[0])
    scale = cover * float(np.exp(draw.uniform(-0.1, np.log(_MAX_ZOOM_IN))))
    scale_x, scale_y = scale * stretch, scale
    across, down = size[0] / scale_x, size[1] / scale_y
    left, top, right, bottom = box
    middle_x = draw.uniform(left, right)
    middle_y = top + draw.uniform(0.1, 0.7) * min(bottom - top, 1.2 * down)
    x = float(np.clip(middle_x - across / 2, 0, max(shape[1] - across, 0)))
    y = float(np.clip(middle_y - down / 2, 0, max(shape[0] - down, 0)))
    return np.array([[scale_x, 0, -x * scale_x], [0, scale_y, -y * scale_y]])


def rotate_map(matrix: NDArray[np.float64], degrees: float, size: Size) -> NDArray[np.float64]:
    """Return the map followed by a rotation about the frame's center."""
    turn = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), degrees, 1)
    return np.asarray(turn @ np.vstack((matrix, (0, 0, 1))))


def part(draw: Random, alpha: Alpha, size: Size) -> tuple[slice, slice]:
    """Return the rows and columns of a part of the frame, with an edge of a person if one is found soon."""
    for _ in range(ATTEMPTS):
        left, top = (int(draw.integers(0, whole - side + 1)) for whole, side in zip(alpha.shape[::-1], size, strict=True))
        window = slice(top, top + size[1]), slice(left, left + size[0])
        if is_well_filled(alpha[window]):
            break
    return window


def bulge(rgba: Picture, draw: Random) -> Picture:
    """Enlarge the picture around a place near the people's outline, more often high up: big hair, buns, hats and hoods.

    What is behind a head is not its hair; the color and shape of an object alone would make it a part of the background.
    """
    radius = rgba.shape[0] * draw.uniform(*_BULGE_RADII)
    inside = np.asarray(cv2.erode(rgba[..., 3], np.ones((int(_BULGE_DEPTH * radius),) * 2, np.uint8)), np.uint8)
    points = outline_points(inside).astype(np.float32)
    if not len(points):
        return rgba
    center_y, center_x = points[min(draw.integers(len(points), size=2))]  # the higher one of two
    y, x = np.indices(rgba.shape[:2], np.float32)
    distance = ((x - center_x) ** 2 + (y - center_y) ** 2) / np.float32(radius**2)
    pull = 1 - np.float32(draw.uniform(*_BULGE_STRENGTHS)) * np.maximum(1 - distance, 0) ** 2
    return np.asarray(cv2.remap(rgba, center_x + (x - center_x) * pull, center_y + (y - center_y) * pull, cv2.INTER_LINEAR))
