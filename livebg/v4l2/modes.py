"""Lists a camera's modes and chooses the one nearest to the requested size and frame rate."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias, TypeVar

from livebg.v4l2 import abi
from livebg.v4l2.syscalls import Syscalls

DECODE_COST: Final = {"NV12": 0, "YU12": 0, "YUYV": 1, "UYVY": 1, "MJPG": 2, "JPEG": 2, "H264": 3}
"""The pixel formats that livebg reads and the relative cost of converting them to I420: a copy, a conversion, decoding a still
picture, decoding video.
"""

Size: TypeAlias = tuple[int, int]

_COMMON_SIZES: Final = (
    (320, 240),
    (640, 360),
    (640, 480),
    (800, 600),
    (960, 540),
    (1280, 720),
    (1920, 1080),
    (2560, 1440),
    (3840, 2160),
)
_COMMON_RATES: Final = tuple(Fraction(rate) for rate in (5, 10, 15, 20, 24, 25, 30, 50, 60, 90, 120))
_MAX_ENTRIES: Final = 1000
"""The most entries in a list; a driver with more never ends its list."""
_RATE_WEIGHT: Final = 2.0
_EXCESS_WEIGHT: Final = 1.0


@dataclass(frozen=True, slots=True)
class Mode:
    """A pixel format (four characters) at a size, and its frame rates in descending order; empty if unknown."""

    pixel_format: str
    width: int
    height: int
    frame_rates: tuple[Fraction, ...] = ()

    def nearest_rate(self, requested: Fraction) -> Fraction:
        """Return the frame rate to set: the nearest supported one, or the requested one if the device lists none."""
        return min(self.frame_rates, key=lambda rate: rate_distance(rate, requested), default=requested)

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.pixel_format}"


def read_modes(fd: int, kernel: Syscalls, size: Size | None = None, frame_rate: Fraction | None = None) -> list[Mode]:
    """Return all modes of the open capture device.

    A range of sizes or rates is represented by the common values in it, its ends, and the value nearest to ``size`` (width,
    height) and ``frame_rate``. Raises ``OSError`` if the device does not respond.
    """
    modes = []
    for pixel_format in _pixel_formats(fd, kernel):
        sizes = dict.fromkeys(_sizes(fd, kernel, pixel_format, size)) or dict.fromkeys(_current_size(fd, kernel))
        for width, height in sizes:
            rates = set(_rates(fd, kernel, (pixel_format, width, height), frame_rate))
            modes.append(Mode(abi.fourcc_text(pixel_format), width, height, tuple(sorted(rates, reverse=True))))
    return modes


def readable(modes: Iterable[Mode]) -> list[Mode]:
    """Return the modes with a pixel format that livebg reads and an even size."""
    return [
        mode
        for mode in modes
        if mode.pixel_format in DECODE_COST and mode.width % 2 == mode.height % 2 == 0 < min(mode.width, mode.height)
    ]


def choose_mode(modes: Sequence[Mode], size: Size, frame_rate: Fraction) -> Mode:
    """Return the readable mode nearest to ``size`` (width, height) and ``frame_rate``; of equal ones, the cheapest.

    Distances are in octaves. Half the frame rate weighs as much as half the width and half the height together: a call scales the
    picture to the available bandwidth, and upscaling by two is hardly visible, but 15 frames per second instead of 30 are
    obvious. So a camera with 1280x720 at 10 frames per second and 640x480 at 30 is read at 640x480, and one with 1280x720 at 24
    is read at that size. Distances within a tenth of an octave count as equal, so that 29.97 frames per second instead of 30
    never select a more expensive pixel format.

    Raises ``ValueError`` if no mode is readable.
    """

    def key(mode: Mode) -> tuple[float, ...]:
        size_octaves, rate_octaves = size_distance(mode, size), rate_distance(mode.nearest_rate(frame_rate), frame_rate)
        return (
            round(size_octaves + rate_octaves, 1),
            DECODE_COST[mode.pixel_format],
            size_octaves + rate_octaves,
            size_octaves,
            rate_octaves,
        )

    return min(readable(modes), key=key)


def size_distance(mode: Mode, size: Size) -> float:
    """Return the distance in octaves of width plus octaves of height: twice the width and height is 2."""
    return abs(math.log2(mode.width / size[0])) + abs(math.log2(mode.height / size[1]))


def rate_distance(rate: Fraction, requested: Fraction) -> float:
    """Return the distance in octaves. Too low a rate counts double; too high a rate only costs CPU."""
    octaves = math.log2(rate / requested)
    return -octaves * _RATE_WEIGHT if octaves < 0 else octaves * _EXCESS_WEIGHT


Entry = TypeVar("Entry", abi.FormatDescription, abi.FrameSize, abi.FrameInterval)


def _entries(fd: int, kernel: Syscalls, request: int, entry: Callable[[int], Entry]) -> Iterator[Entry]:
    """Yield the entries of a list until the driver reports its end."""
    for index in range(_MAX_ENTRIES):
        requested = entry(index)
        if not kernel.try_ioctl(fd, request, requested):
            return
        yield requested


def _pixel_formats(fd: int, kernel: Syscalls) -> list[int]:
    listed = _entries(fd, kernel, abi.ENUM_FMT, lambda n: abi.FormatDescription(index=n, type=abi.BUF_TYPE_VIDEO_CAPTURE))
    return list(dict.fromkeys(entry.pixelformat for entry in listed))


def _sizes(fd: int, kernel: Syscalls, pixel_format: int, near: Size | None) -> Iterator[Size]:
    for entry in _entries(fd, kernel, abi.ENUM_FRAMESIZES, lambda n: abi.FrameSize(index=n, pixel_format=pixel_format)):
        if entry.type == abi.FRMSIZE_TYPE_DISCRETE:
            yield entry.discrete.width, entry.discrete.height
            continue
        yield from _sizes_within(entry.stepwise, near)
        return  # a range is the only entry


def _sizes_within(span: abi.SizeRange, near: Size | None) -> Iterator[Size]:
    width_range = span.min_width, span.max_width, max(1, span.step_width)
    height_range = span.min_height, span.max_height, max(1, span.step_height)
    if near is not None:
        yield _on_grid(near[0], *width_range), _on_grid(near[1], *height_range)
    yield from (size for size in _COMMON_SIZES if (_on_grid(size[0], *width_range), _on_grid(size[1], *height_range)) == size)
    yield span.min_width, span.min_height
    yield _on_grid(span.max_width, *width_range), _on_grid(span.max_height, *height_range)


def _on_grid(value: int, minimum: int, maximum: int, step: int) -> int:
    """Return the nearest of ``minimum``, ``minimum + step`` and so on up to ``maximum``; an even one if the step allows."""
    if step % 2 and not minimum % 2:
        step *= 2
    steps = round((value - minimum) / step)
    return minimum + step * min(max(steps, 0), (maximum - minimum) // step)


def _current_size(fd: int, kernel: Syscalls) -> list[Size]:
    """Return the current size, for drivers that list no sizes."""
    form = abi.Format(type=abi.BUF_TYPE_VIDEO_CAPTURE)
    return [(form.pix.width, form.pix.height)] if kernel.try_ioctl(fd, abi.G_FMT, form) else []


def _rates(fd: int, kernel: Syscalls, mode: tuple[int, int, int], near: Fraction | None) -> Iterator[Fraction]:
    """Yield the frame rates of a pixel format, width and height."""
    pixel_format, width, height = mode

    def entry(index: int) -> abi.FrameInterval:
        return abi.FrameInterval(index=index, pixel_format=pixel_format, width=width, height=height)

    for found in _entries(fd, kernel, abi.ENUM_FRAMEINTERVALS, entry):
        if found.type == abi.FRMIVAL_TYPE_DISCRETE:
            rate = found.discrete.inverse
            if rate is not None:
                yield rate
            continue
        yield from _rates_within(found.stepwise, near)
        return


def _rates_within(span: abi.IntervalRange, near: Fraction | None) -> Iterator[Fraction]:
    """Yield the common rates within an interval range, assuming every rate is possible: the device sets the nearest one."""
    fastest, slowest = span.min.inverse, span.max.inverse
    if fastest is None or slowest is None:
        return
    for rate in _COMMON_RATES if near is None else (*_COMMON_RATES, near):
        if slowest <= rate <= fastest:
            yield rate
    yield from (slowest, fastest)
