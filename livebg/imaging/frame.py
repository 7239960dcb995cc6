"""The types that move through the house: Frame in, Matte beside it, Composite out.

Pictures are I420 all the way: 8-bit planar YUV 4:2:0, which decoders, encoders and virtual cameras all speak. Only the small
picture that the network sees is turned to RGB.
"""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.pyramid import Pyramid, resized

Alpha = NDArray[np.float32]
"""An alpha matte at model resolution: shape (height, width), float32, 0..1, 1 = foreground."""

Alpha8 = NDArray[np.uint8]
"""An alpha matte at frame resolution: shape (height, width), uint8, 0..255, 255 = foreground."""

Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""Luma (height, width) and two chroma planes (height / 2, width / 2), as views."""

# Code points of ITU-T H.273, which containers and codecs carry as they are.
UNSPECIFIED: Final = 2
BT709: Final = 1
BT601: Final = 6
BT2020: Final = 9
_LUMA_WEIGHTS: Final = {
    BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    BT601: (0.299, 0.114),
    7: (0.212, 0.087),
    BT2020: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}


def _guess(height: int) -> int:
    return BT709 if height >= 720 else BT601


@dataclass(frozen=True, slots=True)
class ColorSpec:
    """How the numbers of a picture are to be read: H.273 code points, and whether luma spans 0..255 or 16..235."""

    matrix: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    full_range: bool = False

    def told(self, height: int) -> "ColorSpec":
        """The same colour with its matrix said outright, as players guess it for a picture of so many lines."""
        return self if self.matrix != UNSPECIFIED else replace(self, matrix=_guess(height))

    def luma_weights(self, height: int) -> tuple[float, float]:
        """Kr and Kb of H.273 table 4; an untagged picture is BT.709 from 720 lines on and BT.601 below, as players do."""
        return _LUMA_WEIGHTS.get(self.matrix, _LUMA_WEIGHTS[_guess(height)])

    def rgb_to_yuv(self, height: int) -> NDArray[np.float64]:
        """The 3x4 matrix that takes (R, G, B, 1), 0..255, to (Y, Cb, Cr), 0..255 (H.273, equations 38 to 43)."""
        kr, kb = self.luma_weights(height)
        luma = np.array([kr, 1 - kr - kb, kb])
        cb = (np.array([0, 0, 1.0]) - luma) / (2 * (1 - kb))
        cr = (np.array([1.0, 0, 0]) - luma) / (2 * (1 - kr))
        y_scale, c_scale, y_offset = (1.0, 1.0, 0.0) if self.full_range else (219 / 255, 224 / 255, 16.0)
        return np.column_stack([np.stack([luma * y_scale, cb * c_scale, cr * c_scale]), [y_offset, 128.0, 128.0]])

    def yuv_to_rgb(self, height: int) -> NDArray[np.float64]:
        """The inverse of :meth:`rgb_to_yuv`, again 3x4 over (Y, Cb, Cr, 1)."""
        forward = self.rgb_to_yuv(height)
        inverse = np.linalg.inv(forward[:, :3])
        return np.column_stack([inverse, -inverse @ forward[:, 3]])


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """What was negotiated with a source, never what was asked for.

    ``width`` and ``height`` are even; ``frame_rate`` is nominal, in frames a second (time is always ``pts * time_base``);
    ``sample_aspect_ratio`` is the width of a pixel over its height.
    """

    width: int
    height: int
    frame_rate: Fraction
    color: ColorSpec = ColorSpec()
    sample_aspect_ratio: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if self.width < 2 or self.height < 2 or self.width % 2 or self.height % 2:
            raise ValueError(f"a video format needs an even width and height of at least 2, got {self.width}x{self.height}")


def planes(data: NDArray[np.uint8]) -> Planes:
    """Split I420 ``data``, shape (height * 3 / 2, width) and C-contiguous, into views of its Y, U and V planes."""
    rows, width = data.shape
    height = rows * 2 // 3
    chroma = data[height:].reshape(2, height // 2, width // 2)
    return data[:height], chroma[0], chroma[1]


def blank(width: int, height: int) -> NDArray[np.uint8]:
    """An I420 buffer of the given even size, its contents undefined."""
    return np.empty((height * 3 // 2, width), np.uint8)


def rgb_to_i420(rgb: NDArray[np.uint8], color: ColorSpec) -> NDArray[np.uint8]:
    """RGB, uint8, (height, width, 3) of even size, to I420 in the given colour; chroma is the mean of each 2x2 block."""
    height, width = rgb.shape[:2]
    data = blank(width, height)
    full = cv2.transform(rgb, color.rgb_to_yuv(height))
    for channel, target in enumerate(planes(data)):
        target[:] = cv2.resize(full[..., channel], (target.shape[1], target.shape[0]), interpolation=cv2.INTER_AREA)
    return data


def i420_to_rgb(data: NDArray[np.uint8], color: ColorSpec, size: tuple[int, int]) -> NDArray[np.uint8]:
    """I420 in the given colour to RGB, uint8, at ``size`` (width, height).

    The planes are brought to size before they are converted, so the cost follows the size wanted.
    """
    return _to_rgb([resized(plane, size) for plane in planes(data)], color.yuv_to_rgb(data.shape[0] * 2 // 3))


def _to_rgb(yuv: list[NDArray[np.uint8]], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.asarray(cv2.transform(cv2.merge(yuv), matrix), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A raw picture of the room at its time. No sink takes one.

    ``data`` is I420: uint8, shape (height * 3 / 2, width), C-contiguous, even sizes, never written to after this point.
    ``pts * time_base`` is the time in seconds.
    """

    data: NDArray[np.uint8]
    pts: int
    time_base: Fraction
    color: ColorSpec = ColorSpec()
    pyramids: tuple[Pyramid, Pyramid, Pyramid] = field(init=False, repr=False)
    """Of the planes."""

    def __post_init__(self) -> None:
        rows, width = self.data.shape
        if self.data.dtype != np.uint8 or rows % 3 or width % 2 or not self.data.flags.c_contiguous:
            raise ValueError(f"a frame needs C-contiguous uint8 I420 of even size, got {self.data.dtype} {self.data.shape}")
        self.data.flags.writeable = False
        luma, u, v = self.planes
        object.__setattr__(self, "pyramids", (Pyramid(luma), Pyramid(u), Pyramid(v)))

    @property
    def width(self) -> int:
        return int(self.data.shape[1])

    @property
    def height(self) -> int:
        return int(self.data.shape[0]) * 2 // 3

    @property
    def time(self) -> float:
        """Seconds."""
        return float(self.pts * self.time_base)

    @property
    def planes(self) -> Planes:
        return planes(self.data)

    @property
    def y(self) -> NDArray[np.uint8]:
        return self.planes[0]

    def rgb(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """The picture at ``size`` (width, height) as RGB, uint8, shape (height, width, 3)."""
        return _to_rgb([pyramid.at(size) for pyramid in self.pyramids], self.color.yuv_to_rgb(self.height))


@dataclass(frozen=True, slots=True, eq=False)
class Matte:
    """Alpha for one frame: uint8, frame resolution, 255 = foreground.

    ``time`` is that of the frame it is for, ``picture_time`` that of the picture the network saw, both in seconds. They differ
    when the mask rate is lower than the frame rate, and their distance is the matte's age.
    """

    alpha: Alpha8
    time: float
    picture_time: float
    pyramid: Pyramid = field(init=False, repr=False)
    """Of alpha."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "pyramid", Pyramid(self.alpha))


_SEAL: Final = object()
"""Held by :mod:`livebg.compositing.composite` alone (a test sees to it): who has no seal cannot make a Composite."""


@dataclass(frozen=True, slots=True, eq=False)
class Composite:
    """A picture that may be shown: the only thing a sink takes. Made by the functions of :mod:`livebg.compositing.composite`.

    ``data`` is I420 like a frame's. ``alpha`` (uint8, (height, width)) is there for cut-outs alone: it is straight, and where
    it is 0 the picture is black.
    """

    data: NDArray[np.uint8]
    pts: int
    time_base: Fraction
    color: ColorSpec
    alpha: Alpha8 | None = None
    seal: object = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise TypeError("a Composite is made by livebg.compositing.composite only: no raw frame may leave")

    @property
    def width(self) -> int:
        return int(self.data.shape[1])

    @property
    def height(self) -> int:
        return int(self.data.shape[0]) * 2 // 3

    @property
    def time(self) -> float:
        """Seconds."""
        return float(self.pts * self.time_base)
