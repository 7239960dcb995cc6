"""What stands behind the person: the room out of focus, a colour, a picture."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray
from PIL import Image, ImageOps

from livebg.compositing.background_fit import Fit, placed
from livebg.errors import ConfigError
from livebg.imaging.frame import ColorSpec, Frame, Matte, blank, planes, rgb_to_i420
from livebg.imaging.pillow_compat import READ_FAILURES, reading
from livebg.imaging.pyramid import channels, resized

WEAKEST_BLUR = 0.005
"""Share of the frame's height. A blur of 0 is this one: showing the room as it is takes mode ``none``, said aloud."""


Lens = Literal["gaussian", "disc"]
"""The shape that a point out of focus takes: soft all over, or a disc as a lens wide open draws it."""

_FINE, _COARSE = 1.5, 0.75
"""Pixels of the small picture that the Gaussian's standard deviation keeps at least."""

_LARGEST_DISC = 5.0
"""Pixels of the small picture that a disc's radius has at most: OpenCV takes five times as long for the next larger one."""

_RADIUS = 2.0
"""Standard deviations of the Gaussian that scatters light as far as a disc of this radius does."""

_TAIL = 3.0
"""Standard deviations from which on nothing of the Gaussian is left: 3 in 1000 of it."""

_BLOOM = 5.0
"""How many times a white pixel counts beside a dark one under the disc: in the scene it is far brighter than its number says."""


class BlurBackground:
    """The room, softly out of focus, without the person's colours in it.

    A plain blur drags the person outwards as a halo. Here each pixel counts by how much room there is in it:
    blur(room * (1 - alpha)) / blur(1 - alpha). All of it is linear, so it is done on the Y, U and V planes as they come, and
    on a small picture, since a blurred one has no detail to lose.

    ``share`` is the Gaussian's standard deviation as a share of the frame's height, 0..1; a disc is as large as scatters light
    as far, and lights shine through it as they do through a lens. ``coarse`` is for slow machines: the small picture of a
    Gaussian has a quarter of the pixels, and the blur is a little less smooth. One background serves one thread.
    """

    fresh = True

    def __init__(self, share: float, *, lens: Lens = "gaussian", coarse: bool = False) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"a blur is a share of the frame's height, 0 to 1, got {share}")
        self._share = max(share, WEAKEST_BLUR)
        self._least_sigma = _COARSE if coarse else _FINE
        self._disc = lens == "disc"

    def picture(self, frame: Frame, matte: Matte) -> NDArray[np.uint8]:
        sigma = self._share * frame.height
        halvings = self._halvings(sigma, frame.width, frame.height)
        luma, *chroma = frame.pyramids
        shrunk = [luma.halved(halvings), *(plane.halved(max(halvings - 1, 0)) for plane in chroma)]
        size = (shrunk[0].shape[1], shrunk[0].shape[0])
        # A small pixel that is part person has the person's colour in it: only those count whose neighbours are room as well.
        covered = cv2.dilate(matte.pyramid.halved(halvings), np.ones((3, 3), np.uint8))
        room = 1.0 - covered * np.float32(1 / 255)
        if self._disc:
            room *= _bloom(frame.color)[shrunk[0]]
        weighted = cv2.merge([*(resized(plane, size) * room for plane in shrunk), room])
        blurred = self._blurred(weighted, sigma / 2**halvings)
        blurred = cv2.add(blurred, np.array(self._fallback(weighted)))
        *colours, weight = channels(np.asarray(blurred, np.float32))
        scale = 1 / weight
        picture = blank(frame.width, frame.height)
        for colour, target in zip(colours, planes(picture), strict=True):
            small = cv2.multiply(colour, scale, dtype=cv2.CV_8U)
            cv2.resize(small, (target.shape[1], target.shape[0]), dst=target, interpolation=cv2.INTER_LINEAR)
        return picture

    def _blurred(self, weighted: MatLike, sigma: float) -> MatLike:
        if self._disc and _RADIUS * sigma <= _LARGEST_DISC:
            return cv2.filter2D(weighted, -1, _disc(_RADIUS * sigma), borderType=cv2.BORDER_REFLECT)
        reach = math.ceil(_TAIL * sigma)
        return cv2.GaussianBlur(weighted, (2 * reach + 1, 2 * reach + 1), sigma, borderType=cv2.BORDER_REFLECT)

    @staticmethod
    def _fallback(weighted: MatLike) -> tuple[float, ...]:
        """Y, U, V and a weight for where no room is near, deep inside the person: a trace of the room's mean, else of grey."""
        *colour, room = cv2.sumElems(weighted)
        return tuple(
            1e-3 * value / max(room, 1e-3) + trace for value, trace in zip((*colour, room), (128e-6,) * 3 + (1e-6,), strict=True)
        )

    def _halvings(self, sigma: float, width: int, height: int) -> int:
        """How often to halve before blurring: the Gaussian keeps its least width, and the small picture at least 8 lines."""
        if self._disc:
            by_sigma = max(math.ceil(math.log2(_RADIUS * sigma / _LARGEST_DISC)), 0)
        else:
            by_sigma = int(math.log2(sigma / self._least_sigma)) if sigma > self._least_sigma else 0
        by_size = int(math.log2(min(width, height) / 8)) if min(width, height) > 8 else 0
        return min(by_sigma, by_size)


def _disc(radius: float) -> NDArray[np.float32]:
    """A disc that sums up to 1, its rim as soft as a pixel."""
    reach = math.ceil(radius)
    across = np.arange(-reach, reach + 1, dtype=np.float32)
    disc = np.clip(radius + 0.5 - np.hypot(across[:, None], across), 0, 1)
    return np.asarray(disc / disc.sum(), np.float32)


@lru_cache(maxsize=2)
def _bloom(color: ColorSpec) -> NDArray[np.float32]:
    """How much each luma counts under the disc, 1 for black: what is near white stands for light of any strength above it."""
    black, white = (0, 255) if color.full_range else (16, 235)
    light = np.clip((np.arange(256) - black) / (white - black), 0, 1)
    return np.asarray(1 + (_BLOOM - 1) * light**8, np.float32)


class _StillBackground(ABC):
    """One picture for all frames of a format, made when the first of them comes."""

    fresh = False

    def __init__(self) -> None:
        self._made: tuple[tuple[int, int, ColorSpec], NDArray[np.uint8]] | None = None

    def picture(self, frame: Frame, matte: Matte) -> NDArray[np.uint8]:  # noqa: ARG002
        form = (frame.width, frame.height, frame.color)
        if self._made is None or self._made[0] != form:
            self._made = (form, self._make(*form))
        return self._made[1]

    @abstractmethod
    def _make(self, width: int, height: int, color: ColorSpec) -> NDArray[np.uint8]:
        """The picture in I420."""


class ColorBackground(_StillBackground):
    """One colour: the green screen, or any ``#rrggbb``."""

    def __init__(self, rgb: tuple[int, int, int]) -> None:
        super().__init__()
        self._rgb = rgb

    def _make(self, width: int, height: int, color: ColorSpec) -> NDArray[np.uint8]:
        data = blank(width, height)
        levels = np.rint(color.rgb_to_yuv(height) @ np.array([*self._rgb, 1.0])).clip(0, 255)
        for plane, level in zip(planes(data), levels, strict=True):
            plane[:] = level
        return data


class PictureBackground(_StillBackground):
    """A picture that fills the frame, cropped at its middle where the aspects differ, or whole with its own blur around it.

    ``rgb`` is uint8, (height, width, 3).
    """

    def __init__(self, rgb: NDArray[np.uint8], fit: Fit = "fill") -> None:
        super().__init__()
        self._rgb = rgb
        self._fit = fit

    def _make(self, width: int, height: int, color: ColorSpec) -> NDArray[np.uint8]:
        if self._fit == "fill":
            return rgb_to_i420(_fill(self._rgb, width, height), color)
        down, across = self._rgb.shape[:2]
        even = np.pad(self._rgb, ((0, down % 2), (0, across % 2), (0, 0)), mode="edge")
        told = color.told(height)
        return placed(Frame(rgb_to_i420(even, told), 0, Fraction(1), told), (width, height), "fit")


class PaintedBackground(_StillBackground):
    """A picture that is painted at the frame's own size; ``paint(width, height)`` gives RGB, uint8, (height, width, 3)."""

    def __init__(self, paint: Callable[[int, int], NDArray[np.uint8]]) -> None:
        super().__init__()
        self._paint = paint

    def _make(self, width: int, height: int, color: ColorSpec) -> NDArray[np.uint8]:
        return rgb_to_i420(self._paint(width, height), color)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """The picture at ``path`` as RGB, uint8, shape (height, width, 3), turned as its EXIF data say.

    Raises :class:`~livebg.errors.ConfigError` when it cannot be read.
    """
    try:
        with reading(), Image.open(path) as picture:
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except FileNotFoundError:
        raise ConfigError(f"the background {path} does not exist: name a picture or a colour such as #204060") from None
    except (*READ_FAILURES, Image.DecompressionBombError):
        raise ConfigError(f"the background {path} is not a picture that can be read: use JPEG, PNG or WebP, or #rrggbb") from None


def _fill(rgb: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    scale = max(width / rgb.shape[1], height / rgb.shape[0])
    size = (max(width, round(rgb.shape[1] * scale)), max(height, round(rgb.shape[0] * scale)))
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(rgb, size, interpolation=shrink)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return np.ascontiguousarray(scaled[top : top + height, left : left + width], np.uint8)
