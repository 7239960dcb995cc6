"""Finds the matte of each frame of a render in the file that the user names."""

from pathlib import Path

import numpy as np

from livebg.errors import SourceError
from livebg.sinks.stream_selection import CopyOptions
from livebg.sources.file import FileSource
from livebg.sources.matte_index import MatteIndex, index_matte
from livebg.sources.packet_index import PacketIndex, Ticks
from livebg.sources.time_range import TimeRange


def look_up_mattes(path: Path, source: Path, index: PacketIndex, size: tuple[int, int], rendered: CopyOptions) -> MatteIndex:
    """Check that ``path`` is the matte of the video ``source``, or of its ``rendered`` range, and return where each matte is.

    ``index`` is that of the video, and ``size`` is (width, height) of its frames. If the times of its packets do not fit, those
    of its decoded pictures count: damaged packets give no picture. Raises :class:`~livebg.errors.SourceError` if the file is not
    that matte.
    """
    first, until = TimeRange.of(rendered.start, rendered.end).ticks(index.time_base, index.origin)

    def look_up(whole: Ticks) -> MatteIndex:
        part = whole if rendered.start is None else whole[whole >= first]
        part = part if until is None else part[part < until]
        return index_matte(path, size, index.time_base, part, whole)

    if not index.exact:
        return look_up(_decoded_times(source))
    try:
        return look_up(index.pts)
    except SourceError:
        decoded = _decoded_times(source)
        if np.array_equal(decoded, index.pts):
            raise
        return look_up(decoded)


def _decoded_times(source: Path) -> Ticks:
    """Return the times of all pictures, by decoding them."""
    times: list[int] = []

    def collect(pts: int) -> bool:
        times.append(pts)
        return False

    with FileSource(source, select=collect) as decoded:
        for _ in decoded:
            pass
    return np.array(times, np.int64)
