"""Lists the pictures of a video file by reading its packets, without decoding them."""

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from livebg.sources.decoder import VideoPacket, file_origin
from livebg.sources.time_range import TimeRange
from livebg.sources.video_file import open_video

Ticks = NDArray[np.int64]
"""Times in ticks, int64, shape (count,)."""

_CONTAINERS: Final = frozenset({"mov", "matroska", "webm", "mpegts"})
"""Containers with a presentation time for each picture, that seek to key frames."""
_CODECS: Final = frozenset(
    {
        *("h264", "hevc", "vp8", "vp9", "av1", "mpeg1video", "mpeg2video", "mpeg4"),
        *("mjpeg", "prores", "dnxhd", "dvvideo", "ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo"),
    }
)
"""Codecs whose pictures from a key frame on do not depend on those before it."""
_MAX_LANDING_S: Final = 30
"""Seconds. A seek that ends further before its target reads much of the file for each segment."""


@dataclass(frozen=True, eq=False)
class PacketIndex:
    """The pictures of a file's main video stream.

    ``pts`` holds the times of the pictures that are shown, rising, and ``key_frames`` those of the key frames among them, both in
    ticks of ``time_base`` seconds. ``origin`` is the file's start as players count it, in seconds on the stream's clock.
    ``begin`` is the earliest time of any packet, which is no picture's if the first packets cannot be decoded. ``exact`` is
    whether decoding after a seek gives the same pictures and times as decoding from the start; if not, both lists may be wrong.
    """

    time_base: Fraction
    pts: Ticks
    key_frames: Ticks
    origin: Fraction
    begin: int
    exact: bool

    def between(self, start: float | None, end: float | None) -> Ticks:
        """Return the ``pts`` with ``start <= time < end``, in seconds from the file's start."""
        first, until = TimeRange.of(start, end).ticks(self.time_base, self.origin)
        return self.pts[(self.pts >= first) & (self.pts < (math.inf if until is None else until))]


def index_packets(path: Path) -> PacketIndex:
    """Read all packets of a file. Raises :class:`~livebg.errors.SourceError` if the file cannot be read as a video."""
    container, stream = open_video(path, threads=1)
    with container:
        time_base = Fraction(stream.time_base or Fraction(1, 1000))
        origin = file_origin(container, stream, time_base)
        packets = _Packets(stream)
        packets.read(container)
        is_known = container.format.name.split(",")[0] in _CONTAINERS and packets.codec in _CODECS
        reordered = stream.codec_context.reorder_depth
    pts, key_frames = packets.shown()
    is_exact = is_known and packets.are_regular and len(key_frames) > 0 and packets.reordering() <= reordered
    if is_exact:
        is_exact = _can_seek(path, int(key_frames[-1]), _MAX_LANDING_S / time_base)
    return PacketIndex(time_base, pts, key_frames, origin, packets.begin(is_exact), is_exact)


class _Packets:
    """The times of a stream's packets in decoding order.

    ``are_regular`` is whether each packet has a presentation time and none is damaged or missing.
    """

    def __init__(self, stream: VideoStream) -> None:
        self.codec = stream.codec_context.codec.canonical_name
        self.are_regular = True
        self._stream = stream
        self._times: list[int] = []
        self._is_key: list[bool] = []
        self._first_key: int | None = None
        self._first_pts: int | None = None
        self._first_dts: int | None = None

    def begin(self, is_exact: bool) -> int:
        """Return the earliest time that a picture can have: decoding times replace missing ones, and 0 if both are missing."""
        candidates = (self._first_pts,) if is_exact else (self._first_pts, self._first_dts, 0)
        return min(time for time in candidates if time is not None)

    def read(self, container: InputContainer) -> None:
        try:
            for packet in container.demux(self._stream):
                if packet.size:
                    self._add(packet)
                elif packet.dts is not None:  # the last one, which flushes the decoder, has no time
                    self.are_regular = False
        except av.error.FFmpegError:
            self.are_regular = False

    def shown(self) -> tuple[Ticks, Ticks]:
        """Return the rising times of all pictures that can be decoded, and of the key frames among them."""
        pts, is_key = np.array(self._times, np.int64), np.array(self._is_key, bool)
        decodable = pts >= self._first_key if self._first_key is not None else is_key
        return np.unique(pts[decodable]), np.unique(pts[decodable & is_key])

    def reordering(self) -> float:
        """Return how many pictures at most are decoded before one that is shown before them; infinite for repeated times."""
        pts = np.array(self._times, np.int64)
        order = np.argsort(pts, kind="stable")
        if (np.diff(pts[order]) == 0).any():
            return math.inf
        ranks = np.empty(len(pts), np.int64)
        ranks[order] = np.arange(len(pts))
        return int((np.arange(len(pts)) - ranks).max(initial=0))

    def _add(self, packet: VideoPacket) -> None:
        if packet.pts is not None:
            self._first_pts = packet.pts if self._first_pts is None else min(packet.pts, self._first_pts)
        if packet.dts is not None and self._first_dts is None:
            self._first_dts = packet.dts
        if packet.pts is None or packet.is_corrupt:
            self.are_regular = False
        if packet.pts is None:
            return
        if packet.is_keyframe and self._first_key is None:
            self._first_key = packet.pts
        if not packet.is_discard and not (self.codec == "vp8" and _is_hidden(packet)):
            self._times.append(packet.pts)
            self._is_key.append(packet.is_keyframe)


def _is_hidden(packet: VideoPacket) -> bool:
    """Return whether a VP8 packet holds a reference that is never shown (RFC 6386, section 9.1)."""
    return not memoryview(packet)[0] & 0x10


def _can_seek(path: Path, target: int, reach: Fraction) -> bool:
    """Return whether a newly opened file seeks to at most ``reach`` ticks before ``target``, and not after it."""
    container, stream = open_video(path, threads=1)
    with container:
        try:
            container.seek(target, stream=stream)
            packet = next(container.demux(stream))
        except (av.error.FFmpegError, StopIteration):
            return False
        time = packet.pts if packet.dts is None else packet.dts
        return time is not None and target - reach <= time <= target
