"""Reading a written file back: demuxed only, nothing decoded."""

from __future__ import annotations  # PyAV's classes are generic in its stubs alone

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import av

from livebg.errors import SinkError
from livebg.sinks.stream_copy import CopiedStream, is_gap
from livebg.sources.av_compat import opened
from livebg.sources.video_file import is_cover

FINEST_MP4_UNIT: Final = Fraction(1, 1_000_000)
"""The smallest unit, in seconds, in which MP4 and MOV are written."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be in a written file.

    ``pts`` are the times of the frames in units of ``time_base``, strictly increasing; every one of the ``copied`` streams must
    have all its packets, and as many cover ``pictures`` and ``attachments`` as given must be there.
    """

    pts: Sequence[int]
    time_base: Fraction
    copied: Sequence[CopiedStream] = ()
    pictures: int = 0
    attachments: int = 0


@dataclass(slots=True)
class _Read:
    """What one pass over the file found; nothing in it needs the file to be open."""

    time_base: Fraction
    sample_aspect_ratio: Fraction
    rounds: bool
    kinds: Sequence[tuple[int, str]]
    pictures: int
    times: array[int] = field(default_factory=lambda: array("q"))
    packets: dict[int, int] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)


def verify(part: Path, path: Path, expected: Expected) -> Fraction:
    """Compare the file ``part``, which is to become ``path``, with what was sent to it.

    The times must be there exactly; in Matroska and WebM rounded to its millisecond, and never finer than
    :data:`FINEST_MP4_UNIT`. Raises
    :class:`~livebg.errors.SinkError` that says where the first difference lies. Returns the sample aspect ratio that a reader
    finds, since not every codec and container can carry it.
    """
    try:
        with opened(str(part)) as container:
            read = _read(container, path)
    except (av.FFmpegError, ValueError) as error:
        raise _differs(path, f"it does not open ({error})") from error
    _compare_times(path, read, expected)
    _compare_streams(path, read, expected.copied)
    if read.pictures != expected.pictures:
        raise _differs(path, f"it holds {read.pictures} cover pictures instead of {expected.pictures}")
    attachments = sum(kind == "attachment" for _, kind in read.kinds)
    if attachments != expected.attachments:
        raise _differs(path, f"it holds {attachments} attachments instead of {expected.attachments}")
    return read.sample_aspect_ratio


def _read(container: av.container.InputContainer, path: Path) -> _Read:
    video = next((each for each in container.streams.video if not is_cover(each)), None)
    if video is None or not video.time_base:
        raise _differs(path, "it holds no video")
    kinds = [(each.index, each.type) for each in container.streams]
    pictures = sum(is_cover(each) for each in container.streams.video)
    shape = Fraction(video.sample_aspect_ratio or 1)
    read = _Read(Fraction(video.time_base), shape, "matroska" in container.format.name, kinds, pictures)
    for packet in container.demux():
        index = packet.stream_index
        if (packet.size == 0 and packet.dts is None) or is_gap(packet):
            continue
        if index != video.index:
            read.packets[index] = read.packets.get(index, 0) + 1
            read.sizes[index] = read.sizes.get(index, 0) + packet.size
        elif not packet.is_discard and packet.pts is not None:
            read.times.append(packet.pts)
    return read


def _compare_times(path: Path, read: _Read, expected: Expected) -> None:
    scale = expected.time_base / read.time_base
    found = sorted(read.times)
    rounds = read.rounds or expected.time_base < FINEST_MP4_UNIT
    for number, (pts, got) in enumerate(zip(expected.pts, found, strict=False)):
        wanted = _rescaled(pts, scale) if rounds else pts * scale
        if got != wanted:
            there, should = float(got * read.time_base), float(pts * expected.time_base)
            raise _differs(path, f"frame {number} lies at {there:.6f} s instead of {should:.6f} s")
    if len(found) != len(expected.pts):
        raise _differs(path, f"it holds {len(found)} frames instead of {len(expected.pts)}")


def _rescaled(ticks: int, scale: Fraction) -> int:
    """``ticks * scale`` rounded to the nearest, halves away from zero, as libav does."""
    doubled = 2 * abs(ticks) * scale.numerator + scale.denominator
    whole = doubled // (2 * scale.denominator)
    return whole if ticks >= 0 else -whole


def _compare_streams(path: Path, read: _Read, copied: Sequence[CopiedStream]) -> None:
    for kind in ("audio", "subtitle", "data"):
        found = [index for index, there in read.kinds if there == kind]
        for number, each in enumerate(stream for stream in copied if stream.kind == kind):
            where = f"its {kind} stream {number}"
            if number >= len(found):
                raise _differs(path, f"{where} is missing")
            packets, size = read.packets.get(found[number], 0), read.sizes.get(found[number], 0)
            if each.is_pcm:  # readers cut it into packets as they like
                if size != each.size:
                    raise _differs(path, f"{where} holds {size} bytes instead of {each.size}")
            elif packets != each.packets:
                raise _differs(path, f"{where} holds {packets} packets instead of {each.packets}")


def _differs(path: Path, how: str) -> SinkError:
    return SinkError(f"what was written to {path} is not what was sent, so it has been removed: {how}; please report this input")
