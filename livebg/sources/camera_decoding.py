"""Decodes what a camera delivers, compressed or raw, to I420 in limited-range BT.601."""

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
from livebg.v4l2 import abi

CAMERA_COLOR: Final = ColorSpec(BT601, BT601, BT601)
"""The color of all camera frames: limited range, as loopback readers assume."""
MICROSECONDS: Final = Fraction(1, 1_000_000)

_RAW_FORMATS: Final = {"YUYV": "yuyv422", "UYVY": "uyvy422", "NV12": "nv12", "YU12": "yuv420p"}
_CODECS: Final = {"MJPG": "mjpeg", "JPEG": "mjpeg", "H264": "h264"}
INTER_CODED: Final = frozenset({"H264"})
"""Inter-coded pixel formats: no picture can be skipped."""
_OTHER_MATRICES: Final = (BT709, BT2020)
"""The matrices other than BT.601 that cameras use."""
_SCALER_BT601: Final = 5
"""libswscale's number for the BT.601 matrix."""
_JPEG_FORMATS: Final = ("yuvj422p", "yuvj420p")
"""The formats that webcam JPEGs decode to: full range, chroma at half width."""
_FULL_RANGE: Final = 2
"""FFmpeg's ``AVCOL_RANGE_JPEG``."""


class CorruptPicture(Exception):
    """A buffer that does not hold a complete picture."""


@dataclass(frozen=True, slots=True)
class CameraPicture:
    """A decoded picture in its original color; ``pts`` is in microseconds."""

    image: av.VideoFrame
    color: ColorSpec
    pts: int


def picture_reader(pix: abi.PixFormat) -> "RawReader | CompressedReader":
    """Return the reader for a negotiated format, one of :data:`livebg.v4l2.modes.DECODE_COST`."""
    name = abi.fourcc_text(pix.pixelformat)
    return RawReader(pix) if name in _RAW_FORMATS else CompressedReader(_CODECS[name])


class RawReader:
    """Reads uncompressed pictures and drops row padding."""

    def __init__(self, pix: abi.PixFormat) -> None:
        self._size = pix.width, pix.height
        self._format = _RAW_FORMATS[abi.fourcc_text(pix.pixelformat)]
        self._color = raw_color(pix)
        image = av.VideoFrame(*self._size, self._format)
        min_stride = image.planes[0].width * (2 if len(image.planes) == 1 else 1)
        stride = max(pix.bytesperline, min_stride)
        # The chroma stride is the luma stride divided by the ratio of the widths (kernel documentation).
        half_width = self._format == "yuv420p"
        self._strides = [stride // 2 if half_width and number else stride for number in range(len(image.planes))]
        self._min_size = sum(plane.height * each for plane, each in zip(image.planes, self._strides, strict=True))

    def read(self, data: bytes, pts: int) -> list[CameraPicture]:
        """Return the picture in a buffer; ``pts`` is in microseconds. Raises :class:`CorruptPicture` if it is incomplete."""
        if len(data) < self._min_size:
            raise CorruptPicture(f"{len(data)} bytes instead of {self._min_size}")
        return [CameraPicture(self._image(data), self._color, pts)]

    def _image(self, data: bytes) -> av.VideoFrame:
        image = av.VideoFrame(*self._size, self._format)
        samples, start = np.frombuffer(data, np.uint8), 0
        for plane, stride in zip(image.planes, self._strides, strict=True):
            end = start + plane.height * stride
            rows = samples[start:end].reshape(plane.height, stride)
            target = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
            columns = min(stride, plane.line_size)
            target[:, :columns] = rows[:, :columns]
            start = end
        return image


class CompressedReader:
    """Decodes Motion JPEG or H.264 on one thread."""

    def __init__(self, codec: str) -> None:
        context = av.CodecContext.create(codec, "r")
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1
        context.flags |= Flags.low_delay
        # Otherwise a truncated JPEG decodes to a picture with a gray bottom.
        context.options = {"err_detect": "explode"} if codec == "mjpeg" else {}
        self._context = context
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
        return [CameraPicture(image, self._color(image), pts if image.pts is None else image.pts) for image in images]

    def _color(self, image: av.VideoFrame) -> ColorSpec:
        """Return the color: JFIF's for a JPEG, the tagged one for video, or limited BT.601."""
        full = self._jpeg or image.color_range == _FULL_RANGE
        return ColorSpec(BT601 if self._jpeg or image.colorspace == UNSPECIFIED else image.colorspace, full_range=full)


class CameraConverter:
    """Converts the pictures of ``camera``, a name for messages, to frames of its ``format``: I420 in :data:`CAMERA_COLOR`."""

    def __init__(self, camera: str, format: VideoFormat) -> None:  # noqa: A002 - the usual term
        self._camera, self._format = camera, format
        self._last_pts = -1
        self._reformatter = VideoReformatter()

    def frame(self, picture: CameraPicture) -> Frame:
        """Return a frame with the picture's time. Raises :class:`~livebg.errors.SourceError` if its size has changed."""
        form, image = self._format, picture.image
        if (image.width, image.height) != (form.width, form.height):
            raise SourceError(
                f"The camera {self._camera} changed its picture size from {form.width}x{form.height} to "
                f"{image.width}x{image.height}.",
                "Open it again.",
            )
        # Timestamps can repeat or go backwards; pts must increase.
        self._last_pts = max(picture.pts, self._last_pts + 1)
        return Frame(self._convert(picture), self._last_pts, MICROSECONDS, form.color)

    def _convert(self, picture: CameraPicture) -> NDArray[np.uint8]:
        image, color = picture.image, picture.color
        other = color.matrix in _OTHER_MATRICES
        if color.full_range and not other and image.format.name in _JPEG_FORMATS:
            return _jpeg_to_limited_range(image)
        if image.format.name != "yuv420p" or (color.full_range and not other):
            data_range = ColorRange.JPEG if color.full_range else ColorRange.MPEG
            image = self._reformatter.reformat(
                image,
                format="yuv420p",
                src_colorspace=_SCALER_BT601,
                dst_colorspace=_SCALER_BT601,
                src_color_range=data_range,
                dst_color_range=data_range if other else ColorRange.MPEG,
                threads=1,
            )
        data = empty_i420(image.width, image.height)
        for rows, target in zip(plane_views(image), planes(data), strict=True):
            target[:] = rows
        # libswscale converts between matrices through RGB, at ten times the cost.
        return convert_i420(data, color, CAMERA_COLOR) if other else data


def _jpeg_to_limited_range(image: av.VideoFrame) -> NDArray[np.uint8]:
    """Convert a full-range 4:2:2 or 4:2:0 JPEG to limited-range I420, in a third of libswscale's time.

    Two rows of 4:2:2 chroma are averaged into one. The ranges are those of H.273, equations 20 to 31.
    """
    data = empty_i420(image.width, image.height)
    for rows, target, scale in zip(plane_views(image), planes(data), (219, 224, 224), strict=True):
        lowest = 16 if scale == 219 else 128 - 128 * scale / 255
        if len(rows) == len(target):
            cv2.addWeighted(rows, scale / 255, rows, 0, lowest, dst=target)
        else:
            average_row_pairs(rows, scale / 255, lowest, target)
    return data


def plane_views(image: av.VideoFrame) -> list[NDArray[np.uint8]]:
    """Return views of the planes of an 8-bit planar picture without row padding, each (height, width)."""
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in image.planes
    ]


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
