"""What a camera offers, and which of it is nearest to what is asked."""

import errno
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias, TypeVar

from livebg.v4l2 import abi
from livebg.v4l2.syscalls import Kernel

COSTS: Final = {"NV12": 0, "YU12": 0, "YUYV": 1, "UYVY": 1, "MJPG": 2, "JPEG": 2, "H264": 3}
"""The pixel formats that livebg reads, by what turning one into I420 costs: nothing but a copy, a conversion, a still picture
decoded, a video decoded."""

Size: TypeAlias = tuple[int, int]

_USUAL_SIZES: Final = (
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
_USUAL_RATES: Final = tuple(Fraction(rate) for rate in (5, 10, 15, 20, 24, 25, 30, 50, 60, 90, 120))
_MOST: Final = 1000
"""Entries of a list after which a driver counts as one that never ends it."""
_LIST_ENDS: Final = (errno.EINVAL, errno.ENOTTY)
_RATE_WEIGHT: Final = 2.0
_EXCESS_WEIGHT: Final = 1.0


@dataclass(frozen=True, slots=True)
class Mode:
    """A pixel format (its four characters) at a size, and the frame rates it has there, falling; empty when not told."""

    pixel_format: str
    width: int
    height: int
    frame_rates: tuple[Fraction, ...] = ()

    def nearest_rate(self, asked: Fraction) -> Fraction:
        """The frame rate to set; what is asked where the device does not tell."""
        return min(self.frame_rates, key=lambda rate: rate_distance(rate, asked), default=asked)

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.pixel_format}"


def read_modes(fd: int, kernel: Kernel, size: Size | None = None, frame_rate: Fraction | None = None) -> list[Mode]:
    """Everything that the opened capture device offers.

    Where it offers a range of sizes or rates, the usual ones in it stand for it, its ends, and the nearest to ``size`` (width,
    height) and ``frame_rate``. Raises ``OSError`` when the device does not answer.
    """
    modes = []
    for pixel_format in _pixel_formats(fd, kernel):
        sizes = dict.fromkeys(_sizes(fd, kernel, pixel_format, size)) or dict.fromkeys(_current_size(fd, kernel))
        for width, height in sizes:
            rates = set(_rates(fd, kernel, (pixel_format, width, height), frame_rate))
            modes.append(Mode(abi.fourcc_text(pixel_format), width, height, tuple(sorted(rates, reverse=True))))
    return modes


def readable(modes: Iterable[Mode]) -> list[Mode]:
    """Those whose pixel format livebg reads and whose size is even."""
    return [
        mode
        for mode in modes
        if mode.pixel_format in COSTS and mode.width % 2 == mode.height % 2 == 0 < min(mode.width, mode.height)
    ]


def choose_mode(modes: Sequence[Mode], size: Size, frame_rate: Fraction) -> Mode:
    """The readable mode nearest to ``size`` (width, height) and ``frame_rate``, and among equals the one that costs least.

    Distances are in octaves. A halved frame rate weighs as much as half the width and half the height together: a call scales
    its picture as the network allows, and enlarging by two is softness that few notice, while everybody sees 15 frames a second
    where there were 30. So a camera that has 1280x720 at 10 frames a second and 640x480 at 30 is read at 640x480, and one that
    has 1280x720 at 24 is read at that. What lies within a tenth of an octave counts as equal, so that 29.97 frames a second
    for 30 cost nobody a dearer pixel format.

    Raises ``ValueError`` when no mode is readable.
    """

    def key(mode: Mode) -> tuple[float, ...]:
        in_size, in_rate = size_distance(mode, size), rate_distance(mode.nearest_rate(frame_rate), frame_rate)
        return round(in_size + in_rate, 1), COSTS[mode.pixel_format], in_size + in_rate, in_size, in_rate

    return min(readable(modes), key=key)


def size_distance(mode: Mode, size: Size) -> float:
    """In octaves of width plus octaves of height: twice as wide and twice as high is 2."""
    return abs(math.log2(mode.width / size[0])) + abs(math.log2(mode.height / size[1]))


def rate_distance(rate: Fraction, asked: Fraction) -> float:
    """In octaves; too few frames weigh double, too many only cost CPU."""
    octaves = math.log2(rate / asked)
    return -octaves * _RATE_WEIGHT if octaves < 0 else octaves * _EXCESS_WEIGHT


Entry = TypeVar("Entry", abi.FormatDescription, abi.FrameSize, abi.FrameInterval)


def _listed(fd: int, kernel: Kernel, request: int, entry: Callable[[int], Entry]) -> Iterator[Entry]:
    """The entries of a list, asked for one by one until the driver says that there are no more."""
    for index in range(_MOST):
        asked = entry(index)
        try:
            kernel.ioctl(fd, request, asked)
        except OSError as error:
            if error.errno in _LIST_ENDS:
                return
            raise
        yield asked


def _pixel_formats(fd: int, kernel: Kernel) -> list[int]:
    listed = _listed(fd, kernel, abi.ENUM_FMT, lambda n: abi.FormatDescription(index=n, type=abi.BUF_TYPE_VIDEO_CAPTURE))
    return list(dict.fromkeys(entry.pixelformat for entry in listed))


def _sizes(fd: int, kernel: Kernel, pixel_format: int, near: Size | None) -> Iterator[Size]:
    for entry in _listed(fd, kernel, abi.ENUM_FRAMESIZES, lambda n: abi.FrameSize(index=n, pixel_format=pixel_format)):
        if entry.type == abi.FRMSIZE_TYPE_DISCRETE:
            yield entry.discrete.width, entry.discrete.height
            continue
        yield from _sizes_within(entry.stepwise, near)
        return  # a range is the only entry


def _sizes_within(span: abi.SizeRange, near: Size | None) -> Iterator[Size]:
    wide = span.min_width, span.max_width, max(1, span.step_width)
    high = span.min_height, span.max_height, max(1, span.step_height)
    if near is not None:
        yield _on_grid(near[0], *wide), _on_grid(near[1], *high)
    yield from (size for size in _USUAL_SIZES if (_on_grid(size[0], *wide), _on_grid(size[1], *high)) == size)
    yield span.min_width, span.min_height
    yield _on_grid(span.max_width, *wide), _on_grid(span.max_height, *high)


def _on_grid(wanted: int, least: int, most: int, step: int) -> int:
    """The nearest of ``least``, ``least + step`` and so on up to ``most``, even where the step allows."""
    if step % 2 and not least % 2:
        step *= 2
    steps = round((wanted - least) / step)
    return least + step * min(max(steps, 0), (most - least) // step)


def _current_size(fd: int, kernel: Kernel) -> list[Size]:
    """For drivers that list no sizes: the one that is set."""
    form = abi.Format(type=abi.BUF_TYPE_VIDEO_CAPTURE)
    try:
        kernel.ioctl(fd, abi.G_FMT, form)
    except OSError as error:
        if error.errno in _LIST_ENDS:
            return []
        raise
    return [(form.pix.width, form.pix.height)]


def _rates(fd: int, kernel: Kernel, at: tuple[int, int, int], near: Fraction | None) -> Iterator[Fraction]:
    """The frame rates of a pixel format, width and height."""
    pixel_format, width, height = at

    def entry(index: int) -> abi.FrameInterval:
        return abi.FrameInterval(index=index, pixel_format=pixel_format, width=width, height=height)

    for found in _listed(fd, kernel, abi.ENUM_FRAMEINTERVALS, entry):
        if found.type == abi.FRMIVAL_TYPE_DISCRETE:
            rate = found.discrete.inverse
            if rate is not None:
                yield rate
            continue
        yield from _rates_within(found.stepwise, near)
        return


def _rates_within(span: abi.IntervalRange, near: Fraction | None) -> Iterator[Fraction]:
    """In a range of intervals every rate is taken as possible: the device sets the nearest and says which."""
    fastest, slowest = span.min.inverse, span.max.inverse
    if fastest is None or slowest is None:
        return
    for rate in _USUAL_RATES if near is None else (*_USUAL_RATES, near):
        if slowest <= rate <= fastest:
            yield rate
    yield from (slowest, fastest)
