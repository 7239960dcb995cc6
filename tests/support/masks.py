"""Masks of what may be visible."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray


def widened(mask: NDArray[np.bool_], share: float) -> NDArray[np.uint8]:
    """1 within ``share`` of the mask's height from a pixel of ``mask``, (height, width), in any direction, else 0."""
    radius = share * mask.shape[0]
    reach = math.floor(radius)
    across = np.arange(-reach, reach + 1)
    disc = (np.hypot(across[:, None], across) <= radius).astype(np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc), np.uint8)
