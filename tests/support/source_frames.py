"""Clips as livebg's own source reads them."""

from fractions import Fraction
from pathlib import Path

from livebg.imaging.frame import Frame
from livebg.sources.file import FileSource
from tests.support.media import read_stamp


def frames_of(path: Path, start: float | None = None, end: float | None = None) -> tuple[FileSource, list[Frame]]:
    """The source, closed, and all that came out of it."""
    with FileSource(path, start, end) as source:
        return source, list(source)


def stamps(frames: list[Frame]) -> list[int]:
    """The numbers that the pictures carry."""
    return [read_stamp(frame.y) for frame in frames]


def times(frames: list[Frame]) -> list[Fraction]:
    """The frames' times in seconds."""
    return [frame.pts * frame.time_base for frame in frames]
