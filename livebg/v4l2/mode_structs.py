"""The V4L2 structs that describe what a device offers: its capabilities and modes, from ``<linux/videodev2.h>``."""

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
