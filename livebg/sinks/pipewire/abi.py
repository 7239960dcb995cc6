"""Constants and structs of libpipewire-0.3 and SPA, whose ABI has been stable since PipeWire 0.3.

Names are those of the headers without their prefix, with the header named per group. Only what livebg uses is included.
"""

import ctypes
import enum
from typing import Final

_U32: Final = ctypes.c_uint32

ANY: Final = 0xFFFFFFFF
"""``PW_ID_ANY`` of pipewire/core.h, and ``SPA_ID_INVALID``: no object in particular."""
DIRECTION_OUTPUT: Final = 1
"""``SPA_DIRECTION_OUTPUT`` of spa/utils/defs.h."""

FLAG_MAP_BUFFERS: Final = 1 << 2
FLAG_DRIVER: Final = 1 << 3
"""``PW_STREAM_FLAG_*`` of pipewire/stream.h: buffers are mapped; the stream drives the graph."""
EVENTS_VERSION: Final = 2
"""``PW_VERSION_STREAM_EVENTS`` of pipewire/stream.h."""


class State(enum.IntEnum):
    """``pw_stream_state`` of pipewire/stream.h. STREAMING: a reader receives pictures; PAUSED: none does."""

    ERROR = -1
    UNCONNECTED = 0
    CONNECTING = 1
    PAUSED = 2
    STREAMING = 3


class Type(enum.IntEnum):
    """``SPA_TYPE_*`` of spa/utils/type.h: the value types."""

    ID = 3
    INT = 4
    RECTANGLE = 10
    FRACTION = 11
    OBJECT = 15
    CHOICE = 19


class Choice(enum.IntEnum):
    """``SPA_CHOICE_*`` of spa/pod/pod.h."""

    RANGE = 1
    FLAGS = 4


class Object(enum.IntEnum):
    """``SPA_TYPE_OBJECT_*`` of spa/utils/type.h."""

    FORMAT = 0x40003
    PARAM_BUFFERS = 0x40004
    PARAM_META = 0x40005


class Param(enum.IntEnum):
    """``SPA_PARAM_*`` of spa/param/param.h: the kinds of parameters."""

    ENUM_FORMAT = 3
    FORMAT = 4
    BUFFERS = 5
    META = 6


class Format(enum.IntEnum):
    """``SPA_FORMAT_*`` of spa/param/format.h: the properties of a format."""

    MEDIA_TYPE = 1
    MEDIA_SUBTYPE = 2
    VIDEO_FORMAT = 0x20001
    VIDEO_SIZE = 0x20003
    VIDEO_FRAMERATE = 0x20004
    VIDEO_COLOR_RANGE = 0x2000C
    VIDEO_COLOR_MATRIX = 0x2000D
    VIDEO_TRANSFER_FUNCTION = 0x2000E
    VIDEO_COLOR_PRIMARIES = 0x2000F


MEDIA_TYPE_VIDEO: Final = 2
MEDIA_SUBTYPE_RAW: Final = 1
"""Of spa/param/format.h."""
VIDEO_FORMAT_I420: Final = 2
VIDEO_FORMAT_YUY2: Final = 4
"""Of spa/param/video/raw.h."""
COLOR_RANGE_16_235: Final = 2
COLOR_MATRIX_BT601: Final = 4
TRANSFER_BT709: Final = 5
"""The same curve as BT.601's, which has no code of its own before SPA 1.0."""
COLOR_PRIMARIES_SMPTE170M: Final = 4
"""Of spa/param/video/color.h."""


class Buffers(enum.IntEnum):
    """``SPA_PARAM_BUFFERS_*`` of spa/param/buffers.h."""

    BUFFERS = 1
    BLOCKS = 2
    SIZE = 3
    STRIDE = 4
    DATA_TYPE = 6


DATA_MEM_FD: Final = 2
"""``SPA_DATA_MemFd`` of spa/buffer/buffer.h: memory shared by a file descriptor."""


class Meta(enum.IntEnum):
    """``SPA_PARAM_META_*`` of spa/param/buffers.h."""

    TYPE = 1
    SIZE = 2


META_HEADER: Final = 1
META_BUSY: Final = 7
"""``SPA_META_*`` of spa/buffer/meta.h."""


class MetaHeader(ctypes.Structure):
    """``spa_meta_header`` of spa/buffer/meta.h: ``pts`` in nanoseconds of the monotonic clock."""

    flags: int
    offset: int
    pts: int
    dts_offset: int
    seq: int

    _fields_ = (
        ("flags", _U32),
        ("offset", _U32),
        ("pts", ctypes.c_int64),
        ("dts_offset", ctypes.c_int64),
        ("seq", ctypes.c_uint64),
    )


class MetaBusy(ctypes.Structure):
    """``spa_meta_busy`` of spa/buffer/meta.h: the number of holders of the buffer."""

    flags: int
    count: int

    _fields_ = (("flags", _U32), ("count", _U32))


class MetaData(ctypes.Structure):
    """``spa_meta`` of spa/buffer/meta.h."""

    type: int
    size: int
    data: int | None

    _fields_ = (("type", _U32), ("size", _U32), ("data", ctypes.c_void_p))


class Chunk(ctypes.Structure):
    """``spa_chunk`` of spa/buffer/buffer.h: the valid part of a block."""

    offset: int
    size: int
    stride: int
    flags: int

    _fields_ = (("offset", _U32), ("size", _U32), ("stride", ctypes.c_int32), ("flags", ctypes.c_int32))


class Data(ctypes.Structure):
    """``spa_data`` of spa/buffer/buffer.h: a block of memory."""

    maxsize: int
    data: int | None

    _fields_ = (
        ("type", _U32),
        ("flags", _U32),
        ("fd", ctypes.c_int64),
        ("mapoffset", _U32),
        ("maxsize", _U32),
        ("data", ctypes.c_void_p),
        ("chunk", ctypes.POINTER(Chunk)),
    )


class SpaBuffer(ctypes.Structure):
    """``spa_buffer`` of spa/buffer/buffer.h."""

    n_metas: int
    n_datas: int

    _fields_ = (
        ("n_metas", _U32),
        ("n_datas", _U32),
        ("metas", ctypes.POINTER(MetaData)),
        ("datas", ctypes.POINTER(Data)),
    )


def metas(buffer: SpaBuffer) -> list[MetaData]:
    """Return a buffer's metadata."""
    return buffer.metas[: buffer.n_metas] if buffer.n_metas else []


class Buffer(ctypes.Structure):
    """``pw_buffer`` of pipewire/stream.h, with the fields of all versions."""

    _fields_ = (
        ("buffer", ctypes.POINTER(SpaBuffer)),
        ("user_data", ctypes.c_void_p),
        ("size", ctypes.c_uint64),
        ("requested", ctypes.c_uint64),
    )


STATE_CHANGED: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_char_p)
"""(data, old state, new state, error)"""
PARAM_CHANGED: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p, _U32, ctypes.c_void_p)
"""(data, the parameter's ID, the parameter or NULL)"""

REMOVE_BUFFER: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
"""(data, the buffer)"""


class StreamEvents(ctypes.Structure):
    """``pw_stream_events`` of pipewire/stream.h; unset callbacks are not called."""

    _fields_ = (
        ("version", _U32),
        ("destroy", ctypes.c_void_p),
        ("state_changed", STATE_CHANGED),
        ("control_info", ctypes.c_void_p),
        ("io_changed", ctypes.c_void_p),
        ("param_changed", PARAM_CHANGED),
        ("add_buffer", ctypes.c_void_p),
        ("remove_buffer", REMOVE_BUFFER),
        ("process", ctypes.c_void_p),
        ("drained", ctypes.c_void_p),
        ("command", ctypes.c_void_p),
        ("trigger_done", ctypes.c_void_p),
    )
