"""Request numbers, constants and (from the modules beside it) structs of V4L2.

Names are those of ``<linux/videodev2.h>`` without their prefix. Only what livebg uses is included.
"""

import ctypes
from typing import Final

from livebg.v4l2.control_structs import ControlValue, ControlValues, MenuItem, QueryControl
from livebg.v4l2.mode_structs import (
    Capability,
    FormatDescription,
    Fract,
    FrameInterval,
    FrameSize,
    IntervalRange,
    Size,
    SizeRange,
)
from livebg.v4l2.stream_structs import (
    Buffer,
    BufferType,
    CaptureParameters,
    Event,
    EventSubscription,
    Format,
    PixFormat,
    RequestBuffers,
    StreamParameters,
    TimeValue,
)

__all__ = [
    "Buffer",
    "BufferType",
    "Capability",
    "CaptureParameters",
    "ControlValue",
    "ControlValues",
    "Event",
    "EventSubscription",
    "Format",
    "FormatDescription",
    "Fract",
    "FrameInterval",
    "FrameSize",
    "IntervalRange",
    "MenuItem",
    "PixFormat",
    "QueryControl",
    "RequestBuffers",
    "Size",
    "SizeRange",
    "StreamParameters",
    "TimeValue",
]
"""The structs, re-exported; everything else is defined here."""


def fourcc(code: str) -> int:
    """Return a pixel format's number from its four characters: ``YU12`` is 0x32315559."""
    if len(code) != 4:
        raise ValueError(f"a pixel format has four characters, got {code!r}")
    return int.from_bytes(code.encode("ascii"), "little")


def fourcc_text(number: int) -> str:
    """Return the inverse of :func:`fourcc`, ignoring bit 31 (big-endian); unprintable characters become dots."""
    text = (number & 0x7FFFFFFF).to_bytes(4, "little").decode("latin-1")
    return "".join(char if char.isascii() and char.isprintable() else "." for char in text)


_WRITE: Final = 1
_READ: Final = 2


def _request(direction: int, number: int, argument: type[ctypes.Structure]) -> int:
    """Return ``_IOC('V', ...)`` as on all architectures except alpha, mips, powerpc and sparc."""
    return direction << 30 | ctypes.sizeof(argument) << 16 | ord("V") << 8 | number


QUERYCAP: Final = _request(_READ, 0, Capability)
ENUM_FMT: Final = _request(_READ | _WRITE, 2, FormatDescription)
G_FMT: Final = _request(_READ | _WRITE, 4, Format)
S_FMT: Final = _request(_READ | _WRITE, 5, Format)
REQBUFS: Final = _request(_READ | _WRITE, 8, RequestBuffers)
QUERYBUF: Final = _request(_READ | _WRITE, 9, Buffer)
QBUF: Final = _request(_READ | _WRITE, 15, Buffer)
DQBUF: Final = _request(_READ | _WRITE, 17, Buffer)
STREAMON: Final = _request(_WRITE, 18, BufferType)
STREAMOFF: Final = _request(_WRITE, 19, BufferType)
S_PARM: Final = _request(_READ | _WRITE, 22, StreamParameters)
QUERYMENU: Final = _request(_READ | _WRITE, 37, MenuItem)
G_EXT_CTRLS: Final = _request(_READ | _WRITE, 71, ControlValues)
S_EXT_CTRLS: Final = _request(_READ | _WRITE, 72, ControlValues)
ENUM_FRAMESIZES: Final = _request(_READ | _WRITE, 74, FrameSize)
ENUM_FRAMEINTERVALS: Final = _request(_READ | _WRITE, 75, FrameInterval)
DQEVENT: Final = _request(_READ, 89, Event)
SUBSCRIBE_EVENT: Final = _request(_WRITE, 90, EventSubscription)
QUERY_EXT_CTRL: Final = _request(_READ | _WRITE, 103, QueryControl)

EVENT_CLIENT_USAGE: Final = 0x10E00001
"""v4l2loopback's ``V4L2_EVENT_PRI_CLIENT_USAGE``: a reader started or stopped streaming; since 0.13."""
EVENT_CLIENT_USAGE_UBUNTU: Final = 0x08000000
"""The same event in Ubuntu's patched 0.12; Ubuntu's later versions have both."""
EVENT_SUB_FL_SEND_INITIAL: Final = 1
"""In ``EventSubscription.flags``: send an event with the current state immediately."""

CAP_VIDEO_CAPTURE: Final = 0x00000001
CAP_VIDEO_OUTPUT: Final = 0x00000002
CAP_STREAMING: Final = 0x04000000
CAP_DEVICE_CAPS: Final = 0x80000000

BUF_TYPE_VIDEO_CAPTURE: Final = 1
BUF_TYPE_VIDEO_OUTPUT: Final = 2
MEMORY_MMAP: Final = 1
FIELD_ANY: Final = 0
FIELD_NONE: Final = 1
PIX_FMT_PRIV_MAGIC: Final = 0xFEEDCAFE

FRMSIZE_TYPE_DISCRETE: Final = 1
FRMIVAL_TYPE_DISCRETE: Final = 1

BUF_FLAG_ERROR: Final = 0x00000040
BUF_FLAG_TIMESTAMP_MASK: Final = 0x0000E000
BUF_FLAG_TIMESTAMP_MONOTONIC: Final = 0x00002000

COLORSPACE_REC709: Final = 3
COLORSPACE_JPEG: Final = 7
COLORSPACE_SRGB: Final = 8
COLORSPACE_BT2020: Final = 10
COLORSPACE_DCI_P3: Final = 12
YCBCR_ENC_DEFAULT: Final = 0
YCBCR_ENC_601: Final = 1
YCBCR_ENC_709: Final = 2
YCBCR_ENC_XV709: Final = 4
YCBCR_ENC_BT2020: Final = 6
YCBCR_ENC_BT2020_CONST_LUM: Final = 7
QUANTIZATION_DEFAULT: Final = 0
QUANTIZATION_FULL_RANGE: Final = 1

CTRL_TYPE_INTEGER: Final = 1
CTRL_TYPE_BOOLEAN: Final = 2
CTRL_TYPE_MENU: Final = 3
CTRL_TYPE_INTEGER64: Final = 5
CTRL_TYPE_INTEGER_MENU: Final = 9
CTRL_FLAG_DISABLED: Final = 0x0001
CTRL_FLAG_GRABBED: Final = 0x0002
CTRL_FLAG_READ_ONLY: Final = 0x0004
CTRL_FLAG_INACTIVE: Final = 0x0010
CTRL_FLAG_WRITE_ONLY: Final = 0x0040
CTRL_FLAG_HAS_PAYLOAD: Final = 0x0100
CTRL_FLAG_NEXT_CTRL: Final = 0x80000000
"""In ``QueryControl.id``: query the first control after that number."""
CTRL_CLASS_MASK: Final = 0x0FFF0000
CTRL_CLASS_USER: Final = 0x00980000
CTRL_CLASS_CAMERA: Final = 0x009A0000
CID_USER: Final = CTRL_CLASS_USER | 0x900
"""The number of the user controls' first, brightness."""
CID_CAMERA: Final = CTRL_CLASS_CAMERA | 0x900
