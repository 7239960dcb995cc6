"""From what a camera delivers, compressed or raw, to I420 in the one colour that readers of a virtual camera take for granted."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Protocol

import av
import cv2
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, VideoReformatter
from numpy.typing import NDArray

from livebg.errors import SourceError
from livebg.imaging.colorspace import recolored
from livebg.imaging.frame import BT601, BT709, BT2020, UNSPECIFIED, ColorSpec, VideoFormat, blank, planes
from livebg.v4l2 import abi

CAMERA_COLOR: Final = ColorSpec(BT601, BT601, BT601)
"""What every camera's frames are in: limited range, as loopback readers assume."""
MICROSECONDS: Final = Fraction(1, 1_000_000)

_RAW: Final = {"YUYV": "yuyv422", "UYVY": "uyvy422", "NV12": "nv12", "YU12": "yuv420p"}
_CODECS: Final = {"MJPG": "mjpeg", "JPEG": "mjpeg", "H264": "h264"}
BUILDS_ON_OTHERS: Final = frozenset({"H264"})
"""Pixel formats of which no picture may be left out."""
_OTHER_MATRICES: Final = (BT709, BT2020)
"""All that cameras say beside BT.601."""
_SCALER_BT601: Final = 5
"""libswscale's number for the matrix of BT.601."""
_JPEGS: Final = ("yuvj422p", "yuvj420p")
"""What webcams' JPEGs decode to: full range, chroma halved in width."""
_FULL: Final = 2
"""FFmpeg's number for full range."""


class DamagedPicture(Exception):
    """A buffer that is no whole picture."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture, its colours as they came, and its pts in microseconds."""

    image: av.VideoFrame
    color: ColorSpec
    pts: int

    @property
    def size(self) -> tuple[int, int]:
        return self.image.width, self.image.height


class PictureReader(Protocol):
    """Buffers in, pictures out; a codec may hold a picture back."""

    def read(self, data: bytes, pts: int) -> list[Picture]:
        """``pts`` in microseconds. Raises :class:`DamagedPicture` for what does not decode."""
        ...


def picture_reader(pix: abi.PixFormat) -> PictureReader:
    """The reader for a negotiated format whose pixel format is one of :data:`livebg.v4l2.modes.COSTS`."""
    name = abi.fourcc_text(pix.pixelformat)
    return RawReader(pix) if name in _RAW else CompressedReader(_CODECS[name])


class RawReader:
    """Uncompressed pictures: their rows, whatever lies between them."""

    def __init__(self, pix: abi.PixFormat) -> None:
        self._size = pix.width, pix.height
        self._format = _RAW[abi.fourcc_text(pix.pixelformat)]
        self._color = raw_color(pix)
        image = av.VideoFrame(*self._size, self._format)
        packed = image.planes[0].width * (2 if len(image.planes) == 1 else 1)
        stride = max(pix.bytesperline, packed)
        # Chroma planes have the luma plane's stride over the ratio of their widths, as the kernel's documentation has it.
        halved = self._format == "yuv420p"
        self._strides = [stride // 2 if halved and number else stride for number in range(len(image.planes))]
        self._needed = sum(plane.height * each for plane, each in zip(image.planes, self._strides, strict=True))

    def read(self, data: bytes, pts: int) -> list[Picture]:
        if len(data) < self._needed:
            raise DamagedPicture(f"{len(data)} bytes where a picture has {self._needed}")
        return [Picture(self._image(data), self._color, pts)]

    def _image(self, data: bytes) -> av.VideoFrame:
        image = av.VideoFrame(*self._size, self._format)
        given, start = np.frombuffer(data, np.uint8), 0
        for plane, stride in zip(image.planes, self._strides, strict=True):
            end = start + plane.height * stride
            rows = given[start:end].reshape(plane.height, stride)
            target = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
            columns = min(stride, plane.line_size)
            target[:, :columns] = rows[:, :columns]
            start = end
        return image


class CompressedReader:
    """Motion JPEG, and H.264, on one thread."""

    def __init__(self, codec: str) -> None:
        context = av.CodecContext.create(codec, "r")
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1
        context.flags |= Flags.low_delay
        # Without it a JPEG that breaks off comes out as a picture whose rest is grey.
        context.options = {"err_detect": "explode"} if codec == "mjpeg" else {}
        self._context = context
        self._jpeg = codec == "mjpeg"

    def read(self, data: bytes, pts: int) -> list[Picture]:
        packet = av.Packet(data)
        packet.pts, packet.time_base = pts, MICROSECONDS
        try:
            images = self._context.decode(packet)
        except av.error.FFmpegError as error:
            raise DamagedPicture(str(error)) from error
        if self._jpeg and not images:
            raise DamagedPicture("no picture in it")
        return [Picture(image, self._color(image), pts if image.pts is None else image.pts) for image in images]

    def _color(self, image: av.VideoFrame) -> ColorSpec:
        """JFIF knows one colour; video says which, or is taken as raw pictures are."""
        full = self._jpeg or image.color_range == _FULL
        return ColorSpec(BT601 if self._jpeg or image.colorspace == UNSPECIFIED else image.colorspace, full_range=full)


class CameraConverter:
    """Brings pictures into I420 in :data:`CAMERA_COLOR`, on one thread."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def convert(self, picture: Picture) -> NDArray[np.uint8]:
        """A new I420 array of the picture's size, which is even."""
        image, color = picture.image, picture.color
        other = color.matrix in _OTHER_MATRICES
        if color.full_range and not other and image.format.name in _JPEGS:
            return _limited(image)
        if image.format.name != "yuv420p" or (color.full_range and not other):
            given = ColorRange.JPEG if color.full_range else ColorRange.MPEG
            image = self._reformatter.reformat(
                image,
                format="yuv420p",
                src_colorspace=_SCALER_BT601,
                dst_colorspace=_SCALER_BT601,
                src_color_range=given,
                dst_color_range=given if other else ColorRange.MPEG,
                threads=1,
            )
        data = _contiguous(image)
        # Between matrices libswscale goes through RGB, at ten times the cost.
        return recolored(data, color, CAMERA_COLOR) if other else data


def _limited(image: av.VideoFrame) -> NDArray[np.uint8]:
    """A JPEG's full range in 4:2:2 or 4:2:0 as limited I420, at a third of what libswscale takes for it.

    Two rows of chroma become one by their mean. H.273, equations 20 to 31, has both ranges.
    """
    data = blank(image.width, image.height)
    for plane, target, scale in zip(image.planes, planes(data), (219, 224, 224), strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        lowest = 16 if scale == 219 else 128 - 128 * scale / 255
        if plane.height == target.shape[0]:
            cv2.addWeighted(rows, scale / 255, rows, 0, lowest, dst=target)
        else:
            cv2.addWeighted(rows[0::2], scale / 510, rows[1::2], scale / 510, lowest, dst=target)
    return data


def _contiguous(image: av.VideoFrame) -> NDArray[np.uint8]:
    data = blank(image.width, image.height)
    for plane, target in zip(image.planes, planes(data), strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        target[:] = rows[:, : plane.width]
    return data


def size_changed(camera: str, picture: Picture, form: VideoFormat) -> SourceError:
    """The sentence for a picture that is not of the negotiated size."""
    before, after = f"{form.width}x{form.height}", "{}x{}".format(*picture.size)
    return SourceError(f"the camera {camera} changed its picture from {before} to {after}: open it again")


def raw_color(pix: abi.PixFormat) -> ColorSpec:
    """How uncompressed pictures are to be read: what the driver says, and limited BT.601 where it says nothing."""
    told = pix.priv == abi.PIX_FMT_PRIV_MAGIC
    encoding = pix.ycbcr_enc if told else abi.YCBCR_ENC_DEFAULT
    quantization = pix.quantization if told else abi.QUANTIZATION_DEFAULT
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
"""What "default" stands for, by colour space, where it is not BT.601 (``V4L2_MAP_YCBCR_ENC_DEFAULT``)."""
_MATRICES: Final = {
    abi.YCBCR_ENC_709: BT709,
    abi.YCBCR_ENC_XV709: BT709,
    abi.YCBCR_ENC_BT2020: BT2020,
    abi.YCBCR_ENC_BT2020_CONST_LUM: BT2020,
}
