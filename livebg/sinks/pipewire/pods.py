"""PipeWire's plain old data (POD): values as bytes in the layout of spa/pod/pod.h, and the camera's three parameters.

A value is its size and its type, four bytes each in native byte order, then its body, padded to a multiple of eight bytes.
"""

import ctypes
import struct
from collections.abc import Mapping
from fractions import Fraction

from livebg.imaging.frame import VideoFormat
from livebg.sinks.pipewire import abi
from livebg.sinks.pipewire.buffers import Layout

_MIN_BUFFERS, _DEFAULT_BUFFERS, MOST = 2, 8, 16
"""Numbers of buffers: a reader and the writer need at least one each; browsers hold several."""


def _pod(kind: abi.Type, body: bytes) -> bytes:
    return struct.pack("=II", len(body), kind) + body + bytes(-len(body) % 8)


def _id(value: int) -> bytes:
    return _pod(abi.Type.ID, struct.pack("=I", value))


def _int(value: int) -> bytes:
    return _pod(abi.Type.INT, struct.pack("=i", value))


def _rectangle(width: int, height: int) -> bytes:
    return _pod(abi.Type.RECTANGLE, struct.pack("=II", width, height))


def _fraction(value: Fraction) -> bytes:
    return _pod(abi.Type.FRACTION, struct.pack("=II", value.numerator, value.denominator))


def _choice(kind: abi.Choice, *values: int) -> bytes:
    """Encode a choice of integers: the default first, then the values that ``kind`` requires. All share one size and type."""
    body = struct.pack("=IIII", kind, 0, 4, abi.Type.INT) + struct.pack(f"={len(values)}i", *values)
    return _pod(abi.Type.CHOICE, body)


def _object(kind: abi.Object, param: abi.Param, properties: Mapping[int, bytes]) -> bytes:
    """Encode an object: its properties in order, each with a key, no flags, and a value."""
    body = struct.pack("=II", kind, param) + b"".join(struct.pack("=II", key, 0) + value for key, value in properties.items())
    return _pod(abi.Type.OBJECT, body)


def offered_formats(form: VideoFormat) -> list[bytes]:
    """Return the camera's formats: I420 and, for OBS, YUY2 in the size and rate of ``form``, limited-range BT.601.

    The rate is rounded, because browsers use integer frame rates: they would request 29 after an offer of 30000/1001, and the
    negotiation would fail. The rate does not limit when pictures are sent.
    """
    return [_offered_format(form, each) for each in (abi.VIDEO_FORMAT_I420, abi.VIDEO_FORMAT_YUY2)]


def video_format(address: int) -> int:
    """Return the pixel format of a negotiated format, a pod at ``address``. Raises ValueError if it has none."""
    size, _kind = struct.unpack("=II", ctypes.string_at(address, 8))
    pod = ctypes.string_at(address, 8 + size)
    place = 16
    while place + 20 <= len(pod):
        key, _flags, length, kind = struct.unpack_from("=IIII", pod, place)
        if key == abi.Format.VIDEO_FORMAT:
            # PipeWire passes a single value, or a choice of one: its kind, flags, size and type come first.
            (value,) = struct.unpack_from("=I", pod, place + 16 + (16 if kind == abi.Type.CHOICE else 0))
            return int(value)
        place += 16 + -(-length // 8) * 8
    raise ValueError("the format has no pixel format")


def _offered_format(form: VideoFormat, pixel_format: int) -> bytes:
    frame_rate = Fraction(max(1, round(form.frame_rate)))
    return _object(
        abi.Object.FORMAT,
        abi.Param.ENUM_FORMAT,
        {
            abi.Format.MEDIA_TYPE: _id(abi.MEDIA_TYPE_VIDEO),
            abi.Format.MEDIA_SUBTYPE: _id(abi.MEDIA_SUBTYPE_RAW),
            abi.Format.VIDEO_FORMAT: _id(pixel_format),
            abi.Format.VIDEO_SIZE: _rectangle(form.width, form.height),
            abi.Format.VIDEO_FRAMERATE: _fraction(frame_rate),
            abi.Format.VIDEO_COLOR_RANGE: _id(abi.COLOR_RANGE_16_235),
            abi.Format.VIDEO_COLOR_MATRIX: _id(abi.COLOR_MATRIX_BT601),
            abi.Format.VIDEO_TRANSFER_FUNCTION: _id(abi.TRANSFER_BT709),
            abi.Format.VIDEO_COLOR_PRIMARIES: _id(abi.COLOR_PRIMARIES_SMPTE170M),
        },
    )


def wanted_buffers(layout: Layout) -> bytes:
    """Return the buffer parameters: complete pictures, each in one block mapped by both sides."""
    return _object(
        abi.Object.PARAM_BUFFERS,
        abi.Param.BUFFERS,
        {
            abi.Buffers.BUFFERS: _choice(abi.Choice.RANGE, _DEFAULT_BUFFERS, _MIN_BUFFERS, MOST),
            abi.Buffers.BLOCKS: _int(1),
            abi.Buffers.SIZE: _int(layout.size),
            abi.Buffers.STRIDE: _int(layout.stride),
            abi.Buffers.DATA_TYPE: _choice(abi.Choice.FLAGS, 1 << abi.DATA_MEM_FD),
        },
    )


def wanted_header() -> bytes:
    """Return the metadata parameter that reserves space for each picture's timestamp."""
    size = ctypes.sizeof(abi.MetaHeader)
    return _object(abi.Object.PARAM_META, abi.Param.META, {abi.Meta.TYPE: _id(abi.META_HEADER), abi.Meta.SIZE: _int(size)})
