"""Reading a written file back: demuxed only, nothing decoded."""

from __future__ import annotations  # PyAV's classes are generic in its stubs alone

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av

from livebg.errors import SinkError
from livebg.sinks.inventory import is_cover
from livebg.sinks.streams import ENCODING_ERRORS, CopiedStream, is_gap


@dataclass(slots=True)
class _Read:
    """What one pass over the file found."""

    time_base: Fraction
    times: array[int] = field(default_factory=lambda: array("q"))
    packets: dict[int, int] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)


def verify(
    part: Path, path: Path, pts: Sequence[int], time_base: Fraction, copied: Sequence[CopiedStream], pictures: int
) -> None:
    """Compare the file ``part``, which is to become ``path``, with what was sent to it.

    ``pts`` are the times of the frames in units of ``time_base``, strictly increasing; they must be there exactly, or rounded to
    the file's own unit where that is coarser. Every copied stream must have all its packets, and ``pictures`` covers must be
    there. Raises :class:`~livebg.errors.SinkError` that says where the first difference lies.
    """
    try:
        with av.open(str(part), "r", metadata_errors=ENCODING_ERRORS) as container:
            video = next((each for each in container.streams.video if not is_cover(each)), None)
            if video is None or video.time_base is None:
                raise _differs(path, "it holds no video")
            read = _read(container, video)
            covers = sum(is_cover(each) for each in container.streams.video)
            kinds = [(each.index, each.type) for each in container.streams]
    except (av.FFmpegError, ValueError) as error:
        raise _differs(path, f"it does not open ({error})") from error
    _compare_times(path, read, pts, time_base)
    _compare_streams(path, read, kinds, copied)
    if covers != pictures:
        raise _differs(path, f"it holds {covers} cover pictures instead of {pictures}")


def _read(container: av.container.InputContainer, video: av.VideoStream) -> _Read:
    assert video.time_base is not None
    read = _Read(video.time_base)
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


def _compare_times(path: Path, read: _Read, pts: Sequence[int], time_base: Fraction) -> None:
    scale = time_base / read.time_base
    found = sorted(read.times)
    for number, (expected, got) in enumerate(zip(pts, found, strict=False)):
        if _rescaled(expected, scale) != got:
            wanted, there = float(expected * time_base), float(got * read.time_base)
            raise _differs(path, f"frame {number} lies at {there:.6f} s instead of {wanted:.6f} s")
    if len(found) != len(pts):
        raise _differs(path, f"it holds {len(found)} frames instead of {len(pts)}")


def _rescaled(ticks: int, scale: Fraction) -> int:
    """``ticks * scale`` rounded to the nearest, halves away from zero, as libav does."""
    doubled = 2 * abs(ticks) * scale.numerator + scale.denominator
    whole = doubled // (2 * scale.denominator)
    return whole if ticks >= 0 else -whole


def _compare_streams(path: Path, read: _Read, kinds: Sequence[tuple[int, str]], copied: Sequence[CopiedStream]) -> None:
    for kind in ("audio", "subtitle", "data"):
        found = [index for index, there in kinds if there == kind]
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
