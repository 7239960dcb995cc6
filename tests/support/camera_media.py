"""Camera data in several formats, made from RGB pictures."""

from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from livebg.imaging.frame import BT601, ColorSpec, planes, rgb_to_i420

Rgb = NDArray[np.uint8]
LIMITED = ColorSpec(BT601)
FULL = ColorSpec(BT601, full_range=True)
COLORS = ((255, 255, 255), (0, 0, 0), (200, 60, 30), (30, 200, 60), (60, 30, 200), (220, 180, 150), (90, 90, 90), (240, 240, 20))


def bars(width: int = 640, height: int = 480) -> Rgb:
    """Vertical bars of :data:`COLORS`."""
    return np.repeat(np.repeat(np.array([COLORS], np.uint8), height, axis=0), width // len(COLORS), axis=1)


def still(rgb: Rgb, luma: int) -> Rgb:
    """A flat gray picture of the same size."""
    return np.full_like(rgb, luma)


def jpeg(rgb: Rgb, quality: int = 2, pix_fmt: str = "yuvj422p") -> bytes:
    """A full-range JFIF picture, as webcams make them. ``quality`` is FFmpeg's quantiser, 2 the best."""
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.height, encoder.width = rgb.shape[:2]
    encoder.pix_fmt, encoder.time_base = pix_fmt, Fraction(1, 30)
    encoder.qmin = encoder.qmax = quality
    data = rgb_to_i420(rgb, FULL)
    image = av.VideoFrame.from_ndarray(data, format="yuvj420p").reformat(format=pix_fmt)
    image.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(image), *encoder.encode(None)])


def h264(pictures: list[Rgb]) -> list[bytes]:
    """Packets of a stream, one per picture, each with a different picture."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.height, encoder.width = pictures[0].shape[:2]
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, 30)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "1"}
    packets = []
    for number, rgb in enumerate(pictures):
        image = av.VideoFrame.from_ndarray(rgb_to_i420(rgb, LIMITED), format="yuv420p")
        image.pts = number
        packets += [bytes(packet) for packet in encoder.encode(image)]
    return packets


def raw(rgb: Rgb, pixel_format: str, color: ColorSpec = LIMITED, padding: int = 0) -> bytes:
    """An uncompressed picture in ``YUYV``, ``UYVY``, ``NV12`` or ``YU12``, with ``padding`` bytes after each row."""
    y, u, v = planes(rgb_to_i420(rgb, color))
    match pixel_format:
        case "YUYV" | "UYVY":
            chroma = np.repeat(np.stack([u, v], axis=-1).reshape(u.shape[0], -1), 2, axis=0)
            pair = (y, chroma) if pixel_format == "YUYV" else (chroma, y)
            return _rows(np.stack(pair, axis=-1).reshape(y.shape[0], -1), padding)
        case "NV12":
            return _rows(y, padding) + _rows(np.stack([u, v], axis=-1).reshape(u.shape[0], -1), padding)
        case _:
            return _rows(y, padding) + _rows(u, padding // 2) + _rows(v, padding // 2)


def _rows(plane: NDArray[np.uint8], padding: int) -> bytes:
    return np.pad(plane, ((0, 0), (0, padding)), constant_values=99).tobytes()
