"""The structs of the Video4Linux API, version 2, from ``<linux/videodev2.h>``.

Sizes assume 64-bit time, which every kernel that runs Python 3.11 supports.
"""

import ctypes
from fractions import Fraction
from typing import Final

_U32: Final = ctypes.c_uint32


class Capability(ctypes.Structure):
    """``v4l2_capability``: the driver's identity. ``device_caps`` are this node's, ``capabilities`` the whole device's."""

    driver: bytes
    card: bytes
    bus_info: bytes
    version: int
    capabilities: int
    device_caps: int

    _fields_ = (
        ("driver", ctypes.c_char * 16),
        ("card", ctypes.c_char * 32),
        ("bus_info", ctypes.c_char * 32),
        ("version", _U32),
        ("capabilities", _U32),
        ("device_caps", _U32),
        ("reserved", _U32 * 3),
    )


class FormatDescription(ctypes.Structure):
    """``v4l2_fmtdesc``: one pixel format that a device offers."""

    index: int
    type: int
    flags: int
    description: bytes
    pixelformat: int

    _fields_ = (
        ("index", _U32),
        ("type", _U32),
        ("flags", _U32),
        ("description", ctypes.c_char * 32),
        ("pixelformat", _U32),
        ("mbus_code", _U32),
        ("reserved", _U32 * 3),
    )


class Fract(ctypes.Structure):
    """``v4l2_fract``."""

    numerator: int
    denominator: int

    _fields_ = (("numerator", _U32), ("denominator", _U32))

    @property
    def inverse(self) -> Fraction | None:
        """The frame rate for this frame interval; None if either field is 0."""
        return Fraction(self.denominator, self.numerator) if self.numerator and self.denominator else None


class Size(ctypes.Structure):
    """``v4l2_frmsize_discrete``."""

    width: int
    height: int

    _fields_ = (("width", _U32), ("height", _U32))


class SizeRange(ctypes.Structure):
    """``v4l2_frmsize_stepwise``."""

    min_width: int
    max_width: int
    step_width: int
    min_height: int
    max_height: int
    step_height: int

    _fields_ = (
        ("min_width", _U32),
        ("max_width", _U32),
        ("step_width", _U32),
        ("min_height", _U32),
        ("max_height", _U32),
        ("step_height", _U32),
    )


class _SizeUnion(ctypes.Union):
    _fields_ = (("discrete", Size), ("stepwise", SizeRange))


class FrameSize(ctypes.Structure):
    """``v4l2_frmsizeenum``: a size, or a range of sizes, for a pixel format."""

    index: int
    pixel_format: int
    type: int
    discrete: Size
    stepwise: SizeRange

    _anonymous_ = ("union",)
    _fields_ = (("index", _U32), ("pixel_format", _U32), ("type", _U32), ("union", _SizeUnion), ("reserved", _U32 * 2))


class IntervalRange(ctypes.Structure):
    """``v4l2_frmival_stepwise``: frame intervals from the shortest (``min``) to the longest (``max``)."""

    min: Fract
    max: Fract
    step: Fract

    _fields_ = (("min", Fract), ("max", Fract), ("step", Fract))


class _IntervalUnion(ctypes.Union):
    _fields_ = (("discrete", Fract), ("stepwise", IntervalRange))


class FrameInterval(ctypes.Structure):
    """``v4l2_frmivalenum``: a frame interval, or a range of them, for a pixel format and size."""

    index: int
    pixel_format: int
    width: int
    height: int
    type: int
    discrete: Fract
    stepwise: IntervalRange

    _anonymous_ = ("union",)
    _fields_ = (
        ("index", _U32),
        ("pixel_format", _U32),
        ("width", _U32),
        ("height", _U32),
        ("type", _U32),
        ("union", _IntervalUnion),
        ("reserved", _U32 * 2),
    )


class PixFormat(ctypes.Structure):
    """``v4l2_pix_format``. The fields after ``priv`` are valid only if it is :data:`PIX_FMT_PRIV_MAGIC`."""

    width: int
    height: int
    pixelformat: int
    field: int
    bytesperline: int
    sizeimage: int
    colorspace: int
    priv: int
    flags: int
    ycbcr_enc: int
    quantization: int
    xfer_func: int

    _fields_ = (
        ("width", _U32),
        ("height", _U32),
        ("pixelformat", _U32),
        ("field", _U32),
        ("bytesperline", _U32),
        ("sizeimage", _U32),
        ("colorspace", _U32),
        ("priv", _U32),
        ("flags", _U32),
        ("ycbcr_enc", _U32),
        ("quantization", _U32),
        ("xfer_func", _U32),
    )


class _FormatUnion(ctypes.Union):
    # A member with pointers aligns the kernel's union: the struct has 208 bytes on 64-bit systems and 204 on 32-bit ones.
    _fields_ = (("pix", PixFormat), ("raw_data", ctypes.c_uint8 * 200), ("pointer", ctypes.c_void_p))


class Format(ctypes.Structure):
    """``v4l2_format`` of a single-planar device: set ``type`` to :data:`BUF_TYPE_VIDEO_CAPTURE` or ``_OUTPUT``."""

    type: int
    pix: PixFormat

    _anonymous_ = ("fmt",)
    _fields_ = (("type", _U32), ("fmt", _FormatUnion))


class CaptureParameters(ctypes.Structure):
    """``v4l2_captureparm``; ``v4l2_outputparm`` has the same layout up to ``timeperframe``."""

    capability: int
    capturemode: int
    timeperframe: Fract

    _fields_ = (
        ("capability", _U32),
        ("capturemode", _U32),
        ("timeperframe", Fract),
        ("extendedmode", _U32),
        ("readbuffers", _U32),
        ("reserved", _U32 * 4),
    )


class _ParametersUnion(ctypes.Union):
    _fields_ = (("capture", CaptureParameters), ("raw_data", ctypes.c_uint8 * 200))


class StreamParameters(ctypes.Structure):
    """``v4l2_streamparm``."""

    type: int
    capture: CaptureParameters

    _anonymous_ = ("parm",)
    _fields_ = (("type", _U32), ("parm", _ParametersUnion))


class RequestBuffers(ctypes.Structure):
    """``v4l2_requestbuffers``."""

    count: int
    type: int
    memory: int

    _fields_ = (
        ("count", _U32),
        ("type", _U32),
        ("memory", _U32),
        ("capabilities", _U32),
        ("flags", ctypes.c_uint8),
        ("reserved", ctypes.c_uint8 * 3),
    )


class TimeValue(ctypes.Structure):
    """``timeval``."""

    tv_sec: int
    tv_usec: int

    _fields_ = (("tv_sec", ctypes.c_int64), ("tv_usec", ctypes.c_int64))


class _BufferUnion(ctypes.Union):
    _fields_ = (("offset", _U32), ("userptr", ctypes.c_ulong), ("planes", ctypes.c_void_p), ("fd", ctypes.c_int32))


class Buffer(ctypes.Structure):
    """``v4l2_buffer``."""

    index: int
    type: int
    bytesused: int
    flags: int
    field: int
    timestamp: TimeValue
    sequence: int
    memory: int
    offset: int
    length: int

    _anonymous_ = ("m",)
    _fields_ = (
        ("index", _U32),
        ("type", _U32),
        ("bytesused", _U32),
        ("flags", _U32),
        ("field", _U32),
        ("timestamp", TimeValue),
        ("timecode", _U32 * 4),
        ("sequence", _U32),
        ("memory", _U32),
        ("m", _BufferUnion),
        ("length", _U32),
        ("reserved2", _U32),
        ("request_fd", ctypes.c_int32),
    )


class BufferType(ctypes.Structure):
    """The ``int`` that STREAMON and STREAMOFF take: a buffer type."""

    type: int

    _fields_ = (("type", ctypes.c_int32),)
