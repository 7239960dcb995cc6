"""A file's video stream as pictures in the order they are shown, each at its own time."""

import heapq
import logging
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final, TypeAlias, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from livebg.sources.video_file import open_video

VideoPacket: TypeAlias = "Packet[VideoStream]"
"""A string, for at run time the class takes no parameter."""

_log = logging.getLogger(__name__)

_READ_ATTEMPTS: Final = 8
"""Reading errors in a row after which a file counts as broken off."""
DECODE_ORDER_ONLY: Final = frozenset({"avi"})
"""Containers without presentation times: what libav gives for them is guessed, and with B-frames guessed wrong."""


class Timestamps:
    """Strictly increasing timestamps from what a file says, and a count of those that had to be made up or moved."""

    def __init__(self, step: int, second: int, decode_order_only: bool) -> None:
        """``step`` is the nominal distance of frames, ``second`` the length of a second, in ticks."""
        self.corrected = 0
        self._second = second
        self._offset = 0
        self._step = max(1, step)
        self._decode_order_only = decode_order_only
        self._waiting: list[int] = []
        self._last: int | None = None

    def packet(self, pts: int | None, dts: int | None) -> None:
        """Note a packet on its way into the decoder."""
        if dts is not None and (pts is None or self._decode_order_only):
            heapq.heappush(self._waiting, dts)

    def frame(self, pts: int | None) -> int:
        """The timestamp for the next frame. Frames come out in the order shown, so the n-th takes the n-th decoding time."""
        known = None if self._decode_order_only else pts
        if known is None:
            known = heapq.heappop(self._waiting) if self._waiting else pts
            self.corrected += not self._decode_order_only
        last = self._last
        if known is None:
            known = 0 if last is None else last + self._step
        elif last is not None:
            known = self._after(last, known)
        self._last = known
        return known

    def _after(self, last: int, given: int) -> int:
        """``given``, or the nearest that lies after ``last``."""
        if given > last:
            self._offset = 0
        if given + self._offset > last:
            return given + self._offset
        self.corrected += 1
        if last - given - self._offset <= self._second:
            return last + 1
        # A recording joined to another: its clock starts again, and goes on from here.
        self._offset = last + self._step - given
        return last + self._step


class Decoder:
    """Decodes one video stream, once. Counts what it could not decode, and goes on.

    Attributes: ``origin``, the file's start as players count it, in seconds on the stream's clock; ``duration`` in seconds and
    the number of ``frames`` as the container has them, None or 0 where it does not; ``undecodable`` packets in the middle;
    ``leading`` packets before the first picture that decodes; ``damaged`` pictures that were decoded with errors; ``broken_at``,
    the pts at which reading failed for good, or None.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        self.container, self.stream = open_video(path, threads)
        self.time_base = Fraction(self.stream.time_base or Fraction(1, 1000))
        self.rate = frame_rate(self.stream)
        self.origin = _origin(self.container, self.stream, self.time_base)
        self.duration = _duration(self.container, self.stream, self.time_base, self.origin)
        self.frames = self.stream.frames
        self.undecodable = self.leading = self.damaged = 0
        self.broken_at: int | None = None
        self._step = round(1 / self.rate / self.time_base)
        self._timestamps = Timestamps(self._step, round(1 / self.time_base), self.container.format.name in DECODE_ORDER_ONLY)
        self._before: list[int] = []
        self._starts_at_key: bool | None = None
        self._key_seen = self._begun = False

    @property
    def corrected(self) -> int:
        """How many timestamps were missing, repeated or reversed."""
        return self._timestamps.corrected

    def seek(self, time: Fraction) -> bool:
        """Go to the key frame at or before ``time`` (seconds on the stream's own clock); False if the file cannot."""
        try:
            self.container.seek(int(time / self.time_base), stream=self.stream)
        except av.error.FFmpegError:
            return False
        return True

    def pictures(self) -> Generator[tuple[av.VideoFrame, int], None, None]:
        """Yield each picture that decodes, with its pts."""
        last = 0
        for packet in self._packets():
            for picture in self._decode(packet):
                if not self._begun and not self._begin(picture):
                    continue
                last = self._timestamps.frame(picture.pts)
                yield picture, last
                self.damaged += picture.is_corrupt  # once it is known that it was wanted
        if self.broken_at is not None:
            self.broken_at = last + self._step

    def close(self) -> None:
        self.container.close()

    def _packets(self) -> Iterator[VideoPacket]:
        """The stream's packets; the last one is empty and flushes the decoder."""
        failures = 0
        while True:
            try:
                for packet in self.container.demux(self.stream):
                    failures = 0
                    yield packet
            except av.error.FFmpegError as error:
                _log.debug("reading failed: %s", error)
                failures += 1
                if failures < _READ_ATTEMPTS:
                    continue
                self.broken_at = 0
                yield self._flush_packet()
            return

    def _flush_packet(self) -> VideoPacket:
        packet = cast("VideoPacket", Packet())
        packet.stream = self.stream
        return packet

    def _decode(self, packet: VideoPacket) -> list[av.VideoFrame]:
        if packet.size:
            self._register(packet)
        try:
            return packet.decode()
        except av.error.EOFError:
            return []
        except av.error.FFmpegError as error:
            _log.debug("a packet at %s does not decode: %s", packet.pts, error)
            self.undecodable += 1
            return []

    def _register(self, packet: VideoPacket) -> None:
        if self._starts_at_key is None:
            self._starts_at_key = packet.is_keyframe
        self._key_seen = self._key_seen or packet.is_keyframe
        if self._key_seen:
            self._timestamps.packet(packet.pts, packet.dts)
        time = packet.pts if packet.pts is not None else packet.dts
        if not self._begun and not packet.is_discard and time is not None:
            self._before.append(time)

    def _begin(self, picture: av.VideoFrame) -> bool:
        """Whether the picture is fit to be the first: what follows a cut in mid-group is made of references that are missing."""
        if not picture.key_frame and (picture.is_corrupt or not self._starts_at_key):
            return False
        self._begun = True
        first = picture.pts
        self.leading = 0 if first is None else sum(time < first for time in self._before)
        self.undecodable = 0
        self._before.clear()
        return True


def frame_rate(stream: VideoStream) -> Fraction:
    """The nominal frame rate: what the container says on average, else what libav guesses, else 25."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= 1000:
            return Fraction(rate)
    return Fraction(25)


def _origin(container: InputContainer, stream: VideoStream, time_base: Fraction) -> Fraction:
    """The start of the earliest stream, in seconds."""
    own = (stream.start_time or 0) * time_base
    if container.start_time is None:
        return own
    whole = Fraction(container.start_time, av.time_base)
    # The container counts in microseconds: where it means this stream, the stream's own ticks are exact.
    return own if abs(own - whole) < Fraction(1, 10_000) else whole


def _duration(container: InputContainer, stream: VideoStream, time_base: Fraction, origin: Fraction) -> Fraction | None:
    if stream.duration:
        return ((stream.start_time or 0) + stream.duration) * time_base - origin
    return Fraction(container.duration, av.time_base) if container.duration else None
