"""The structs of V4L2 events from ``<linux/videodev2.h>``, with 64-bit time."""

import ctypes
from typing import Final

_U32: Final = ctypes.c_uint32


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
