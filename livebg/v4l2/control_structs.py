"""The V4L2 structs of a device's controls, such as exposure and focus, from ``<linux/videodev2.h>``."""

import ctypes
from typing import Any, Final

_U32: Final = ctypes.c_uint32
_LAYOUT: Final = "ms"
"""Python 3.14 and later warn if a packed structure does not name its layout. Without bit fields it is that of the kernel."""


class QueryControl(ctypes.Structure):
    """``v4l2_query_ext_ctrl``: a control's type, range and state."""

    id: int
    type: int
    name: bytes
    minimum: int
    maximum: int
    step: int
    default_value: int
    flags: int

    _fields_ = (
        ("id", _U32),
        ("type", _U32),
        ("name", ctypes.c_char * 32),
        ("minimum", ctypes.c_int64),
        ("maximum", ctypes.c_int64),
        ("step", ctypes.c_uint64),
        ("default_value", ctypes.c_int64),
        ("flags", _U32),
        ("elem_size", _U32),
        ("elems", _U32),
        ("nr_of_dims", _U32),
        ("dims", _U32 * 4),
        ("reserved", _U32 * 32),
    )


class _MenuUnion(ctypes.Union):
    _pack_, _layout_ = 1, _LAYOUT
    _fields_ = (("name", ctypes.c_char * 32), ("value", ctypes.c_int64))


class MenuItem(ctypes.Structure):
    """``v4l2_querymenu``: one choice of a menu: its ``name``, or its ``value`` in a menu of integers."""

    id: int
    index: int
    name: bytes
    value: int

    _pack_, _layout_ = 1, _LAYOUT
    _anonymous_ = ("union",)
    _fields_ = (("id", _U32), ("index", _U32), ("union", _MenuUnion), ("reserved", _U32))


class _ValueUnion(ctypes.Union):
    _pack_, _layout_ = 1, _LAYOUT
    _fields_ = (("value", ctypes.c_int32), ("value64", ctypes.c_int64), ("pointer", ctypes.c_void_p))


class ControlValue(ctypes.Structure):
    """``v4l2_ext_control``: ``value64`` holds the value of a 64-bit control, ``value`` that of all others here."""

    id: int
    size: int
    value: int
    value64: int

    _pack_, _layout_ = 1, _LAYOUT
    _anonymous_ = ("union",)
    _fields_ = (("id", _U32), ("size", _U32), ("reserved2", _U32), ("union", _ValueUnion))


class ControlValues(ctypes.Structure):
    """``v4l2_ext_controls``: the ``count`` values in the array ``controls``, which must outlive it; ``which`` stays 0."""

    which: int
    count: int
    error_idx: int
    controls: Any

    _fields_ = (
        ("which", _U32),
        ("count", _U32),
        ("error_idx", _U32),
        ("request_fd", ctypes.c_int32),
        ("reserved", _U32),
        ("controls", ctypes.POINTER(ControlValue)),
    )
