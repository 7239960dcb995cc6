"""A decoded picture's properties, layout, color and orientation, and its planes."""

import struct
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import av
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from livebg.imaging.frame import BT709, UNSPECIFIED, ColorSpec
from livebg.sources.av_compat import display_matrix
from livebg.sources.tonemap import HDR_TRANSFERS

_SRGB_TRANSFER: Final = 13


class Orientation(NamedTuple):
    """The transformation from stored to displayed pixels: first the transposition, then the flips."""

    transposed: bool = False
    hflip: bool = False
    vflip: bool = False

    def describe(self) -> str:
        """Return a clause for display."""
        names = {
            (True, True, False): "rotated by 90 degrees",
            (False, True, True): "rotated by 180 degrees",
            (True, False, True): "rotated by 270 degrees",
            (False, True, False): "mirrored left to right",
            (False, False, True): "mirrored top to bottom",
            (True, False, False): "rotated by 90 degrees and mirrored left to right",
            (True, True, True): "rotated by 270 degrees and mirrored left to right",
        }
        return names[self.transposed, self.hflip, self.vflip]

    @classmethod
    def of(cls, picture: av.VideoFrame) -> Self:
        """Return the orientation from the container's or codec's display matrix; angles that are not multiples of 90 degrees
        count as none.

        Do not call this for every picture: reading side data ties a picture into a reference cycle, and its memory is freed only
        by the garbage collector. A hundred megabytes can accumulate by then.
        """
        matrix = display_matrix(picture)
        if matrix is None:
            return cls()
        a, b, _, c, d = struct.unpack_from("=5i", matrix)
        if a == d == 0 and b and c:
            return cls(True, hflip=c < 0, vflip=b < 0)
        if b == c == 0 and a and d:
            return cls(False, hflip=a < 0, vflip=d < 0)
        return cls()


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """The properties that determine how a picture is converted to I420; all pictures of one kind share a filter graph."""

    pix_fmt: str
    width: int
    height: int
    orientation: Orientation
    matrix: int
    primaries: int
    transfer: int
    full_range: bool
    rgb: bool
    bottom_up: bool
    interlaced: bool

    @classmethod
    def of(cls, picture: av.VideoFrame, orientation: Orientation, interlaced: bool) -> Self:
        """Return the kind of ``picture``. ``interlaced`` is whether to deinterlace, which depends on more than one picture."""
        layout = picture.format
        # FFmpeg treats untagged gray as full range; every yuvj format is full range.
        untagged_full = layout.name.startswith(("yuvj", "gray")) and picture.color_range != ColorRange.MPEG
        return cls(
            pix_fmt=layout.name,
            width=picture.width,
            height=picture.height,
            orientation=orientation,
            # Code point 0 is R'G'B', invalid for luma and chroma planes; encoders reject it.
            matrix=picture.colorspace or UNSPECIFIED,
            primaries=picture.color_primaries,
            transfer=picture.color_trc,
            full_range=picture.color_range == ColorRange.JPEG or untagged_full,
            rgb=layout.is_rgb or layout.has_palette,
            bottom_up=any(plane.line_size < 0 for plane in picture.planes),
            interlaced=interlaced,
        )

    @property
    def hdr(self) -> str | None:
        """The HDR transfer's name, or None for SDR."""
        return HDR_TRANSFERS.get(self.transfer)

    @property
    def display_size(self) -> tuple[int, int]:
        """Width and height after rotation."""
        return (self.height, self.width) if self.orientation.transposed else (self.width, self.height)

    @property
    def color(self) -> ColorSpec:
        """The color after conversion to 8-bit SDR YUV."""
        if self.hdr:
            return ColorSpec(BT709, BT709, BT709, False)
        if self.rgb:
            primaries = BT709 if self.primaries == UNSPECIFIED else self.primaries
            transfer = _SRGB_TRANSFER if self.transfer == UNSPECIFIED else self.transfer
            return ColorSpec(UNSPECIFIED, primaries, transfer, False).with_default_matrix(self.height)
        color = ColorSpec(self.matrix, self.primaries, self.transfer, self.full_range)
        # A later guess would use the transposed height.
        return color.with_default_matrix(self.height) if self.orientation.transposed else color


def plane_views(image: av.VideoFrame) -> list[NDArray[np.uint8]]:
    """Return views of the planes of an 8-bit planar picture without row padding, each (height, width)."""
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in image.planes
    ]
