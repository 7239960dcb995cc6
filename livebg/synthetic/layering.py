"""Cut-outs, and how they are laid over a picture: everything in 8 bits, because the training's loader waits for it."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha8
from livebg.imaging.pyramid import halve

Picture = NDArray[np.uint8]
"""RGB, uint8, shape (height, width, 3)."""

Matrix = NDArray[np.float64]
"""An affine map of pixel positions, shape (2, 3): from the cut-out's (x, y, 1) to the frame's (x, y)."""

_GAUSSIAN: Final = 0.5
"""Standard deviation that belongs to one pixel's width."""

_LEAST_BLUR: Final = 0.15
"""Standard deviation in pixels below which linear interpolation alone does not alias visibly."""

_BLOCK: Final = 32
"""Pixels of the cut-out."""


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

    What shrinks is smoothed first, or its edges would alias. Colours are weighted by alpha while they are
    interpolated, or what lies hidden where alpha is 0 would bleed into a rim.
    """
    columns, rows = _in_frame(cutout, matrix, size)
    rgb, alpha = cutout.rgb[rows, columns], cutout.alpha[rows, columns]
    if not alpha.size:
        return Cutout(np.zeros((size[1], size[0], 3), np.uint8), np.zeros((size[1], size[0]), np.uint8))
    weighted = np.asarray(cv2.cvtColor(cv2.merge([rgb, alpha]), cv2.COLOR_RGBA2mRGBA), np.uint8)
    smooth, rest = _smoothed(weighted, matrix @ _shift(columns.start, rows.start))
    warped = cv2.warpAffine(smooth, rest, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    straight = cv2.cvtColor(warped, cv2.COLOR_mRGBA2RGBA)
    colours, coverage = cv2.cvtColor(straight, cv2.COLOR_RGBA2RGB), cv2.extractChannel(straight, 3)
    return Cutout(np.asarray(colours, np.uint8), np.asarray(coverage, np.uint8))


def _in_frame(cutout: Cutout, matrix: Matrix, size: tuple[int, int]) -> tuple[slice, slice]:
    """The columns and rows of the cut-out that the frame sees: of someone who stands near, often less than half."""
    corners = np.array([[x, y, 1] for x in (-1, size[0]) for y in (-1, size[1])], float).T
    seen = cv2.invertAffineTransform(matrix) @ corners
    height, width = cutout.alpha.shape
    return _span(seen[0], width), _span(seen[1], height)


def _span(positions: NDArray[np.float64], length: int) -> slice:
    """From the lowest to the highest position, in whole blocks: areas then lie alike from one frame to the next."""
    first = math.floor(positions.min() / _BLOCK - 0.5) * _BLOCK
    last = math.ceil(positions.max() / _BLOCK + 0.5) * _BLOCK
    return slice(min(max(first, 0), length), min(max(last, 0), length))


def _shift(x: float, y: float) -> NDArray[np.float64]:
    """3x3: positions in a part of a picture that begins at (x, y), as positions in the whole."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])


def _smoothed(picture: NDArray[np.uint8], matrix: Matrix) -> tuple[NDArray[np.uint8], Matrix]:
    """The picture without details that the matrix would make too small to show, and the matrix for what is left of it.

    It is halved as often as goes, and a Gaussian does the rest: both are several times faster than one odd step by areas.
    """
    scale = math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))
    times = max(math.floor(-math.log2(scale)), 0)
    step = 2**times
    if times:
        bottom, right = -picture.shape[0] % step, -picture.shape[1] % step
        padded = cv2.copyMakeBorder(picture, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
        picture = halve(np.asarray(padded, np.uint8), times)
        middle = (step - 1) / 2  # where the centre of the first pixel lies among those that it stands for
        matrix = matrix @ np.array([[step, 0, middle], [0, step, middle], [0, 0, 1]])
    blur = _GAUSSIAN * math.sqrt(max(1 / (scale * step) ** 2 - 1, 0))
    if blur > _LEAST_BLUR:
        picture = np.asarray(cv2.GaussianBlur(picture, (3, 3), blur, borderType=cv2.BORDER_REPLICATE), np.uint8)
    return picture, matrix


def over(picture: Picture, *layers: Cutout) -> tuple[Picture, Alpha8]:
    """Lay cut-outs of the picture's size over it, the first one undermost.

    Returns the RGB composite and the union of their alphas, 1 - (1-a)(1-b)..., both new and rounded to nearest after each
    layer. Raises ValueError when a layer is of another size.
    """
    rgb, union = picture.copy(), np.zeros(picture.shape[:2], np.uint8)
    for layer in layers:
        if layer.rgb.shape != picture.shape:
            raise ValueError(f"a layer must be placed at the picture's size {picture.shape[:2]}, got {layer.alpha.shape}")
        alpha = np.asarray(cv2.merge([layer.alpha] * 3)).astype(np.uint16)  # spread out: NumPy would repeat it six times slower
        rgb = _to_8_bits(layer.rgb * alpha + rgb * (255 - alpha))
        union = 255 - _to_8_bits((255 - union) * (255 - alpha[..., 0]))
    return rgb, union


def _to_8_bits(product: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """A product of two 8-bit numbers, or a mean of such, divided by 255 and rounded to nearest."""
    return ((product + 127) // 255).astype(np.uint8)
