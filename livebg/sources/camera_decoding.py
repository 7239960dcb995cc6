"""Decodes what a camera delivers, compressed or raw, to I420 in limited-range BT.601."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
import cv2
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, VideoReformatter
from numpy.typing import NDArray

from livebg.errors import SourceError
from livebg.imaging.colorspace import convert_i420
from livebg.imaging.frame import BT601, BT709, BT2020, UNSPECIFIED, ColorSpec, Frame, VideoFormat, empty_i420, planes
from livebg.imaging.pyramid import split_channels
from livebg.sources.pixel_layout import plane_views
from livebg.v4l2 import abi

CAMERA_COLOR: Final = ColorSpec(BT601, BT601, BT601)
"""The color of all camera frames: limited range, as loopback readers assume."""
MICROSECONDS: Final = Fraction(1, 1_000_000)

_RAW_FORMATS: Final = frozenset({"YUYV", "UYVY", "NV12", "YU12"})
_CODECS: Final = {"MJPG": "mjpeg", "JPEG": "mjpeg", "H264": "h264"}
INTER_CODED: Final = frozenset({"H264"})
"""Inter-coded pixel formats: no picture can be skipped."""
_OTHER_MATRICES: Final = (BT709, BT2020)
"""The matrices other than BT.601 that cameras use."""
_SCALER_BT601: Final = 5
"""libswscale's number for the BT.601 matrix."""
_PLANAR_FORMATS: Final = ("yuvj422p", "yuv420p", "yuvj420p", "yuv422p")


class CorruptPicture(Exception):
    """A buffer that does not hold a complete picture."""


@dataclass(frozen=True, slots=True, eq=False)
class CameraPicture:
    """A picture in its original color: 8-bit luma (height, width), and chroma of half the width and the same or half the height.

    ``pts`` is in microseconds.
    """

    planes: Sequence[NDArray[np.uint8]]
    color: ColorSpec
    pts: int


def picture_reader(pix: abi.PixFormat) -> "RawReader | CompressedReader":
    """Return the reader for a negotiated format, one of :data:`livebg.v4l2.modes.DECODE_COST`."""
    name = abi.fourcc_text(pix.pixelformat)
    return RawReader(pix) if name in _RAW_FORMATS else CompressedReader(_CODECS[name])


class RawReader:
    """Reads uncompressed pictures without row padding."""

    def __init__(self, pix: abi.PixFormat) -> None:
        self._width, self._height = pix.width, pix.height
        self._format = abi.fourcc_text(pix.pixelformat)
        self._color = raw_color(pix)
        packed = self._format in ("YUYV", "UYVY")
        self._stride = max(pix.bytesperline, pix.width * (2 if packed else 1))
        # The chroma stride is the luma stride divided by the ratio of the widths (kernel documentation).
        chroma_rows = {"NV12": self._stride, "YU12": self._stride // 2 * 2}.get(self._format, 0)
        self._min_size = self._stride * pix.height + chroma_rows * (pix.height // 2)

    def read(self, data: bytes, pts: int) -> list[CameraPicture]:
        """Return the picture in a buffer; ``pts`` is in microseconds. Raises :class:`CorruptPicture` if it is incomplete."""
        if len(data) < self._min_size:
            raise CorruptPicture(f"{len(data)} bytes instead of {self._min_size}")
        return [CameraPicture(self._planes(data), self._color, pts)]

    def _planes(self, data: bytes) -> Sequence[NDArray[np.uint8]]:
        width, height, stride = self._width, self._height, self._stride
        end = stride * height
        if self._format in ("YUYV", "UYVY"):
            luma, chroma = split_channels(_strided(data, 0, (height, width, 2), stride))[:: 1 if self._format == "YUYV" else -1]
            return luma, *split_channels(average_row_pairs(chroma).reshape(height // 2, width // 2, 2))
        luma = _strided(data, 0, (height, width), stride)
        if self._format == "NV12":
            return luma, *split_channels(_strided(data, end, (height // 2, width // 2, 2), stride))
        half = stride // 2
        return luma, *(_strided(data, start, (height // 2, width // 2), half) for start in (end, end + half * (height // 2)))


class CompressedReader:
    """Decodes Motion JPEG or H.264 on one thread."""

    def __init__(self, codec: str) -> None:
        context = av.CodecContext.create(codec, "r")
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1
        context.flags |= Flags.low_delay
        # Otherwise a truncated JPEG decodes to a picture with a gray bottom.
        context.options = {"err_detect": "explode"} if codec == "mjpeg" else {}
        self._context, self._planes = context, PlaneReader()
        self._jpeg = codec == "mjpeg"

    def read(self, data: bytes, pts: int) -> list[CameraPicture]:
        """Decode a buffer; the codec may delay a picture. ``pts`` is in microseconds. Raises :class:`CorruptPicture` if it does
        not decode.
        """
        packet = av.Packet(data)
        packet.pts, packet.time_base = pts, MICROSECONDS
        try:
            images = self._context.decode(packet)
        except av.error.FFmpegError as error:
            raise CorruptPicture(str(error)) from error
        if self._jpeg and not images:
            raise CorruptPicture("it holds no picture")
        return [self._planes.picture(image, self._color(image), pts if image.pts is None else image.pts) for image in images]

    def _color(self, image: av.VideoFrame) -> ColorSpec:
        """Return the color: JFIF's for a JPEG, the tagged one for video, or limited BT.601."""
        full = self._jpeg or image.color_range == ColorRange.JPEG
        return ColorSpec(BT601 if self._jpeg or image.colorspace == UNSPECIFIED else image.colorspace, full_range=full)


class PlaneReader:
    """Reads the planes of decoded pictures. libswscale converts layouts other than 8-bit planar 4:2:2 and 4:2:0."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def picture(self, image: av.VideoFrame, color: ColorSpec, pts: int) -> CameraPicture:
        """Return the picture; ``pts`` is in microseconds."""
        if image.format.name not in _PLANAR_FORMATS:
            data_range = ColorRange.JPEG if color.full_range else ColorRange.MPEG
            image = self._reformatter.reformat(
                image,
                format="yuv420p",
                src_colorspace=_SCALER_BT601,
                dst_colorspace=_SCALER_BT601,
                src_color_range=data_range,
                dst_color_range=data_range,
                threads=1,
            )
        return CameraPicture(plane_views(image), color, pts)


class CameraConverter:
    """Converts the pictures of ``camera``, a name for messages, to frames of its ``format``: I420 in :data:`CAMERA_COLOR`."""

    def __init__(self, camera: str, format: VideoFormat) -> None:  # noqa: A002 - the usual term
        self._camera, self._format = camera, format
        self._last_pts = -1

    def frame(self, picture: CameraPicture) -> Frame:
        """Return a frame with the picture's time. Raises :class:`~livebg.errors.SourceError` if its size has changed."""
        form, (height, width) = self._format, picture.planes[0].shape
        if (width, height) != (form.width, form.height):
            raise SourceError(
                f"The camera {self._camera} changed its picture size from {form.width}x{form.height} to {width}x{height}.",
                "Open it again.",
            )
        # Timestamps can repeat or go backwards; pts must increase.
        self._last_pts = max(picture.pts, self._last_pts + 1)
        return Frame(_convert(picture), self._last_pts, MICROSECONDS, form.color)


def _convert(picture: CameraPicture) -> NDArray[np.uint8]:
    """Convert to I420 in :data:`CAMERA_COLOR`. Two rows of 4:2:2 chroma are averaged into one."""
    color = picture.color
    height, width = picture.planes[0].shape
    other = color.matrix in _OTHER_MATRICES
    data = empty_i420(width, height)
    for rows, target, levels in zip(picture.planes, planes(data), (219, 224, 224), strict=True):
        # The ranges of H.273, equations 20 to 31. Conversion between matrices, through RGB, converts the range itself.
        scale = levels / 255 if color.full_range and not other else 1.0
        lowest = 0.0 if scale == 1 else 16.0 if levels == 219 else 128 * (1 - scale)
        if len(rows) != len(target):
            average_row_pairs(rows, scale, lowest, target)
        elif scale == 1:
            target[:] = rows
        else:
            cv2.convertScaleAbs(rows, dst=target, alpha=scale, beta=lowest)
    return convert_i420(data, color, CAMERA_COLOR) if other else data


def _strided(data: bytes, start: int, shape: tuple[int, ...], stride: int) -> NDArray[np.uint8]:
    """Return a view of a plane of one or two channels that starts at byte ``start`` and has ``stride`` bytes per row."""
    return np.ndarray(shape, np.uint8, data, start, (stride, *([2] if len(shape) == 3 else []), 1))


def average_row_pairs(
    rows: NDArray[np.uint8], scale: float = 1.0, offset: float = 0.0, out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Average each two rows of 4:2:2 chroma into one of 4:2:0, times ``scale`` plus ``offset``. Writes to ``out`` if given."""
    return np.asarray(cv2.addWeighted(rows[0::2], scale / 2, rows[1::2], scale / 2, offset, dst=out), np.uint8)


def raw_color(pix: abi.PixFormat) -> ColorSpec:
    """Return the color of uncompressed pictures: the driver's, or limited BT.601 if it gives none."""
    has_color = pix.priv == abi.PIX_FMT_PRIV_MAGIC
    encoding = pix.ycbcr_enc if has_color else abi.YCBCR_ENC_DEFAULT
    quantization = pix.quantization if has_color else abi.QUANTIZATION_DEFAULT
    if encoding == abi.YCBCR_ENC_DEFAULT:
        encoding = _ENCODINGS.get(pix.colorspace, abi.YCBCR_ENC_601)
    if quantization == abi.QUANTIZATION_DEFAULT and pix.colorspace == abi.COLORSPACE_JPEG:
        quantization = abi.QUANTIZATION_FULL_RANGE
    return ColorSpec(_MATRICES.get(encoding, BT601), full_range=quantization == abi.QUANTIZATION_FULL_RANGE)


_ENCODINGS: Final = {
    abi.COLORSPACE_REC709: abi.YCBCR_ENC_709,
    abi.COLORSPACE_DCI_P3: abi.YCBCR_ENC_709,
    abi.COLORSPACE_BT2020: abi.YCBCR_ENC_BT2020,
}
"""The default encoding by colorspace if it is not BT.601 (``V4L2_MAP_YCBCR_ENC_DEFAULT``)."""
_MATRICES: Final = {
    abi.YCBCR_ENC_709: BT709,
    abi.YCBCR_ENC_XV709: BT709,
    abi.YCBCR_ENC_BT2020: BT2020,
    abi.YCBCR_ENC_BT2020_CONST_LUM: BT2020,
}
