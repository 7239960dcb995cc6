"""Alphas and pictures as the measures want them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha, Alpha8


def as_alpha(alpha: Alpha | Alpha8) -> Alpha:
    """float32, 0..1, from an alpha of shape (height, width), either uint8 (0..255) or float32 (0..1, returned as it is).

    Raises ValueError for any other shape or type.
    """
    if alpha.ndim != 2 or not alpha.size or alpha.dtype not in (np.uint8, np.float32):
        raise ValueError(f"an alpha is uint8 or float32 of shape (height, width), got {alpha.dtype} {alpha.shape}")
    return np.divide(alpha, np.float32(255), dtype=np.float32) if alpha.dtype == np.uint8 else np.asarray(alpha, np.float32)


def as_luma(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luma, shape (height, width), of a picture that is luma already or RGB, shape (height, width, 3), uint8 either way.

    Raises ValueError for any other shape or type.
    """
    if picture.dtype != np.uint8 or not picture.size or not (picture.ndim == 2 or picture.shape[2:] == (3,)):
        found = f"{picture.dtype} {picture.shape}"
        raise ValueError(f"a picture is uint8, luma (height, width) or RGB (height, width, 3), got {found}")
    return picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def within(plane: NDArray[np.float32], longest_side: int) -> NDArray[np.float32]:
    """A float32 plane by area averages, no side longer than ``longest_side`` pixels; as it is where none was."""
    height, width = plane.shape
    scale = longest_side / max(height, width)
    if scale >= 1:
        return plane
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)
