"""Composites as libav's frames, in each pixel format that the encoders are asked for."""

from collections.abc import Sequence
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.errors import SinkError
from livebg.imaging.frame import Alpha8, Composite, planes

Channel = NDArray[np.uint8] | NDArray[np.uint16]

_TEN_BIT_BLACK: Final = 64
_TEN_BIT_NEUTRAL: Final = 512


def to_av(composite: Composite, pix_fmt: str) -> av.VideoFrame:
    """A copy of the composite as an ``av.VideoFrame`` (no time on it yet).

    ``pix_fmt`` is "yuv420p" (the bytes as they are), "yuva420p" (the same, and alpha) or "yuva444p10le" (10 bits, limited range,
    chroma at full size). Raises SinkError when the format has alpha and the composite has none.
    """
    frame = av.VideoFrame(composite.width, composite.height, pix_fmt)
    if pix_fmt == "yuv420p":
        _fill(frame, planes(composite.data))
    elif composite.alpha is None:
        raise SinkError(f"the composite at {composite.time:.3f} s has no alpha, which a cut-out needs: make it in mode cutout")
    elif pix_fmt == "yuva420p":
        _fill(frame, [*planes(composite.data), composite.alpha])
    else:
        _fill(frame, _ten_bit_444(composite, composite.alpha))
    return frame


def _fill(frame: av.VideoFrame, channels: Sequence[Channel]) -> None:
    for plane, channel in zip(frame.planes, channels, strict=True):
        # libav pads the rows of a plane to its own liking.
        target = np.frombuffer(memoryview(plane), channel.dtype.type).reshape(plane.height, -1)
        target[:, : plane.width] = channel


def _ten_bit_444(composite: Composite, alpha: Alpha8) -> list[Channel]:
    """Y, U, V and alpha, uint16 of 10 bits, shape (height, width) each; ProRes knows limited range only."""
    y, u, v = planes(composite.data)
    codes = np.arange(256, dtype=np.float64)
    luma, chroma = codes * 4, codes * 4
    if composite.color.full_range:
        luma, chroma = _TEN_BIT_BLACK + codes * 876 / 255, _TEN_BIT_NEUTRAL + (codes - 128) * 896 / 255
    luma_table, chroma_table = (np.rint(table).clip(4, 1019).astype(np.uint16) for table in (luma, chroma))
    size = (y.shape[1], y.shape[0])
    large_u, large_v = (cv2.resize(chroma_table[plane], size, interpolation=cv2.INTER_LINEAR) for plane in (u, v))
    picture: list[Channel] = [luma_table[y], large_u.astype(np.uint16, copy=False), large_v.astype(np.uint16, copy=False)]
    # Chroma at full size would carry the person's colours past the edge: nothing shows where nothing is.
    for plane, nothing in zip(picture, (_TEN_BIT_BLACK, _TEN_BIT_NEUTRAL, _TEN_BIT_NEUTRAL), strict=True):
        plane[alpha == 0] = nothing
    return [*picture, ((alpha.astype(np.uint32) * 1023 + 127) // 255).astype(np.uint16)]
