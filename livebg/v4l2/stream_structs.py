"""The V4L2 structs of an open device: its format, buffers and events, from ``<linux/videodev2.h>``.

Sizes assume 64-bit time, which every kernel that runs Python 3.11 supports.
"""

import ctypes
from typing import Final

from livebg.v4l2.mode_structs import Fract

_U32: Final = ctypes.c_uint32


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


class EventSubscription(ctypes.Structure):
    """``v4l2_event_subscription``: the events to subscribe to."""

    type: int
    id: int
    flags: int

    _fields_ = (("type", _U32), ("id", _U32), ("flags", _U32), ("reserved", _U32 * 5))


class TimeSpec(ctypes.Structure):
    """``timespec``."""

    tv_sec: int
    tv_nsec: int

    _fields_ = (("tv_sec", ctypes.c_int64), ("tv_nsec", ctypes.c_int64))


class _EventUnion(ctypes.Union):
    # A 64-bit member aligns the kernel's union. ``count`` is v4l2loopback's, at the start of a driver's payload.
    _fields_ = (("count", _U32), ("data", ctypes.c_uint8 * 64), ("value64", ctypes.c_int64))


class Event(ctypes.Structure):
    """``v4l2_event``: ``pending`` is the number of further events, ``count`` the payload of the client-usage event."""

    type: int
    count: int
    pending: int
    sequence: int
    timestamp: TimeSpec
    id: int

    _anonymous_ = ("u",)
    _fields_ = (
        ("type", _U32),
        ("u", _EventUnion),
        ("pending", _U32),
        ("sequence", _U32),
        ("timestamp", TimeSpec),
        ("id", _U32),
        ("reserved", _U32 * 8),
    )
