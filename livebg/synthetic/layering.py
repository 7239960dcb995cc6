"""Compositing of cut-outs over pictures, in 8 bits throughout because the training loader needs the speed."""

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
"""An affine map of pixel positions, shape (2, 3), from (x, y, 1) in the cut-out to (x, y) in the frame."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels; right and bottom are exclusive."""

_PIXEL_SIGMA: Final = 0.5
"""Standard deviation of a Gaussian as wide as one pixel."""

_MIN_SIGMA: Final = 0.15
"""Standard deviation in pixels below which linear interpolation does not alias visibly."""

_CROP_ALIGNMENT: Final = 32
"""Crops of a cut-out are aligned to this many pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """A person without a background.

    ``rgb`` is uint8, (height, width, 3), not premultiplied, and undefined where alpha is 0. ``alpha`` is uint8, (height, width),
    255 = person. Raises ValueError if their shapes or dtypes do not match.
    """

    rgb: Picture
    alpha: Alpha8

    def __post_init__(self) -> None:
        right_types = self.rgb.dtype == np.uint8 and self.alpha.dtype == np.uint8
        if not right_types or self.alpha.ndim != 2 or self.rgb.shape != (*self.alpha.shape, 3):
            found = f"{self.rgb.dtype} {self.rgb.shape} with {self.alpha.dtype} {self.alpha.shape}"
            raise ValueError(f"Cutout needs uint8 RGB (h, w, 3) and uint8 alpha (h, w), got {found}.")


def bounding_box(alpha: Alpha8) -> Box | None:
    """Return the box of the pixels with an alpha of at least 128; None if there are none."""
    left, top, width, height = cv2.boundingRect((alpha >= 128).astype(np.uint8))
    return (left, top, left + width, top + height) if width else None


def similarity(scale: float, degrees: float, source: tuple[float, float], target: tuple[float, float]) -> Matrix:
    """Return the map that moves the point ``source`` to ``target`` (both x, y), scales by ``scale`` and rotates clockwise."""
    turn = math.radians(degrees)
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    x, y = source
    return np.array([[cos, -sin, target[0] - cos * x + sin * y], [sin, cos, target[1] - sin * x - cos * y]])


def place(cutout: Cutout, matrix: Matrix, size: tuple[int, int]) -> Cutout:
    """Warp the cut-out by ``matrix`` (2x3, pixel centers) into a frame of ``size`` (width, height).

    Smooths before shrinking to avoid aliasing. Interpolates premultiplied colors, so that hidden colors where alpha is 0 do not
    bleed into the edges.
    """
    columns, rows = _visible_part(cutout, matrix, size)
    rgb, alpha = cutout.rgb[rows, columns], cutout.alpha[rows, columns]
    if not alpha.size:
        return Cutout(np.zeros((size[1], size[0], 3), np.uint8), np.zeros((size[1], size[0]), np.uint8))
    weighted = np.asarray(cv2.cvtColor(cv2.merge([rgb, alpha]), cv2.COLOR_RGBA2mRGBA), np.uint8)
    from_crop = np.array([[1, 0, columns.start], [0, 1, rows.start], [0, 0, 1]])
    smooth, remaining = _downscaled(weighted, matrix @ from_crop)
    warped = cv2.warpAffine(smooth, remaining, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    straight = cv2.cvtColor(warped, cv2.COLOR_mRGBA2RGBA)
    colors, coverage = cv2.cvtColor(straight, cv2.COLOR_RGBA2RGB), cv2.extractChannel(straight, 3)
    return Cutout(np.asarray(colors, np.uint8), np.asarray(coverage, np.uint8))


def _visible_part(cutout: Cutout, matrix: Matrix, size: tuple[int, int]) -> tuple[slice, slice]:
    """Return the columns and rows of the cut-out inside the frame: often less than half for a person close to the camera."""
    corners = np.array([[x, y, 1] for x in (-1, size[0]) for y in (-1, size[1])], float).T
    seen = cv2.invertAffineTransform(matrix) @ corners
    height, width = cutout.alpha.shape
    return _span(seen[0], width), _span(seen[1], height)


def _span(positions: NDArray[np.float64], length: int) -> slice:
    """Return the range from the lowest to the highest position in whole blocks, so that downscaling is stable between frames."""
    first = math.floor(positions.min() / _CROP_ALIGNMENT - 0.5) * _CROP_ALIGNMENT
    last = math.ceil(positions.max() / _CROP_ALIGNMENT + 0.5) * _CROP_ALIGNMENT
    return slice(min(max(first, 0), length), min(max(last, 0), length))


def _downscaled(picture: NDArray[np.uint8], matrix: Matrix) -> tuple[NDArray[np.uint8], Matrix]:
    """Return the picture, low-pass filtered and reduced for the scale of ``matrix``, and the matrix for the reduced picture.

    Halves as often as possible, then applies a Gaussian: several times faster than one area resize by an odd factor.
    """
    scale = math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))
    times = max(math.floor(-math.log2(scale)), 0)
    step = 2**times
    if times:
        bottom, right = -picture.shape[0] % step, -picture.shape[1] % step
        padded = cv2.copyMakeBorder(picture, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
        picture = halve(np.asarray(padded, np.uint8), times)
        middle = (step - 1) / 2  # center of the first reduced pixel, in original pixels
        matrix = matrix @ np.array([[step, 0, middle], [0, step, middle], [0, 0, 1]])
    blur = _PIXEL_SIGMA * math.sqrt(max(1 / (scale * step) ** 2 - 1, 0))
    if blur > _MIN_SIGMA:
        picture = np.asarray(cv2.GaussianBlur(picture, (3, 3), blur, borderType=cv2.BORDER_REPLICATE), np.uint8)
    return picture, matrix


def over(picture: Picture, *layers: Cutout) -> tuple[Picture, Alpha8]:
    """Composite cut-outs of the picture's size over it, the first one at the bottom.

    Returns the RGB composite and the union of the alphas, 1 - (1-a)(1-b)..., as new arrays, rounded to nearest after each layer.
    Raises ValueError if a layer has another size.
    """
    rgb, union = picture.copy(), np.zeros(picture.shape[:2], np.uint8)
    for layer in layers:
        if layer.rgb.shape != picture.shape:
            raise ValueError(f"A layer must have the picture's size {picture.shape[:2]}, got {layer.alpha.shape}.")
        alpha = np.asarray(cv2.merge([layer.alpha] * 3)).astype(np.uint16)  # broadcasting in NumPy is six times slower
        rgb = _to_8_bits(layer.rgb * alpha + rgb * (255 - alpha))
        union = 255 - _to_8_bits((255 - union) * (255 - alpha[..., 0]))
    return rgb, union


def _to_8_bits(product: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Divide a product of two 8-bit numbers, or a weighted mean of them, by 255, rounding to nearest."""
    return ((product + 127) // 255).astype(np.uint8)
