"""Chroma keying: extracts people from pictures taken in front of a green screen."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.synthetic.layering import Cutout, Picture

_MIN_SCREEN_RATIO: Final = 0.5
"""A pixel counts as screen, for estimating the screen color, from this share of the greenest pixels' greenness."""

_MAX_SOLID_RATIO: Final = 0.15
"""A pixel is all person if its greenness is below this share of the screen's."""

_CLEAR_PERCENTILE: Final = 5
"""Percentile of the screen's greenness from which a pixel is fully transparent. It preserves single hairs on an even screen."""

_EDGE_RADIUS: Final = 9
"""Hair and blur are kept within this many pixels of the person's solid parts; anything farther away is dirt on the screen."""

_DOWNSCALE: Final = 8
"""Downscaling factor for estimating the screen color: its light changes slowly."""


def cut_green(rgb: Picture) -> Cutout:
    """Extract the person from a picture taken in front of a green screen, which may be lit unevenly.

    ``rgb`` is uint8, (height, width, 3); the screen covers at least 5 % of it. Alpha is soft in hair and blur. Green spill and
    the screen's share of mixed colors are removed. Only the largest connected foreground is kept. Raises ValueError if there is
    no green screen.
    """
    picture = rgb.astype(np.float32)
    screen = _screen_color(picture)
    ratio = _greenness(picture) / np.maximum(_greenness(screen), 1)
    clear = float(np.percentile(ratio[ratio > _MIN_SCREEN_RATIO], _CLEAR_PERCENTILE)) - 0.02
    alpha = _keep_largest(np.clip((clear - ratio) / (clear - _MAX_SOLID_RATIO), 0, 1))
    # Subtract the screen's share and divide by alpha. At low alpha this is mostly noise, which has little weight in a composite.
    person = (picture - (1 - alpha[..., None]) * screen) / np.maximum(alpha[..., None], 1 / 16)
    person[..., 1] = np.minimum(person[..., 1], np.maximum(person[..., 0], person[..., 2]))
    return Cutout(np.clip(np.rint(person), 0, 255).astype(np.uint8), np.rint(alpha * 255).astype(np.uint8))


def _greenness(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much green exceeds the larger of red and blue."""
    return picture[..., 1] - np.maximum(picture[..., 0], picture[..., 2])


def _keep_largest(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return alpha in and around its largest connected component, 0 elsewhere."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats((alpha > 0.5).astype(np.uint8))
    sizes = statistics[1:, cv2.CC_STAT_AREA]
    if not sizes.size:
        return np.zeros_like(alpha)
    largest = (labels == 1 + int(sizes.argmax())).astype(np.uint8)
    local = cv2.dilate(largest, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _EDGE_RADIUS + 1, 2 * _EDGE_RADIUS + 1)))
    return alpha * local


def _screen_color(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the screen color at every pixel, from the nearby screen or, behind the person, from the whole screen."""
    height, width = picture.shape[:2]
    small_size = max(width // _DOWNSCALE, 1), max(height // _DOWNSCALE, 1)
    green = _greenness(picture)
    bound = _MIN_SCREEN_RATIO * float(np.percentile(green, 95))
    if bound < 4:
        raise ValueError("No green screen found in the picture. Use a picture with a green background.")
    is_screen = (green > bound).astype(np.float32)
    sums = cv2.resize(np.dstack([picture * is_screen[..., None], is_screen]), small_size, interpolation=cv2.INTER_AREA)
    local = cv2.GaussianBlur(sums, (0, 0), max(small_size) / 16) + 1e-3 * sums.mean(axis=(0, 1))
    screen = local[..., :3] / local[..., 3:]
    return np.asarray(cv2.resize(screen, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
