"""Converts composites to libav frames in the encoders' pixel formats, encodes them and muxes them with copied packets."""

from __future__ import annotations  # PyAV's classes are generic only in its stubs

import math
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

from livebg.errors import ConfigError, SinkError
from livebg.imaging.frame import Alpha8, ColorSpec, Composite, VideoFormat
from livebg.sinks import metadata
from livebg.sinks.codecs import EncoderPlan
from livebg.sinks.stream_copy import StreamCopier
from livebg.sinks.verify import FINEST_MP4_UNIT
from livebg.sources.av_compat import open_output

_MAX_31_BITS: Final = 2**31 - 1
_COARSE_TIMESCALE: Final = 1000
Channel = NDArray[np.uint8] | NDArray[np.uint16]

_TEN_BIT_BLACK: Final = 64
_TEN_BIT_NEUTRAL: Final = 512


class VideoWriter:
    """Writes the container ``part`` according to ``plan``; the constructor writes the header.

    ``others`` are the streams to copy. OS and libav errors propagate unchanged; an encoder that does not accept ``format`` raises
    :class:`~livebg.errors.ConfigError`.
    """

    def __init__(
        self,
        part: Path,
        plan: EncoderPlan,
        format: VideoFormat,  # noqa: A002 - the usual term
        time_base: Fraction,
        *,
        threads: int = 0,
        others: StreamCopier | None = None,
    ) -> None:
        self._plan = plan
        self._time_base = time_base
        self._others = others
        # MP4 stores a frame's duration in 31 bits, so nanoseconds would overflow after two seconds.
        is_mp4 = plan.container in ("mp4", "mov")
        self._track_unit = max(time_base, FINEST_MP4_UNIT) if is_mp4 else time_base
        limited = plan.pix_fmt == "yuva444p10le"  # ProRes does not support full range
        self._color = replace(format.color, full_range=False) if limited else format.color
        self._duration = max(1, round(1 / (format.frame_rate * time_base))) if format.frame_rate > 0 else 1
        self._held_packets: list[Packet[av.VideoStream]] = []
        self.pts = array("q")
        """The times of the frames written so far, in units of the time base."""
        options = self._muxer_options(others)
        self._output = open_output(str(part.absolute()), plan.container, options)
        try:
            self._stream = self._add_video(format, threads)
            if others is not None:
                others.add_to(self._output, self._stream)
            self._output.start_encoding()
            if others is not None:
                others.begin(self._output)
        except BaseException:
            self.rollback()
            raise

    def write(self, composite: Composite, pts: int) -> None:
        """Encode one composite at ``pts``, in units of the time base."""
        frame = to_av(composite, self._plan.pix_fmt)
        frame.pts, frame.time_base, frame.duration = pts, self._time_base, self._duration
        tag_color(frame, self._color)  # ProRes reads the color tags from the frames, other encoders from the context
        self.pts.append(pts)
        # Hold one packet back, so that `finish` can set the last frame's duration.
        packets = [*self._held_packets, *self._stream.encode(frame)]
        self._output.mux(packets[:-1])
        self._held_packets = packets[-1:]

    def copy_until(self, seconds: float | None, offset: Fraction) -> None:
        """Copy the other streams up to ``seconds`` of the input's time (None = all), shifted ``offset`` seconds earlier."""
        if self._others is not None:
            self._others.copy_until(seconds, self._output, offset)

    def finish(self, end: int | None = None) -> None:
        """Flush the encoder and write the trailer. If ``end`` is given, the last frame lasts until then."""
        packets = [*self._held_packets, *self._stream.encode(None)]
        for packet in packets:
            if end is not None and packet.pts == self.pts[-1] and end > self.pts[-1]:
                packet.duration = end - self.pts[-1]
        self._output.mux(packets)
        self._output.close()

    def rollback(self) -> None:
        """Close everything and ignore errors."""
        with suppress(av.FFmpegError, OSError, ValueError):
            self._output.close()

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
        if plan.quantizer is not None:
            context.qscale, context.global_quality = True, plan.quantizer * 118  # FF_QP2LAMBDA
        tag_color(context, self._color)
        try:
            context.open()
        except av.FFmpegError as error:
            size = f"{format.width}x{format.height}"
            reason = f"The codec {plan.codec} does not accept {size} at the time base {self._time_base} ({error.strerror})"
            raise ConfigError(f"{reason}.", "Choose another codec.") from error
        return stream

    def _muxer_options(self, others: StreamCopier | None) -> dict[str, str]:
        if self._plan.container not in ("mp4", "mov"):
            # Audio can begin slightly before zero (priming); shifting all streams would shift the pictures.
            return {"avoid_negative_ts": "disabled"}
        flags = "+faststart"
        if others is not None and not others.selection.covers and metadata.has_custom_tags(others.tags, self._plan.container):
            flags += "+use_metadata_tags"
        return {"movflags": flags, "movie_timescale": str(self._movie_timescale(others))}

    def _movie_timescale(self, others: StreamCopier | None) -> int:
        """Return a timescale in which edit lists, which delay streams, are exact: for all streams if it fits, else for the video.

        MP4 also stores a chapter's duration in it, in 31 bits.
        """
        video = self._track_unit.denominator
        common = math.lcm(video, *(others.rates if others else ()))
        longest = max(1.0, others.longest_chapter if others else 0.0)
        return next((unit for unit in (common, video) if unit * longest <= _MAX_31_BITS), _COARSE_TIMESCALE)


def tag_color(target: av.VideoCodecContext | av.VideoFrame, color: ColorSpec) -> None:
    target.colorspace, target.color_primaries, target.color_trc = color.matrix, color.primaries, color.transfer
    target.color_range = 2 if color.full_range else 1


def to_av(composite: Composite, pix_fmt: str) -> av.VideoFrame:
    """Return a copy of the composite as an ``av.VideoFrame`` without a timestamp.

    ``pix_fmt`` is "yuv420p" (bytes unchanged), "yuva420p" (the same plus alpha) or "yuva444p10le" (10 bits, limited range, chroma
    at full size). Raises SinkError if the format has alpha and the composite does not.
    """
    frame = av.VideoFrame(composite.width, composite.height, pix_fmt)
    if pix_fmt == "yuv420p":
        _fill(frame, composite.planes)
    elif composite.alpha is None:
        raise SinkError(f"The composite at {composite.time:.3f} s has no alpha, which a cutout needs.", "Use mode cutout.")
    elif pix_fmt == "yuva420p":
        _fill(frame, [*composite.planes, composite.alpha])
    else:
        _fill(frame, _ten_bit_444(composite, composite.alpha))
    return frame


def _fill(frame: av.VideoFrame, channels: Sequence[Channel]) -> None:
    for plane, channel in zip(frame.planes, channels, strict=True):
        # libav pads the rows of a plane.
        target = np.frombuffer(memoryview(plane), channel.dtype.type).reshape(plane.height, -1)
        target[:, : plane.width] = channel


def _ten_bit_444(composite: Composite, alpha: Alpha8) -> list[Channel]:
    """Return Y, U, V and alpha as 10-bit uint16, shape (height, width) each; ProRes supports only limited range."""
    y, u, v = composite.planes
    codes = np.arange(256, dtype=np.float64)
    luma, chroma = codes * 4, codes * 4
    if composite.color.full_range:
        luma, chroma = _TEN_BIT_BLACK + codes * 876 / 255, _TEN_BIT_NEUTRAL + (codes - 128) * 896 / 255
    luma_table, chroma_table = (np.rint(table).clip(4, 1019).astype(np.uint16) for table in (luma, chroma))
    size = (y.shape[1], y.shape[0])
    large_u, large_v = (cv2.resize(chroma_table[plane], size, interpolation=cv2.INTER_LINEAR) for plane in (u, v))
    picture: list[Channel] = [luma_table[y], large_u.astype(np.uint16, copy=False), large_v.astype(np.uint16, copy=False)]
    # Full-size chroma would spread the person's colors past the edge: set fully transparent pixels to black.
    for plane, black in zip(picture, (_TEN_BIT_BLACK, _TEN_BIT_NEUTRAL, _TEN_BIT_NEUTRAL), strict=True):
        plane[alpha == 0] = black
    return [*picture, ((alpha.astype(np.uint32) * 1023 + 127) // 255).astype(np.uint16)]
