"""Decodes a file's video stream to pictures in presentation order with exact timestamps."""

import heapq
import logging
from collections.abc import Generator, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Final, TypeAlias, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from livebg.sources.damage import DamageLog
from livebg.sources.video_file import open_video

VideoPacket: TypeAlias = "Packet[VideoStream]"
"""A string, because the class takes no parameter at run time."""

_LOG: Final = logging.getLogger(__name__)

READ_ATTEMPTS: Final = 8
"""Consecutive read errors after which a file counts as truncated."""
CLOCK_RESTART_S: Final = 1
"""Seconds. A time that is earlier than the one before by more than this is that of a clock that restarted."""
_JOINABLE: Final = frozenset({"mpegts", "mpeg"})
"""Containers whose files, joined end to end, are a file: its clock restarts with each part."""
DECODE_ORDER_ONLY: Final = frozenset({"avi"})
"""Containers without presentation times: libav guesses them, wrongly with B-frames."""


class Timestamps:
    """Makes timestamps strictly increasing and counts those that were missing or moved."""

    def __init__(self, step: int, second: int, decode_order_only: bool) -> None:
        """``step`` is the nominal frame distance and ``second`` the length of a second, both in ticks."""
        self.corrected = 0
        self._second = second
        self._offset = 0
        self._step = max(1, step)
        self._decode_order_only = decode_order_only
        self._pending_dts: list[int] = []
        self._last: int | None = None
        self._last_given = self._before_restart = 0
        """The times of the previous frame and of the last one before the clock restarted, as they came."""

    def packet(self, pts: int | None, dts: int | None) -> None:
        """Record the times of a packet before it is decoded."""
        if dts is not None and (pts is None or self._decode_order_only):
            heapq.heappush(self._pending_dts, dts)

    def frame(self, pts: int | None) -> int:
        """Return the next frame's timestamp. Frames come in presentation order, so the n-th takes the n-th decoding time."""
        timestamp = None if self._decode_order_only else pts
        if timestamp is None:
            timestamp = heapq.heappop(self._pending_dts) if self._pending_dts else pts
            self.corrected += not self._decode_order_only
        last = self._last
        if timestamp is None:
            self._last = 0 if last is None else last + self._step
        else:
            self._last = timestamp if last is None else self._next_after(last, timestamp)
            self._last_given = timestamp
        return self._last

    def _next_after(self, last: int, pts: int) -> int:
        """Return ``pts``, or the nearest timestamp after ``last``."""
        was_late = pts > self._before_restart and pts - self._last_given > self._second  # a damaged picture, not a restart
        if pts > last or was_late:
            self._offset = 0
        if pts + self._offset > last:
            return pts + self._offset
        self.corrected += 1
        if last - pts - self._offset <= self._second:
            return last + 1
        # Joined recordings: the clock restarts, so continue from the last timestamp.
        self._before_restart = max(self._last_given, self._before_restart if self._offset else self._last_given)
        self._offset = last + self._step - pts
        return last + self._step


class Decoder:
    """Decodes one video stream once. Skips and counts packets that cannot be decoded.

    Attributes: ``rate`` in frames per second; ``pixel_aspect``, the width of a pixel over its height; ``origin``, the file's
    start as players count it, in seconds on the stream's clock; ``duration`` in seconds and the number of ``frames``, both from
    the container, None or 0 if unknown; ``damage``, which counts what was wrong with packets and pictures; ``seeked``, whether
    decoding does not start with the file; ``broken_at``, the pts at which reading failed for good, or None.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        self._path = path
        self.container, self.stream = open_video(path, threads)
        self.time_base = Fraction(self.stream.time_base or Fraction(1, 1000))
        self.rate = frame_rate(self.stream)
        self.pixel_aspect = Fraction(self.stream.sample_aspect_ratio or 1)
        self.origin = file_origin(self.container, self.stream, self.time_base)
        self.duration = _duration(self.container, self.stream, self.time_base, self.origin)
        self.frames = self.stream.frames
        self.damage = DamageLog()
        self.seeked = False
        self.broken_at: int | None = None
        self._step = round(1 / self.rate / self.time_base)
        second = round(CLOCK_RESTART_S / self.time_base)
        self._timestamps = Timestamps(self._step, second, self.container.format.name in DECODE_ORDER_ONLY)
        self._leading_times: list[int] = []
        self._last_time = 0
        self._starts_with_key_frame: bool | None = None
        self._key_frame_seen = self._started = False

    def seek(self, time: Fraction) -> bool:
        """Seek to the key frame at or before ``time`` (seconds on the stream's clock). Returns False if the file cannot seek."""
        try:
            self.container.seek(int(time / self.time_base), stream=self.stream)
        except av.error.FFmpegError:
            return False
        self.seeked = True
        return True

    def clock_restarts(self) -> bool:
        """Return whether the clock restarts. Reads all packets of a file that may be joined from several."""
        if self.container.format.name not in _JOINABLE:
            return False
        container, stream = open_video(self._path, threads=1)
        last = None
        with container, suppress(av.error.FFmpegError):
            for packet in container.demux(stream):
                if packet.dts is not None and last is not None and (last - packet.dts) * self.time_base > CLOCK_RESTART_S:
                    return True
                last = last if packet.dts is None else packet.dts
        return False

    def pictures(self) -> Generator[tuple[av.VideoFrame, int], None, None]:
        """Yield each decodable picture with its pts."""
        last = 0
        for packet in self._packets():
            for picture in self._decode(packet):
                if not self._started and not self._start(picture):
                    continue
                last = self._time(picture)
                yield picture, last
        if self.broken_at is not None:
            self.broken_at = last + self._step

    def close(self) -> None:
        self.container.close()

    def _packets(self) -> Iterator[VideoPacket]:
        """Yield the stream's packets; the last one is empty and flushes the decoder."""
        failures = 0
        while True:
            try:
                for packet in self.container.demux(self.stream):
                    failures = 0
                    yield packet
            except av.error.FFmpegError as error:
                _LOG.debug("Read failed: %s", error)
                failures += 1
                if failures < READ_ATTEMPTS:
                    continue
                self.broken_at = 0
                flush = cast("VideoPacket", Packet())
                flush.stream = self.stream
                yield flush
            return

    def _decode(self, packet: VideoPacket) -> list[av.VideoFrame]:
        if packet.size:
            self._register(packet)
        try:
            return packet.decode()
        except av.error.EOFError:
            return []
        except av.error.FFmpegError as error:
            _LOG.debug("Cannot decode the packet at %s: %s", packet.pts, error)
            self.damage.add("undecodable", self._last_time)
            return []

    def _time(self, picture: av.VideoFrame) -> int:
        corrected = self._timestamps.corrected
        time = self._timestamps.frame(picture.pts)
        if self._timestamps.corrected > corrected:
            self.damage.add("corrected", time)
        if picture.is_corrupt:
            self.damage.add("damaged", time)
        return time

    def _register(self, packet: VideoPacket) -> None:
        if self._starts_with_key_frame is None:
            self._starts_with_key_frame = packet.is_keyframe
        self._key_frame_seen = self._key_frame_seen or packet.is_keyframe
        if self._key_frame_seen:
            self._timestamps.packet(packet.pts, packet.dts)
        time = packet.pts if packet.pts is not None else packet.dts
        self._last_time = self._last_time if time is None else time
        if not self._started and not packet.is_discard and time is not None:
            self._leading_times.append(time)

    def _start(self, picture: av.VideoFrame) -> bool:
        """Return whether the picture can be the first: after a seek or a cut inside a group of pictures, references are
        missing.
        """
        if not picture.key_frame and (picture.is_corrupt or self.seeked or not self._starts_with_key_frame):
            return False
        self._started = True
        first = picture.pts
        self.damage.forget("undecodable", first if self.seeked else None)
        for time in self._leading_times:
            if not self.seeked and first is not None and time < first:
                self.damage.add("leading", time)
        self._leading_times.clear()
        return True


def frame_rate(stream: VideoStream) -> Fraction:
    """Return the nominal frame rate: the container's average, else libav's guess, else 25."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= 1000:
            return Fraction(rate)
    return Fraction(25)


def file_origin(container: InputContainer, stream: VideoStream, time_base: Fraction) -> Fraction:
    """Return the start of the earliest stream, in seconds on the clock of ``stream``."""
    stream_start = (stream.start_time or 0) * time_base
    if container.start_time is None:
        return stream_start
    container_start = Fraction(container.start_time, av.time_base)
    # The container counts in microseconds. If this stream is the earliest, its own ticks are exact.
    return stream_start if abs(stream_start - container_start) < Fraction(1, 10_000) else container_start


def _duration(container: InputContainer, stream: VideoStream, time_base: Fraction, origin: Fraction) -> Fraction | None:
    if stream.duration:
        return ((stream.start_time or 0) + stream.duration) * time_base - origin
    return Fraction(container.duration, av.time_base) if container.duration else None
