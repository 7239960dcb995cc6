"""Composites as libav frames in the encoders' pixel formats."""

from __future__ import annotations  # PyAV's classes are generic only in its stubs

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.errors import SinkError
from livebg.imaging.frame import Alpha8, ColorSpec, Composite

Channel = NDArray[np.uint8] | NDArray[np.uint16]

_TEN_BIT_444: Final = "yuva444p10le"
_TEN_BIT_BLACK: Final = 64
_TEN_BIT_NEUTRAL: Final = 512


def stored_color(color: ColorSpec, pix_fmt: str) -> ColorSpec:
    """Return the color of the frames that :func:`to_av` makes from composites of ``color``."""
    return replace(color, full_range=False) if pix_fmt == _TEN_BIT_444 else color


def tag_color(target: av.VideoCodecContext | av.VideoFrame, color: ColorSpec) -> None:
    target.colorspace, target.color_primaries, target.color_trc = color.matrix, color.primaries, color.transfer
    target.color_range = 2 if color.full_range else 1


def to_av(composite: Composite, pix_fmt: str) -> av.VideoFrame:
    """Return a copy of the composite as an ``av.VideoFrame`` without a timestamp.

    ``pix_fmt`` is "yuv420p" (bytes unchanged), "gray" (luma alone), "yuva420p" (I420 plus alpha) or "yuva444p10le" (10 bits,
    limited range, chroma at full size). Raises SinkError if the format has alpha and the composite does not.
    """
    frame = av.VideoFrame(composite.width, composite.height, pix_fmt)
    if pix_fmt == "yuv420p":
        _fill(frame, composite.planes)
    elif pix_fmt == "gray":
        _fill(frame, composite.planes[:1])
    elif composite.alpha is None:
        raise SinkError(f"The composite at {composite.time:.3f} s has no alpha, which a cutout needs.", "Use mode cutout.")
    elif pix_fmt == "yuva420p":
        _fill(frame, [*composite.planes, composite.alpha])
    else:
        _fill(frame, _ten_bit_444(composite, composite.alpha))
    return frame


def _fill(frame: av.VideoFrame, channels: Sequence[Channel]) -> None:
    for plane, channel in zip(frame.planes, channels, strict=True):
        # libav pads the rows of a plane.
        target = np.frombuffer(memoryview(plane), channel.dtype.type).reshape(plane.height, -1)
        target[:, : plane.width] = channel


def _ten_bit_444(composite: Composite, alpha: Alpha8) -> list[Channel]:
    """Return Y, U, V and alpha as 10-bit uint16, shape (height, width) each; ProRes supports only limited range."""
    y, u, v = composite.planes
    codes = np.arange(256, dtype=np.float64)
    luma, chroma = codes * 4, codes * 4
    if composite.color.full_range:
        luma, chroma = _TEN_BIT_BLACK + codes * 876 / 255, _TEN_BIT_NEUTRAL + (codes - 128) * 896 / 255
    luma_table, chroma_table = (np.rint(table).clip(4, 1019).astype(np.uint16) for table in (luma, chroma))
    size = (y.shape[1], y.shape[0])
    large_u, large_v = (cv2.resize(chroma_table[plane], size, interpolation=cv2.INTER_LINEAR) for plane in (u, v))
    picture: list[Channel] = [luma_table[y], large_u.astype(np.uint16, copy=False), large_v.astype(np.uint16, copy=False)]
    # Full-size chroma would spread the person's colors past the edge: set fully transparent pixels to black.
    for plane, black in zip(picture, (_TEN_BIT_BLACK, _TEN_BIT_NEUTRAL, _TEN_BIT_NEUTRAL), strict=True):
        plane[alpha == 0] = black
    return [*picture, ((alpha.astype(np.uint32) * 1023 + 127) // 255).astype(np.uint16)]
