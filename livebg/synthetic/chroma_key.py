"""Cutting people out of a green screen."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.synthetic.layering import Cutout, Picture

_SURELY_SCREEN: Final = 0.5
"""Share of the greenest pixels' greenness from which a pixel is taken for screen, to learn the screen's colour there."""

_SOLID: Final = 0.15
"""Share of the screen's own greenness below which all is person."""

_UNEVEN: Final = 5
"""Percent of the screen's pixels that may be less green than what counts as clear: an even screen keeps single hairs."""

_REACH: Final = 9
"""Pixels around the person's solid parts in which hair and blur are looked for; what lies farther off is the screen's dirt."""

_PATCH: Final = 8
"""The screen's colour is learnt from a picture smaller by this factor: its light changes slowly."""


def cut_green(rgb: Picture) -> Cutout:
    """Key the person out of a picture in front of a green screen, whose light may be uneven.

    ``rgb`` is uint8, (height, width, 3), with the screen covering at least a twentieth of it. Alpha is soft in hair and blur;
    the screen's share of mixed colours and its reflections on the person are taken away. One person is kept, with what is
    connected to them. Raises ValueError without green.
    """
    picture = rgb.astype(np.float32)
    screen = _screen(picture)
    ratio = _greenness(picture) / np.maximum(_greenness(screen), 1)
    clear = float(np.percentile(ratio[ratio > _SURELY_SCREEN], _UNEVEN)) - 0.02
    alpha = _largest(np.clip((clear - ratio) / (clear - _SOLID), 0, 1))
    # What is left after the screen's part, undone by alpha; where alpha is small that is mostly noise, and weighs little.
    person = (picture - (1 - alpha[..., None]) * screen) / np.maximum(alpha[..., None], 1 / 16)
    person[..., 1] = np.minimum(person[..., 1], np.maximum(person[..., 0], person[..., 2]))
    return Cutout(np.clip(np.rint(person), 0, 255).astype(np.uint8), np.rint(alpha * 255).astype(np.uint8))


def _greenness(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """By how much green exceeds the larger of red and blue."""
    return picture[..., 1] - np.maximum(picture[..., 0], picture[..., 2])


def _largest(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Alpha of the largest thing in it and its surroundings, 0 elsewhere."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats((alpha > 0.5).astype(np.uint8))
    sizes = statistics[1:, cv2.CC_STAT_AREA]
    if not sizes.size:
        return np.zeros_like(alpha)
    largest = (labels == 1 + int(sizes.argmax())).astype(np.uint8)
    near = cv2.dilate(largest, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _REACH + 1, 2 * _REACH + 1)))
    return alpha * near


def _screen(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The screen's colour at every pixel: from the screen around it, and behind the person from the screen in general."""
    height, width = picture.shape[:2]
    small_size = max(width // _PATCH, 1), max(height // _PATCH, 1)
    green = _greenness(picture)
    bound = _SURELY_SCREEN * float(np.percentile(green, 95))
    if bound < 4:
        raise ValueError("a picture in front of a green screen is needed, and hardly anything in this one is green")
    seen = (green > bound).astype(np.float32)
    sums = cv2.resize(np.dstack([picture * seen[..., None], seen]), small_size, interpolation=cv2.INTER_AREA)
    near = cv2.GaussianBlur(sums, (0, 0), max(small_size) / 16) + 1e-3 * sums.mean(axis=(0, 1))
    screen = near[..., :3] / near[..., 3:]
    return np.asarray(cv2.resize(screen, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
