"""The data types of the pipeline: Frame in, Matte beside it, Composite out.

Pictures are I420 throughout: 8-bit planar YUV 4:2:0, which decoders, encoders and virtual cameras share. Only the small picture
for the network is converted to RGB.
"""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.pyramid import Pyramid, resize

Alpha = NDArray[np.float32]
"""An alpha matte at model resolution: shape (height, width), float32, 0..1, 1 = foreground."""

Alpha8 = NDArray[np.uint8]
"""An alpha matte at frame resolution: shape (height, width), uint8, 0..255, 255 = foreground."""

Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""Luma (height, width) and two chroma planes (height / 2, width / 2), as views."""

# Code points of ITU-T H.273, which containers and codecs store unchanged.
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
"""Kr and Kb of H.273, table 4, by matrix."""


def _default_matrix(height: int) -> int:
    return BT709 if height >= 720 else BT601


@dataclass(frozen=True, slots=True)
class ColorSpec:
    """The color interpretation of a picture: H.273 code points, and whether luma spans 0..255 or 16..235.

    ``icc`` is the usable ICC profile of a photo in another color space than sRGB, empty otherwise.
    """

    matrix: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    full_range: bool = False
    icc: bytes = field(default=b"", repr=False)

    def with_default_matrix(self, height: int) -> "ColorSpec":
        """Return the same color with an explicit matrix: the one that players assume for an untagged picture of this height."""
        return self if self.matrix != UNSPECIFIED else replace(self, matrix=_default_matrix(height))

    def rgb_to_yuv(self, height: int) -> NDArray[np.float64]:
        """Return the 3x4 matrix from (R, G, B, 1), 0..255, to (Y, Cb, Cr), 0..255 (H.273, equations 38 to 43).

        Untagged pictures are BT.709 from 720 lines on and BT.601 below, as players assume.
        """
        kr, kb = _LUMA_WEIGHTS.get(self.matrix, _LUMA_WEIGHTS[_default_matrix(height)])
        luma = np.array([kr, 1 - kr - kb, kb])
        cb = (np.array([0, 0, 1.0]) - luma) / (2 * (1 - kb))
        cr = (np.array([1.0, 0, 0]) - luma) / (2 * (1 - kr))
        y_scale, c_scale, y_offset = (1.0, 1.0, 0.0) if self.full_range else (219 / 255, 224 / 255, 16.0)
        return np.column_stack([np.stack([luma * y_scale, cb * c_scale, cr * c_scale]), [y_offset, 128.0, 128.0]])

    def yuv_to_rgb(self, height: int) -> NDArray[np.float64]:
        """Return the inverse of :meth:`rgb_to_yuv`, again 3x4, over (Y, Cb, Cr, 1)."""
        forward = self.rgb_to_yuv(height)
        inverse = np.linalg.inv(forward[:, :3])
        return np.column_stack([inverse, -inverse @ forward[:, 3]])


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """The format negotiated with a source, which may differ from the requested one.

    ``width`` and ``height`` are even; ``frame_rate`` is nominal, in frames per second (time is always ``pts * time_base``);
    ``sample_aspect_ratio`` is the width of a pixel divided by its height.
    """

    width: int
    height: int
    frame_rate: Fraction
    color: ColorSpec = ColorSpec()
    sample_aspect_ratio: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if self.width < 2 or self.height < 2 or self.width % 2 or self.height % 2:
            raise ValueError(f"A video format needs an even width and height of at least 2, got {self.width}x{self.height}.")


def planes(data: NDArray[np.uint8]) -> Planes:
    """Split I420 ``data``, shape (height * 3 / 2, width) and C-contiguous, into views of its Y, U and V planes."""
    rows, width = data.shape
    height = rows * 2 // 3
    chroma = data[height:].reshape(2, height // 2, width // 2)
    return data[:height], chroma[0], chroma[1]


def empty_i420(width: int, height: int) -> NDArray[np.uint8]:
    """Return an uninitialized I420 buffer of the given even size."""
    return np.empty((height * 3 // 2, width), np.uint8)


def rgb_to_i420(rgb: NDArray[np.uint8], color: ColorSpec) -> NDArray[np.uint8]:
    """Convert RGB, uint8, (height, width, 3) of even size, to I420 in the given color. Chroma is the mean of each 2x2 block."""
    height, width = rgb.shape[:2]
    data = empty_i420(width, height)
    full = cv2.transform(rgb, color.rgb_to_yuv(height))
    for channel, target in enumerate(planes(data)):
        target[:] = cv2.resize(full[..., channel], (target.shape[1], target.shape[0]), interpolation=cv2.INTER_AREA)
    return data


def still_frame(rgb: NDArray[np.uint8], color: ColorSpec) -> "Frame":
    """Return RGB, uint8, (height, width, 3), as a frame at time 0; an odd width or height is padded by repeating the edge."""
    height, width = rgb.shape[:2]
    even = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return Frame(rgb_to_i420(even, color), 0, Fraction(1), color)


def i420_to_rgb(data: NDArray[np.uint8], color: ColorSpec, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Convert I420 in the given color to RGB, uint8, at ``size`` (width, height).

    The planes are resized before the conversion, so the cost depends on ``size``.
    """
    return _to_rgb([resize(plane, size) for plane in planes(data)], color.yuv_to_rgb(data.shape[0] * 2 // 3))


def _to_rgb(yuv: list[NDArray[np.uint8]], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.asarray(cv2.transform(cv2.merge(yuv), matrix), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """What a frame and a composite have in common.

    ``data`` is I420: uint8, shape (height * 3 / 2, width), C-contiguous, even sizes. ``pts * time_base`` is the time in seconds.
    """

    data: NDArray[np.uint8]
    pts: int
    time_base: Fraction
    color: ColorSpec = ColorSpec()

    @property
    def width(self) -> int:
        return int(self.data.shape[1])

    @property
    def height(self) -> int:
        return int(self.data.shape[0]) * 2 // 3

    @property
    def time(self) -> float:
        """Seconds."""
        return self.pts * self.time_base.numerator / self.time_base.denominator  # 15 times as fast as with the fraction itself

    @property
    def planes(self) -> Planes:
        return planes(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class Frame(_Picture):
    """A raw picture of the room and its time. No sink accepts one. ``data`` is read-only from here on."""

    pyramids: tuple[Pyramid, Pyramid, Pyramid] = field(init=False, repr=False)
    """Of the Y, U and V planes."""

    def __post_init__(self) -> None:
        rows, width = self.data.shape
        if self.data.dtype != np.uint8 or rows % 3 or width % 2 or not self.data.flags.c_contiguous:
            raise ValueError(f"A frame needs C-contiguous uint8 I420 of even size, got {self.data.dtype} {self.data.shape}.")
        self.data.flags.writeable = False
        luma, u, v = self.planes
        object.__setattr__(self, "pyramids", (Pyramid(luma), Pyramid(u), Pyramid(v)))

    @property
    def y(self) -> NDArray[np.uint8]:
        return self.planes[0]

    def rgb(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the picture at ``size`` (width, height) as RGB, uint8, shape (height, width, 3)."""
        return _to_rgb([pyramid.at(size) for pyramid in self.pyramids], self.color.yuv_to_rgb(self.height))


@dataclass(frozen=True, slots=True, eq=False)
class Matte:
    """The alpha matte of one frame: uint8, frame resolution, 255 = foreground.

    ``time`` is the time of the frame and ``picture_time`` the time of the picture that the network processed, both in seconds.
    They differ if the mask rate is lower than the frame rate; the difference is the age of the matte.
    """

    alpha: Alpha8
    time: float
    picture_time: float
    pyramid: Pyramid = field(init=False, repr=False)
    """Of ``alpha``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "pyramid", Pyramid(self.alpha))


_SEAL: Final = object()
"""Only code holding ``_SEAL`` can construct a Composite. Only :mod:`livebg.compositing.composite` uses it, which a test
verifies."""


@dataclass(frozen=True, slots=True, eq=False)
class Composite(_Picture):
    """A picture that may be shown, the only type that a sink accepts. Only :mod:`livebg.compositing.composite` makes one.

    ``alpha`` (uint8, (height, width)) is set for cutouts only: it is straight (not premultiplied), and the picture is black where
    it is 0.
    """

    alpha: Alpha8 | None = None
    seal: object = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise TypeError("Only livebg.compositing.composite can construct a Composite: no raw frame may leave livebg.")
