"""Converts sound that a container cannot hold, without loss, in 16 or 24 bits.

WebM has no lossless codec.
"""

from __future__ import annotations  # PyAV's classes are generic only in its stubs

import io
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from types import MappingProxyType
from typing import Final

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

PREROLL_S: Final = 1.0
"""Seconds before a range that are decoded as well, because the first packets of some codecs need those before them."""
_MAX_DRIFT_S: Final = Fraction(7, 100)
"""Seconds that sound may differ from its time before it is moved: a frame of WMA, by which its times vary, has up to 0.064 s."""
LOSSLESS: Final = MappingProxyType({"mp4": "flac", "matroska": "flac", "mov": "alac"})
"""The encoder for each container (libav's name)."""
_DEFAULT_LAYOUTS: Final = MappingProxyType({1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"})


def set_channel_layout(stream: av.AudioStream) -> None:
    """Set the channel layout if the input (AVI, Matroska with PCM) has only a channel count; MP4 requires a layout."""
    layout = _DEFAULT_LAYOUTS.get(stream.codec_context.layout.nb_channels)
    if layout is not None and all(channel.name == "NONE" for channel in stream.codec_context.layout.channels):
        stream.codec_context.layout = layout


def is_convertible(stream: Stream, container: str) -> bool:
    """Return whether ``stream`` is sound that livebg can decode, and convert for ``container`` (libav's name)."""
    if not isinstance(stream, av.AudioStream) or stream.codec_context is None or container not in LOSSLESS:
        return False
    with closing(av.open(io.BytesIO(), "w", format=container)) as probe:
        try:
            add_encoder(stream, probe, container)
            probe.start_encoding()
        except (ValueError, av.FFmpegError):
            return False
    return True


def add_encoder(source: av.AudioStream, output: OutputContainer, container: str) -> av.AudioStream:
    """Add the stream to ``output`` to which ``source`` is converted, before the header is written."""
    source_format, channels = source.codec_context.format, source.codec_context.layout.nb_channels
    codec = LOSSLESS[container]
    target = output.add_stream(codec, rate=source.codec_context.sample_rate)
    assert isinstance(target, av.AudioStream)
    sample_format = "s16" if source_format is not None and source_format.bytes <= 2 else "s32"  # s32: encoded in 24 bits
    target.codec_context.format = sample_format + "p" * (codec == "alac")
    # ALAC knows one layout for a number of channels.
    target.codec_context.layout = _DEFAULT_LAYOUTS.get(channels if codec == "alac" else 0, source.codec_context.layout)
    target.codec_context.thread_count = 1
    set_channel_layout(target)
    return target


class SoundConverter:
    """Decodes the packets of ``source`` and encodes the samples from ``begin`` to ``end`` (seconds of the input's time, None =
    unlimited) for ``target``, at their times.

    Gaps stay gaps, as in copied sound, and of overlaps the later sound is dropped. Packets that cannot be decoded leave a gap;
    :attr:`undecodable` counts them.
    """

    def __init__(self, source: av.AudioStream, target: av.AudioStream, begin: Fraction | None, end: Fraction | None) -> None:
        self._source, self._target, self._begin, self._end = source, target, begin, end
        context = target.codec_context
        self._rate, self._channels = context.sample_rate, context.layout.nb_channels
        self._format, self._layout = context.format.packed.name, context.layout.name
        self._resampler: av.AudioResampler | None = None
        self._next: int | None = None
        """The position of the next sample, counted from the output's time 0."""
        self._encoded = 0
        self._last_pts: int | None = None
        self._must_align = True
        self.undecodable = 0

    def convert(self, packet: Packet[Stream] | None, offset: Fraction) -> Iterator[Packet[Stream]]:
        """Yield the packets of ``target`` that are complete after ``packet`` (None = the end), ``offset`` seconds earlier."""
        for frame in self._decode(packet):
            for part in self._resample(frame):
                yield from self._place(part, offset)
        if packet is None:
            yield from self._target.encode(None)

    def _decode(self, packet: Packet[Stream] | None) -> list[av.AudioFrame]:
        if packet is not None and packet.pts == self._last_pts:
            packet.pts = packet.dts = None  # a packet that libav divided: only its first part begins at this time
        elif packet is not None:
            self._last_pts = packet.pts
        try:
            return self._source.decode(packet)
        except av.FFmpegError:
            self.undecodable += packet is not None
            self._must_align = True
            return []

    def _resample(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        """Return the samples in the encoder's format. Sound of a broadcast can change its own format."""
        for _ in range(2):
            self._resampler = self._resampler or av.AudioResampler(self._format, self._layout, self._rate)
            try:
                return self._resampler.resample(frame)
            except (ValueError, av.FFmpegError):
                self._resampler = None
        return []

    def _place(self, frame: av.AudioFrame, offset: Fraction) -> Iterator[Packet[Stream]]:
        """Encode the samples at their time, or right after the sample before if that is about the same."""
        at = self._next or 0
        if frame.pts is not None and frame.time_base is not None:
            at = round((frame.pts * frame.time_base - offset) * self._rate)
        after = at if self._next is None else self._next
        if abs(at - after) <= (0 if self._must_align else _MAX_DRIFT_S * self._rate):
            at = after
        self._must_align = False
        first = max(after, self._position(self._begin, offset, 0)) - at
        last = self._position(self._end, offset, at + frame.samples) - at
        samples = frame.to_ndarray()[:, max(0, first) * self._channels : max(0, last) * self._channels]
        if samples.size:
            at += max(0, first)
            if self._next is not None and at > self._next:
                yield from self._fill_frame(at - self._next)
            yield from self._encode(samples, at)

    def _position(self, seconds: Fraction | None, offset: Fraction, default: int) -> int:
        return default if seconds is None else max(0, round((seconds - offset) * self._rate))

    def _fill_frame(self, gap: int) -> Iterator[Packet[Stream]]:
        """Complete a frame of the encoder with silence, so that none contains a gap."""
        missing = min(gap, -self._encoded % self._target.codec_context.frame_size)
        if missing:
            silence = np.zeros((1, missing * self._channels), np.int16 if self._format == "s16" else np.int32)
            yield from self._encode(silence, self._next or 0)

    def _encode(self, samples: NDArray[np.generic], at: int) -> list[Packet[Stream]]:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), self._format, self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, at, Fraction(1, self._rate)
        self._encoded += frame.samples
        self._next = at + frame.samples
        return self._target.encode(frame)
