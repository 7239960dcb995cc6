"""Converts alphas and pictures to the formats that the metrics need."""

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha, Alpha8


def as_alpha(alpha: Alpha | Alpha8) -> Alpha:
    """Returns float32, 0..1, from an alpha of shape (height, width), either uint8 (0..255) or float32 (0..1, returned unchanged).

    Raises ValueError for any other shape or dtype.
    """
    if alpha.ndim != 2 or not alpha.size or alpha.dtype not in (np.uint8, np.float32):
        raise ValueError(f"An alpha must be uint8 or float32 of shape (height, width), got {alpha.dtype} {alpha.shape}.")
    return np.divide(alpha, np.float32(255), dtype=np.float32) if alpha.dtype == np.uint8 else np.asarray(alpha, np.float32)


def as_luma(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns luma, shape (height, width), of a picture that is luma or RGB, shape (height, width, 3), both uint8.

    Raises ValueError for any other shape or dtype.
    """
    if picture.dtype != np.uint8 or not picture.size or not (picture.ndim == 2 or picture.shape[2:] == (3,)):
        found = f"{picture.dtype} {picture.shape}"
        raise ValueError(f"A picture must be uint8, luma (height, width) or RGB (height, width, 3), got {found}.")
    return picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def within(plane: NDArray[np.float32], longest_side: int) -> NDArray[np.float32]:
    """Shrink a float32 plane by area averages until no side is longer than ``longest_side`` pixels; smaller planes are returned
    unchanged."""
    height, width = plane.shape
    scale = longest_side / max(height, width)
    if scale >= 1:
        return plane
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)
