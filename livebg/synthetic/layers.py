"""Cut-outs, and how they are laid over a picture: everything in 8 bits, because the training's loader waits for it."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.frame import Alpha8

Picture = NDArray[np.uint8]
"""RGB, uint8, shape (height, width, 3)."""

Matrix = NDArray[np.float64]
"""An affine map of pixel positions, shape (2, 3): from the cut-out's (x, y, 1) to the frame's (x, y)."""

_NEARLY_FULL_SIZE: Final = 0.95
"""From this scale on, linear interpolation alone does not alias visibly."""


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """A person without surroundings.

    ``rgb`` is uint8, (height, width, 3), straight: not multiplied by alpha, and of no meaning where alpha is 0. ``alpha`` is
    uint8, (height, width), 255 = the person. Raises ValueError when they do not fit together.
    """

    rgb: Picture
    alpha: Alpha8

    def __post_init__(self) -> None:
        right_types = self.rgb.dtype == np.uint8 and self.alpha.dtype == np.uint8
        if not right_types or self.alpha.ndim != 2 or self.rgb.shape != (*self.alpha.shape, 3):
            found = f"{self.rgb.dtype} {self.rgb.shape} with {self.alpha.dtype} {self.alpha.shape}"
            raise ValueError(f"a cut-out needs uint8 RGB (h, w, 3) and uint8 alpha (h, w), got {found}")


def similarity(scale: float, degrees: float, source: tuple[float, float], target: tuple[float, float]) -> Matrix:
    """The map that takes the point ``source`` to ``target`` (both x, y), enlarging by ``scale`` and turning clockwise."""
    turn = math.radians(degrees)
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    x, y = source
    return np.array([[cos, -sin, target[0] - cos * x + sin * y], [sin, cos, target[1] - sin * x - cos * y]])


def place(cutout: Cutout, matrix: Matrix, size: tuple[int, int]) -> Cutout:
    """The cut-out where ``matrix`` (2x3, positions of pixel centres) puts it, in a frame of ``size`` (width, height).

    What shrinks is averaged over areas first, or its edges would alias. Colours are weighted by alpha while they are
    interpolated, or what lies hidden where alpha is 0 would bleed into a rim.
    """
    colours = cv2.multiply(cutout.rgb, cv2.merge([cutout.alpha] * 3), scale=1 / 255)
    weighted = np.asarray(cv2.merge([*cv2.split(colours), cutout.alpha]), np.uint8)
    scale = math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))
    if scale < _NEARLY_FULL_SIZE:
        weighted, matrix = _shrunk(weighted, matrix, scale)
    warped = cv2.warpAffine(weighted, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    alpha = np.asarray(cv2.extractChannel(warped, 3), np.uint8)
    rgb = cv2.divide(np.ascontiguousarray(warped[..., :3]), cv2.merge([alpha] * 3), scale=255)
    return Cutout(np.asarray(rgb, np.uint8), alpha)


def _shrunk(picture: NDArray[np.uint8], matrix: Matrix, scale: float) -> tuple[NDArray[np.uint8], Matrix]:
    """The picture at about ``scale`` by area averages, and what of ``matrix`` is then left to do."""
    height, width = picture.shape[:2]
    size = max(math.ceil(width * scale), 1), max(math.ceil(height * scale), 1)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    x, y = width / size[0], height / size[1]  # of the small picture's pixel; centres lie at halves
    back = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
    return np.asarray(small, np.uint8), matrix @ back


def over(picture: Picture, *layers: Cutout) -> tuple[Picture, Alpha8]:
    """Lay cut-outs of the picture's size over it, the first one undermost.

    Returns the RGB composite and the union of their alphas, 1 - (1-a)(1-b)..., both new and rounded to nearest after each
    layer. Raises ValueError when a layer is of another size.
    """
    rgb, union = picture.copy(), np.zeros(picture.shape[:2], np.uint8)
    for layer in layers:
        if layer.rgb.shape != picture.shape:
            raise ValueError(f"a layer must be placed at the picture's size {picture.shape[:2]}, got {layer.alpha.shape}")
        alpha = layer.alpha.astype(np.uint16)
        rest = 255 - alpha
        rgb = _to_8_bits(layer.rgb * alpha[..., None] + rgb * rest[..., None])
        union = 255 - _to_8_bits((255 - union) * rest)
    return rgb, union


def _to_8_bits(product: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """A product of two 8-bit numbers, or a mean of such, divided by 255 and rounded to nearest."""
    return ((product + 127) // 255).astype(np.uint8)
