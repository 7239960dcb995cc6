"""One encoder and one muxer at work: frames and copied packets in, a file out."""

from __future__ import annotations  # PyAV's classes are generic in its stubs alone

import math
from array import array
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.packet import Packet

from livebg.errors import ConfigError
from livebg.imaging.frame import ColorSpec, Composite, VideoFormat
from livebg.sinks import metadata
from livebg.sinks.av_frames import to_av
from livebg.sinks.codecs import EncoderPlan
from livebg.sinks.stream_copy import OtherStreams
from livebg.sinks.verify import FINEST_MP4_UNIT
from livebg.sources.av_compat import begun

_MAX_31_BITS: Final = 2**31 - 1
_COARSE_TIMESCALE: Final = 1000


class VideoWriter:
    """Writes the container ``part`` as ``plan`` says; the constructor writes the header.

    ``others`` are the streams to copy along. Errors of the system and of libav pass through as they are; an encoder that does
    not take ``format`` raises :class:`~livebg.errors.ConfigError`.
    """

    def __init__(
        self,
        part: Path,
        plan: EncoderPlan,
        format: VideoFormat,  # noqa: A002 - the word of the field
        time_base: Fraction,
        *,
        threads: int = 0,
        others: OtherStreams | None = None,
    ) -> None:
        self._plan = plan
        self._time_base = time_base
        self._others = others
        # MP4 counts a frame's length with 31 bits too, so nanoseconds would end after two seconds.
        is_mp4 = plan.container in ("mp4", "mov")
        self._track_unit = max(time_base, FINEST_MP4_UNIT) if is_mp4 else time_base
        limited = plan.pix_fmt == "yuva444p10le"  # ProRes knows no full range
        self._color = replace(format.color, full_range=False) if limited else format.color
        self._duration = max(1, round(1 / (format.frame_rate * time_base))) if format.frame_rate > 0 else 1
        self._held: list[Packet[av.VideoStream]] = []
        self.pts = array("q")
        """The times of the frames so far, in units of the time base."""
        options = self._muxer_options(others)
        self._output = begun(str(part.absolute()), plan.container, options)
        try:
            self._stream = self._add_video(format, threads)
            if others is not None:
                others.describe_video(self._stream)
                others.add_to(self._output)
            self._output.start_encoding()
            if others is not None:
                others.begin(self._output)
        except BaseException:
            self.discard()
            raise

    def write(self, composite: Composite, pts: int) -> None:
        """Encode one composite at ``pts``, in units of the time base."""
        frame = to_av(composite, self._plan.pix_fmt)
        frame.pts, frame.time_base, frame.duration = pts, self._time_base, self._duration
        _tag_color(frame, self._color)  # ProRes takes its tags from the frames, the others from the context
        self.pts.append(pts)
        self._mux(self._stream.encode(frame))

    def copy_until(self, seconds: float | None, offset: Fraction) -> None:
        """Copy the other streams up to ``seconds`` of the input's time (None = all), ``offset`` seconds earlier."""
        if self._others is not None:
            self._others.copy_until(seconds, self._output, offset)

    def finish(self, end: int | None = None) -> None:
        """Write what the encoder still holds, and the trailer; the last frame lasts until ``end`` when that is known."""
        last = [*self._held, *self._stream.encode(None)]
        for packet in last:
            if end is not None and packet.pts == self.pts[-1] and end > self.pts[-1]:
                packet.duration = end - self.pts[-1]
        self._output.mux(last)
        self._output.close()

    def discard(self) -> None:
        """Close everything, whatever comes of it."""
        with suppress(av.FFmpegError, OSError, ValueError):
            self._output.close()

    def _mux(self, packets: list[Packet[av.VideoStream]]) -> None:
        # One packet stays back, so that the last frame of all can be given its length in `finish`.
        queue = [*self._held, *packets]
        self._output.mux(queue[:-1])
        self._held = queue[-1:]

    def _add_video(self, format: VideoFormat, threads: int) -> av.VideoStream:  # noqa: A002
        plan = self._plan
        stream = self._output.add_stream(plan.codec, rate=format.frame_rate, options=dict(plan.options))
        assert isinstance(stream, av.VideoStream)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = format.width, format.height, plan.pix_fmt
        context.time_base, stream.time_base = self._time_base, self._track_unit
        context.thread_count = threads
        context.sample_aspect_ratio = format.sample_aspect_ratio
        if plan.tag is not None:
            context.codec_tag = plan.tag
        if plan.quantiser is not None:
            context.qscale, context.global_quality = True, plan.quantiser * 118  # FF_QP2LAMBDA
        _tag_color(context, self._color)
        try:
            context.open()
        except av.FFmpegError as error:
            size = f"{format.width}x{format.height}"
            reason = f"the codec {plan.codec} does not take {size} pixels at the time base {self._time_base} ({error.strerror})"
            raise ConfigError(f"{reason}: choose another codec") from error
        return stream

    def _muxer_options(self, others: OtherStreams | None) -> dict[str, str]:
        if self._plan.container not in ("mp4", "mov"):
            # Sound may begin a little before zero (priming); moving all streams for it would move the pictures.
            return {"avoid_negative_ts": "disabled"}
        flags = "+faststart"
        if others is not None and not others.pictures and metadata.unclassic(others.tags, self._plan.container):
            flags += "+use_metadata_tags"
        return {"movflags": flags, "movie_timescale": str(self._movie_timescale(others))}

    def _movie_timescale(self, others: OtherStreams | None) -> int:
        """A unit in which edit lists, which delay streams, are exact: for all streams where that fits, else for the video.

        MP4 counts a chapter's length in it too, with 31 bits.
        """
        video = self._track_unit.denominator
        common = math.lcm(video, *(others.rates if others else ()))
        longest = max(1.0, others.longest_chapter if others else 0.0)
        return next((unit for unit in (common, video) if unit * longest <= _MAX_31_BITS), _COARSE_TIMESCALE)


def _tag_color(target: av.VideoCodecContext | av.VideoFrame, color: ColorSpec) -> None:
    target.colorspace, target.color_primaries, target.color_trc = color.matrix, color.primaries, color.transfer
    target.color_range = 2 if color.full_range else 1
