"""Segments as livebg encodes them, and what a reader finds in a file."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import _SEAL, Alpha8, Composite, VideoFormat
from livebg.sinks.codecs import EncoderPlan
from livebg.sinks.joiner import EncodedSegment
from livebg.sinks.segment_file import SegmentWriter

CONTAINERS = MappingProxyType({".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"})
SIZE = (64, 48)


class StoredTime(NamedTuple):
    """The times of a packet in seconds, as a demuxer reads them; the decoding time may be unknown."""

    pts: Fraction
    dts: Fraction | None


def moving(number: int, pts: int, time_base: Fraction, *, cutout: bool = False) -> Composite:
    """Picture ``number`` of a scene in motion, in which encoders use B-frames; a cutout has alpha."""
    width, height = SIZE
    rows, columns = np.mgrid[: height * 3 // 2, :width]
    data = (128 + 60 * np.sin((columns + 2 * number) / 7) * np.cos(rows / 5)).astype(np.uint8)
    alpha: Alpha8 | None = None
    if cutout:
        alpha = (np.hypot(rows[:height] - 24, columns[:height] - 20 - number) < 14).astype(np.uint8) * 255
    return Composite(data, pts, time_base, alpha=alpha, seal=_SEAL)


def encode(
    path: Path, plan: EncoderPlan, pts: Sequence[int], time_base: Fraction, *, first: int = 0, cutout: bool = False
) -> EncodedSegment:
    """Write the pictures from number ``first`` on at the times ``pts``."""
    writer = SegmentWriter(path, plan, format_at(time_base), time_base)
    for number, each in enumerate(pts):
        writer.write(moving(first + number, each, time_base, cutout=cutout), each)
    writer.close()
    return path, tuple(writer.pts)


def format_at(time_base: Fraction) -> VideoFormat:
    """A format at 25 frames a second, or at the most that ``time_base`` can express."""
    return VideoFormat(*SIZE, min(Fraction(25), 1 / time_base))


def encode_all(
    folder: Path, plan: EncoderPlan, parts: Sequence[Sequence[int]], time_base: Fraction, *, cutout: bool = False
) -> list[EncodedSegment]:
    """Write one segment for each of ``parts``; the scene goes on from one to the next."""
    segments, first = [], 0
    for index, pts in enumerate(parts):
        segments.append(encode(folder / f"{index}.segment", plan, pts, time_base, first=first, cutout=cutout))
        first += len(pts)
    return segments


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder for each example of a property."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def decoded(path: Path, decoder: str | None = None) -> list[NDArray[np.generic]]:
    """Every picture of the video, in the pixel format of the file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if decoder is None:
            return [_planes(frame) for frame in container.decode(stream)]
        context = av.CodecContext.create(decoder, "r")
        assert isinstance(context, av.VideoCodecContext)
        frames = [frame for packet in container.demux(stream) if packet.size for frame in context.decode(packet)]
        return [_planes(frame) for frame in [*frames, *context.decode(None)]]


def packet_times(path: Path) -> list[StoredTime]:
    """The times of the video's packets, in the order in which they are stored."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        unit = Fraction(stream.time_base or 0)
        found = [(packet.pts, packet.dts) for packet in container.demux(stream) if packet.size]
    return [StoredTime((pts or 0) * unit, None if dts is None else dts * unit) for pts, dts in found]


def _planes(frame: av.VideoFrame) -> NDArray[np.generic]:
    rows = []
    for plane in frame.planes:
        deep = max(component.bits for component in frame.format.components) > 8
        values = np.frombuffer(memoryview(plane), np.uint16 if deep else np.uint8).reshape(plane.height, -1)
        rows.append(values[:, : plane.width].reshape(-1))
    return np.concatenate(rows)
