"""Segments: the parts of a video that are rendered independently, in any order and by anyone, always to the same bytes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from livebg.rendering.jobs import NetworkInfo
from livebg.sources.packet_index import PacketIndex, Ticks
from livebg.sources.time_range import TimeRange

WARMUP_S: Final = 3.0
"""Seconds before a segment that the temporal filter sees first, so that its matte continues that of the segment before. The
filter's trust has a time constant this long."""
LOOKAHEAD_S: Final = 0.5
"""Seconds after a segment that the look-ahead filter sees."""
SEGMENT_S: Final = 10.0
"""Seconds between two boundaries of the grid of a file that is not short."""
_SHARED_S: Final = 8.0
"""Seconds. A file of this length has two segments, so that two processes share it. In a shorter one, warm-up and the start of
processes cost more than that saves."""
_FIRST_SHARE: Final = 0.55
"""Part of a short file in its first segment, which has no warm-up."""
_ROUNDING_S: Final = 0.01
"""Seconds to decode on either side of a segment, so that the rounding of times loses no frame."""
_MAX_PRE_ROLL_S: Final = 60
"""Seconds from a key frame to the last boundary after it. A segment is decoded from the key frame before it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Part ``index`` of a video: its frames with ``begin <= pts < end``, in ticks of ``time_base`` seconds.

    The end of the last segment is None: it lasts as long as the source.
    """

    index: int
    begin: int
    end: int | None
    time_base: Fraction

    def contains(self, pts: int) -> bool:
        return self.begin <= pts and (self.end is None or pts < self.end)


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A finished file of a segment: its ``name`` in the job directory, its size in bytes, and the SHA-256 of its content, hex."""

    name: str
    size: int
    sha256: str

    def path(self, folder: Path) -> Path:
        return folder / self.name


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """A rendered segment.

    ``pts`` are the times of its frames, rising, in ticks of the source's time base. ``files`` holds one file per output of the
    job, by the output's key: ``video``, ``matte``, ``cutout``, ``plate``. All of them have the same frames. ``notes`` are clauses
    on conversions, and ``damage`` counts what was wrong with the source's packets of this segment, by kind.
    """

    index: int
    pts: tuple[int, ...]
    files: Mapping[str, SegmentFile]
    notes: tuple[str, ...]
    damage: Mapping[str, int]
    network: NetworkInfo | None


def plan_segments(index: PacketIndex, start: float | None, end: float | None, segment_s: float | None = None) -> list[Segment]:
    """Cut the frames between ``start`` and ``end`` into segments of about ``segment_s`` seconds; one if ``index`` is not exact.

    By default ``segment_s`` is 10 seconds; for a file between 8 and 18 seconds, a little over half of it. Boundaries are on a
    grid of the file's timeline. Each moves to the nearest key frame within a quarter of ``segment_s``, or else to the next
    picture. A segment that would be shorter than a fifth of ``segment_s`` joins its neighbor. The first segment begins with the
    range, so that the packets before the first picture belong to it. Raises :class:`~livebg.errors.ConfigError` for an invalid
    range.
    """
    segment_s = _segment_length(index) if segment_s is None else segment_s
    time_range = TimeRange.of(start, end)
    first, _ = time_range.ticks(index.time_base, index.origin)
    begin = first if time_range.start else min(first, index.begin)
    pts = index.between(start, end)
    length = Fraction(segment_s) / index.time_base
    boundaries = [begin, *_boundaries(index, pts, length)] if index.exact and len(pts) else [begin]
    ends = [*boundaries[1:], None]
    return [Segment(number, boundary, ends[number], index.time_base) for number, boundary in enumerate(boundaries)]


def decoded_range(
    segment: Segment, origin: Fraction, start: float | None, end: float | None, *, filtered: bool
) -> tuple[float | None, float | None]:
    """Return the ``start`` and ``end`` with which a source decodes a segment of that range; if its mattes are ``filtered`` over
    time, with warm-up and look-ahead."""
    before, after = (WARMUP_S, LOOKAHEAD_S) if filtered else (_ROUNDING_S, _ROUNDING_S)
    if segment.index:
        start = max(start or 0.0, float(segment.begin * segment.time_base - origin) - before)
    if segment.end is not None:
        end = min(math.inf if end is None else end, float(segment.end * segment.time_base - origin) + after)
    return start, end


def _segment_length(index: PacketIndex) -> float:
    """Return the seconds between two boundaries, which depend on the file alone, neither on the machine nor on the range."""
    duration = float((index.pts[-1] - index.pts[0]) * index.time_base) if len(index.pts) else 0.0
    return SEGMENT_S if duration < _SHARED_S else min(SEGMENT_S, _FIRST_SHARE * duration)


def _boundaries(index: PacketIndex, pts: Ticks, length: Fraction) -> list[int]:
    """Return where the segments of the pictures at ``pts`` begin, except the first; ``length`` is that of the grid, in ticks."""
    previous, last = int(pts[0]), int(pts[-1])
    origin = index.origin / index.time_base
    found: list[int] = []
    number = math.floor((previous - origin) / length) + 1
    while (position := int(np.searchsorted(pts, math.ceil(origin + number * length)))) < len(pts):
        picture = int(pts[position])
        key_frame = _key_frame_near(index.key_frames, origin + number * length, length / 4)
        boundary = picture if key_frame is None else key_frame
        if min(boundary - previous, last - boundary) >= length / 5 and _is_near_key_frame(index, boundary):
            found.append(boundary)
            previous = boundary
        number = max(number, math.floor((picture - origin) / length)) + 1  # skip a gap of several segments
    return found


def _key_frame_near(key_frames: Ticks, time: Fraction, reach: Fraction) -> int | None:
    """Return the nearest key frame at most ``reach`` ticks from ``time``."""
    position = int(np.searchsorted(key_frames, math.ceil(time)))
    near = [int(key) for key in key_frames[max(0, position - 1) : position + 1] if abs(key - time) <= reach]
    return min(near, key=lambda key: abs(key - time), default=None)


def _is_near_key_frame(index: PacketIndex, boundary: int) -> bool:
    """Return whether decoding reaches the boundary's warm-up from a key frame that is not too far."""
    begin = boundary - Fraction(WARMUP_S) / index.time_base
    earlier = index.key_frames[: int(np.searchsorted(index.key_frames, math.floor(begin), side="right"))]
    return begin - int(earlier[-1] if len(earlier) else index.pts[0]) <= _MAX_PRE_ROLL_S / index.time_base
