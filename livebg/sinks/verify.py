"""Verifies a written file by demuxing it, without decoding."""

from __future__ import annotations  # PyAV's classes are generic only in its stubs

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import av

from livebg.errors import SinkError
from livebg.sinks.copied_stream import CopiedStream, Payload, is_gap
from livebg.sinks.stream_copy import StreamCopier
from livebg.sources.av_compat import open_input
from livebg.sources.video_file import is_cover

FINEST_MP4_UNIT: Final = Fraction(1, 1_000_000)
"""The finest time base, in seconds, written to MP4 and MOV."""


@dataclass(slots=True)
class _FileContent:
    """The content found in the file; usable after the file is closed."""

    time_base: Fraction
    sample_aspect_ratio: Fraction
    rounded: bool
    kinds: Sequence[tuple[int, str]]
    pictures: int
    times: array[int] = field(default_factory=lambda: array("q"))
    payloads: dict[int, Payload] = field(default_factory=dict)


def verify(part: Path, path: Path, pts: Sequence[int], time_base: Fraction, others: StreamCopier | None) -> Fraction:
    """Compare the file ``part``, which will become ``path``, with what was sent to it.

    ``pts`` are the frame times in units of ``time_base``, strictly increasing. Every stream copied by ``others`` must have all
    its content, and the numbers of cover pictures and attachments must be the same.

    Times must match exactly; in Matroska and WebM they are rounded to milliseconds, and never finer than :data:`FINEST_MP4_UNIT`.
    Raises :class:`~livebg.errors.SinkError` naming the first difference. Returns the sample aspect ratio that a reader gets,
    since not every codec and container can store it.
    """
    try:
        with open_input(str(part)) as container:
            content = _read(container, path)
    except (av.FFmpegError, ValueError) as error:
        raise verification_error(path, f"it cannot be opened ({error})") from error
    _compare_times(path, content, pts, time_base)
    _compare_streams(path, content, others.copied if others else ())
    pictures, attachments = (len(others.selection.covers), len(others.selection.attachments)) if others else (0, 0)
    if content.pictures != pictures:
        raise verification_error(path, f"it holds {content.pictures} cover pictures instead of {pictures}")
    found = sum(kind == "attachment" for _, kind in content.kinds)
    if found != attachments:
        raise verification_error(path, f"it holds {found} attachments instead of {attachments}")
    return content.sample_aspect_ratio


def _read(container: av.container.InputContainer, path: Path) -> _FileContent:
    video = next((each for each in container.streams.video if not is_cover(each)), None)
    if video is None or not video.time_base:
        raise verification_error(path, "it holds no video")
    kinds = [(each.index, each.type) for each in container.streams]
    pictures = sum(is_cover(each) for each in container.streams.video)
    aspect_ratio = Fraction(video.sample_aspect_ratio or 1)
    content = _FileContent(Fraction(video.time_base), aspect_ratio, "matroska" in container.format.name, kinds, pictures)
    for packet in container.demux():
        index = packet.stream_index
        if (packet.size == 0 and packet.dts is None) or is_gap(packet):
            continue
        if index != video.index:
            content.payloads.setdefault(index, Payload()).add(packet)
        elif not packet.is_discard and packet.pts is not None:
            content.times.append(packet.pts)
    return content


def _compare_times(path: Path, content: _FileContent, expected: Sequence[int], time_base: Fraction) -> None:
    scale = time_base / content.time_base
    found = sorted(content.times)
    rounded = content.rounded or time_base < FINEST_MP4_UNIT
    for number, (pts, actual) in enumerate(zip(expected, found, strict=False)):
        wanted = _rescaled(pts, scale) if rounded else pts * scale
        if actual != wanted:
            actual_time, expected_time = float(actual * content.time_base), float(pts * time_base)
            raise verification_error(path, f"frame {number} is at {actual_time:.6f} s instead of {expected_time:.6f} s")
    if len(found) != len(expected):
        raise verification_error(path, f"it holds {len(found)} frames instead of {len(expected)}")


def _rescaled(ticks: int, scale: Fraction) -> int:
    """Return ``ticks * scale`` rounded to the nearest, halves away from zero, as in libav."""
    doubled = 2 * abs(ticks) * scale.numerator + scale.denominator
    whole = doubled // (2 * scale.denominator)
    return whole if ticks >= 0 else -whole


def _compare_streams(path: Path, content: _FileContent, copied: Sequence[CopiedStream]) -> None:
    for kind in ("audio", "subtitle", "data"):
        found = [index for index, found_kind in content.kinds if found_kind == kind]
        expected = [stream for stream in copied if stream.kind == kind]
        if len(found) < len(expected):  # MP4 holds no stream without content, such as sound that ends before the range
            expected = [stream for stream in expected if stream.payload.size]
        for number, each in enumerate(expected):
            stream_name = f"its {kind} stream {number}"
            if number >= len(found):
                raise verification_error(path, f"{stream_name} is missing")
            payload, wanted = content.payloads.get(found[number], Payload()), each.payload
            # Muxers merge packets (PGS segments, E-AC-3 blocks) or rewrite each one (ADTS headers), but not both.
            if payload.digest == wanted.digest:
                continue
            if each.is_pcm:  # demuxers choose PCM packet sizes
                if payload.size != wanted.size:
                    raise verification_error(path, f"{stream_name} holds {payload.size} bytes instead of {wanted.size}")
            elif payload.packets != wanted.packets:
                difference = f"{payload.packets} packets instead of {wanted.packets}, with other content"
                raise verification_error(path, f"{stream_name} holds {difference}")


def verification_error(path: Path, difference: str) -> SinkError:
    """Return the error that ``path`` differs from what was sent to it: ``difference`` is a clause."""
    return SinkError(f"Verification of {path} failed, so it was removed: {difference}.", "Please report this input.")
