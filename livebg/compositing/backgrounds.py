"""Backgrounds: the blurred room, a solid color, a picture."""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from livebg.compositing.background_fit import Fit, fit_to_size
from livebg.compositing.room_tone import UNCHANGED, RoomTone
from livebg.errors import ConfigError, SourceError
from livebg.imaging.frame import BT601, ColorSpec, Frame, Matte, empty_i420, i420_to_rgb, planes, rgb_to_i420, still_frame
from livebg.imaging.pyramid import resize, split_channels

if TYPE_CHECKING:
    from livebg.sources.photo_file import PhotoFile

MIN_BLUR = 0.005
"""Share of the frame's height. A blur of 0 is increased to this: showing the unblurred room requires mode ``none``."""


Lens = Literal["gaussian", "disc"]
"""Point spread of the blur: a Gaussian, or a disc like that of a wide-open lens."""

_FINE_SIGMA, _COARSE_SIGMA = 1.5, 0.75
"""Minimum standard deviation of the Gaussian in pixels of the downscaled picture."""

_MAX_DISC_RADIUS = 5.0
"""Maximum radius of a disc in pixels of the downscaled picture: OpenCV needs five times as long for the next larger one."""

_DISC_RADIUS_SIGMAS = 2.0
"""Radius, in standard deviations, of the disc that scatters light as far as the Gaussian."""

_KERNEL_RADIUS_SIGMAS = 3.0
"""Radius of the Gaussian kernel in standard deviations: the part beyond is 3 in 1000."""

_BLOOM_WEIGHT = 5.0
"""Weight of a white pixel relative to a dark one under the disc: in the scene highlights are far brighter than their pixel
value."""


_MAX_OVERSIZE = 16
"""Maximum area of a picture scaled as a whole, in areas of the frame: a strip one pixel wide would fill the memory."""
_MARGIN = 4
"""Pixels of a picture that are scaled on each side of its visible part."""


class BlurBackground:
    """The blurred room without the person's colors in it.

    A plain blur spreads the person outwards as a halo. Here each pixel is weighted by its share of room: blur(room * (1 - alpha))
    / blur(1 - alpha). This is linear, so it works directly on the Y, U and V planes, and on a downscaled picture, since a blurred
    one has no detail to lose.

    ``share`` is the Gaussian's standard deviation as a share of the frame's height, 0..1; a disc is sized to scatter light
    equally far and renders highlights like a lens. ``coarse`` is for slow machines: the downscaled picture for a Gaussian has a
    quarter of the pixels, and the blur is slightly less smooth. ``tone`` darkens the room. ``margin``, a share of the frame's
    height, is how far around the matte the person's colors may reach. Not thread-safe. Raises ValueError for a share outside
    0..1.
    """

    returns_new_array = True

    def __init__(
        self,
        share: float,
        *,
        lens: Lens = "gaussian",
        coarse: bool = False,
        tone: RoomTone = UNCHANGED,
        margin: float = 0.0,
    ) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"A blur must be a share of the frame's height, 0 to 1, got {share}.")
        self._share = max(share, MIN_BLUR)
        self._min_sigma = _COARSE_SIGMA if coarse else _FINE_SIGMA
        self._disc = lens == "disc"
        self._tone, self._margin = tone, margin

    def picture(self, frame: Frame, matte: Matte) -> NDArray[np.uint8]:
        sigma = self._share * frame.height
        halvings = self._halvings(sigma, frame.width, frame.height)
        luma, *chroma = frame.pyramids
        shrunk = [luma.halved(halvings), *(plane.halved(max(halvings - 1, 0)) for plane in chroma)]
        size = (shrunk[0].shape[1], shrunk[0].shape[0])
        # A downscaled pixel that is partly person contains the person's color: use only pixels whose neighbors are room as well.
        reach = 1 + math.ceil(self._margin * frame.height / 2**halvings)
        covered = cv2.dilate(matte.pyramid.halved(halvings), np.ones((2 * reach + 1,) * 2, np.uint8))
        room = 1.0 - covered * np.float32(1 / 255)
        if self._disc:
            room *= _bloom(frame.color)[shrunk[0]]
        weighted = cv2.merge([*(resize(plane, size) * room for plane in shrunk), room])
        blurred = self._blurred(weighted, sigma / 2**halvings)
        blurred = cv2.add(blurred, np.array(self._fallback(weighted)))
        *colors, weight = split_channels(np.asarray(blurred, np.float32))
        scale = 1 / weight
        picture = empty_i420(frame.width, frame.height)
        for color, target, (factor, offset) in zip(colors, planes(picture), self._tone.scales(frame.color), strict=True):
            small = cv2.convertScaleAbs(cv2.multiply(color, scale, dtype=cv2.CV_8U), alpha=factor, beta=offset)
            cv2.resize(small, (target.shape[1], target.shape[0]), dst=target, interpolation=cv2.INTER_LINEAR)
        return picture

    def _blurred(self, weighted: MatLike, sigma: float) -> MatLike:
        if self._disc and _DISC_RADIUS_SIGMAS * sigma <= _MAX_DISC_RADIUS:
            return cv2.filter2D(weighted, -1, _disc(_DISC_RADIUS_SIGMAS * sigma), borderType=cv2.BORDER_REFLECT)
        reach = math.ceil(_KERNEL_RADIUS_SIGMAS * sigma)
        return cv2.GaussianBlur(weighted, (2 * reach + 1, 2 * reach + 1), sigma, borderType=cv2.BORDER_REFLECT)

    @staticmethod
    def _fallback(weighted: MatLike) -> tuple[float, ...]:
        """Return Y, U, V and a weight for places far from any room, deep inside the person: the room's mean color, or gray
        without any room."""
        *color, room = cv2.sumElems(weighted)
        return tuple(
            1e-3 * value / max(room, 1e-3) + trace for value, trace in zip((*color, room), (128e-6,) * 3 + (1e-6,), strict=True)
        )

    def _halvings(self, sigma: float, width: int, height: int) -> int:
        """Return how often to halve before blurring: the Gaussian keeps its minimum width, and the downscaled picture at least 8
        lines."""
        if self._disc:
            by_sigma = max(math.ceil(math.log2(_DISC_RADIUS_SIGMAS * sigma / _MAX_DISC_RADIUS)), 0)
        else:
            by_sigma = int(math.log2(sigma / self._min_sigma)) if sigma > self._min_sigma else 0
        by_size = int(math.log2(min(width, height) / 8)) if min(width, height) > 8 else 0
        return min(by_sigma, by_size)


def _disc(radius: float) -> NDArray[np.float32]:
    """Return a disc kernel that sums to 1, with an antialiased rim."""
    reach = math.ceil(radius)
    across = np.arange(-reach, reach + 1, dtype=np.float32)
    disc = np.clip(radius + 0.5 - np.hypot(across[:, None], across), 0, 1)
    return np.asarray(disc / disc.sum(), np.float32)


@lru_cache(maxsize=2)
def _bloom(color: ColorSpec) -> NDArray[np.float32]:
    """Return the weight of each luma level under the disc, 1 for black: values near white represent clipped highlights of any
    intensity."""
    black, white = (0, 255) if color.full_range else (16, 235)
    light = np.clip((np.arange(256) - black) / (white - black), 0, 1)
    return np.asarray(1 + (_BLOOM_WEIGHT - 1) * light**8, np.float32)


class StillBackground:
    """One picture for all frames of a format, painted for the first of them.

    ``paint(width, height)`` returns RGB, uint8, (height, width, 3), in the color space of the usable ICC profile ``icc``; empty:
    sRGB. ``tone`` darkens it.
    """

    returns_new_array = False

    def __init__(self, paint: Callable[[int, int], NDArray[np.uint8]], icc: bytes = b"", *, tone: RoomTone = UNCHANGED) -> None:
        self._paint = paint
        self._icc, self._tone = icc, tone
        self._made: tuple[tuple[int, int, ColorSpec], NDArray[np.uint8], NDArray[np.uint8]] | None = None

    def picture(self, frame: Frame, matte: Matte) -> NDArray[np.uint8]:  # noqa: ARG002
        return self._make(frame)[1]

    def rgb(self, frame: Frame) -> NDArray[np.uint8]:
        """Return the picture in RGB, uint8, (height, width, 3), at full chroma resolution."""
        return self._make(frame)[0]

    def _make(self, frame: Frame) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the picture in RGB and in I420."""
        form = (frame.width, frame.height, frame.color)
        if self._made is None or self._made[0] != form:
            from livebg.imaging.color_profile import convert  # slow to import

            rgb = convert(self._paint(frame.width, frame.height), self._icc, frame.color.icc)
            rgb = self._tone.rgb(rgb, frame.color)
            self._made = (form, rgb, self._to_i420(rgb, frame.color))
        return self._made[1:]

    def _to_i420(self, rgb: NDArray[np.uint8], color: ColorSpec) -> NDArray[np.uint8]:
        return rgb_to_i420(rgb, color)


class ColorBackground(StillBackground):
    """A solid color: the green screen, or any ``#rrggbb`` in sRGB."""

    def __init__(self, rgb: tuple[int, int, int], *, tone: RoomTone = UNCHANGED) -> None:
        super().__init__(lambda width, height: np.tile(np.array(rgb, np.uint8), (height, width, 1)), tone=tone)

    def _to_i420(self, rgb: NDArray[np.uint8], color: ColorSpec) -> NDArray[np.uint8]:
        height, width = rgb.shape[:2]
        data = empty_i420(width, height)
        # Rounded to the nearest level, unlike OpenCV's conversion of pictures: a chroma key is sensitive to one level.
        levels = np.rint(color.rgb_to_yuv(height) @ np.array([*rgb[0, 0], 1.0])).clip(0, 255)
        for plane, level in zip(planes(data), levels, strict=True):
            plane[:] = level
        return data


class PictureBackground(StillBackground):
    """A picture that fills the frame, cropped around its center, or (``fit``) whole on top of its own blur.

    ``rgb`` is uint8, (height, width, 3), in the color space of the usable ICC profile ``icc``; empty: sRGB.
    """

    def __init__(self, rgb: NDArray[np.uint8], fit: Fit = "fill", icc: bytes = b"", *, tone: RoomTone = UNCHANGED) -> None:
        super().__init__(partial(_fill if fit == "fill" else _fit_whole, rgb), icc, tone=tone)


def read_picture(path: Path) -> "PhotoFile":
    """Read the picture at ``path``. Raises :class:`~livebg.errors.ConfigError` if it cannot be read."""
    from livebg.sources.photo_file import READABLE, read_photo  # slow to import

    try:
        return read_photo(path)
    except SourceError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise ConfigError(f"The background {path} does not exist.", "Use a picture or a color such as #204060.") from None
        raise ConfigError(f"The background {path} is not a readable picture.", f"Use {READABLE}, or #rrggbb.") from None


def _fill(rgb: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    scale = max(width / rgb.shape[1], height / rgb.shape[0])
    size = (max(width, round(rgb.shape[1] * scale)), max(height, round(rgb.shape[0] * scale)))
    if size[0] * size[1] > _MAX_OVERSIZE * width * height:
        rgb = _middle(rgb, width / scale, height / scale)
        size = (max(width, round(rgb.shape[1] * scale)), max(height, round(rgb.shape[0] * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(rgb, size, interpolation=interpolation)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return np.ascontiguousarray(scaled[top : top + height, left : left + width], np.uint8)


def _middle(rgb: NDArray[np.uint8], width: float, height: float) -> NDArray[np.uint8]:
    """Return the middle of a picture, of at least this size and what interpolation reads around it."""
    shown = math.ceil(height) + 2 * _MARGIN, math.ceil(width) + 2 * _MARGIN
    top, left = (max(length - wanted, 0) // 2 for length, wanted in zip(rgb.shape[:2], shown, strict=True))
    return np.ascontiguousarray(rgb[top : rgb.shape[0] - top, left : rgb.shape[1] - left])


def _fit_whole(rgb: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    color = ColorSpec(BT601, full_range=True)
    return i420_to_rgb(fit_to_size(still_frame(rgb, color), (width, height), "fit"), color, (width, height))
