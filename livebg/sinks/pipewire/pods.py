"""PipeWire's plain old data: values in bytes, as spa/pod/pod.h lays them out, and the three that the camera says of itself.

A value is its size and its type, four bytes each in the machine's order, then its body, filled up to a multiple of eight bytes.
"""

import ctypes
import struct
from collections.abc import Mapping
from fractions import Fraction

from livebg.imaging.frame import VideoFormat
from livebg.sinks.pipewire import abi

_FEWEST, _USUAL, MOST = 2, 8, 16
"""Buffers: a reader and the writer take one each at least; browsers hold several."""


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
    """Of whole numbers: the usual one first, then what ``kind`` says. They share one size and type."""
    body = struct.pack("=IIII", kind, 0, 4, abi.Type.INT) + struct.pack(f"={len(values)}i", *values)
    return _pod(abi.Type.CHOICE, body)


def _object(kind: abi.Object, about: abi.Param, properties: Mapping[int, bytes]) -> bytes:
    """Its properties in their order, each with a key, no flags, and a value."""
    body = struct.pack("=II", kind, about) + b"".join(struct.pack("=II", key, 0) + value for key, value in properties.items())
    return _pod(abi.Type.OBJECT, body)


def offered_format(form: VideoFormat) -> bytes:
    """The one format of the camera: I420 in the size and rate of ``form``, limited-range BT.601.

    The rate is rounded: browsers reckon in whole frames a second, ask for just what they made of the offer, and would get nothing
    for 29 where 30000/1001 was offered. Pictures come when they come.
    """
    whole = Fraction(max(1, round(form.frame_rate)))
    return _object(
        abi.Object.FORMAT,
        abi.Param.ENUM_FORMAT,
        {
            abi.Format.MEDIA_TYPE: _id(abi.MEDIA_TYPE_VIDEO),
            abi.Format.MEDIA_SUBTYPE: _id(abi.MEDIA_SUBTYPE_RAW),
            abi.Format.VIDEO_FORMAT: _id(abi.VIDEO_FORMAT_I420),
            abi.Format.VIDEO_SIZE: _rectangle(form.width, form.height),
            abi.Format.VIDEO_FRAMERATE: _fraction(whole),
            abi.Format.VIDEO_COLOR_RANGE: _id(abi.COLOR_RANGE_16_235),
            abi.Format.VIDEO_COLOR_MATRIX: _id(abi.COLOR_MATRIX_BT601),
            abi.Format.VIDEO_TRANSFER_FUNCTION: _id(abi.TRANSFER_BT709),
            abi.Format.VIDEO_COLOR_PRIMARIES: _id(abi.COLOR_PRIMARIES_SMPTE170M),
        },
    )


def wanted_buffers(form: VideoFormat) -> bytes:
    """Memory for whole pictures, each in one block that both sides map."""
    return _object(
        abi.Object.PARAM_BUFFERS,
        abi.Param.BUFFERS,
        {
            abi.Buffers.BUFFERS: _choice(abi.Choice.RANGE, _USUAL, _FEWEST, MOST),
            abi.Buffers.BLOCKS: _int(1),
            abi.Buffers.SIZE: _int(form.width * form.height * 3 // 2),
            abi.Buffers.STRIDE: _int(form.width),
            abi.Buffers.DATA_TYPE: _choice(abi.Choice.FLAGS, 1 << abi.DATA_MEM_FD),
        },
    )


def wanted_header() -> bytes:
    """Room beside each picture for the time it is of."""
    size = ctypes.sizeof(abi.MetaHeader)
    return _object(abi.Object.PARAM_META, abi.Param.META, {abi.Meta.TYPE: _id(abi.META_HEADER), abi.Meta.SIZE: _int(size)})
