"""A file with the encoded pictures of one segment, as its encoder writes it and as the joiner reads it.

The container is that of the output, but times are the pictures' ranks in presentation order, in steps that every container
stores exactly: Matroska rounds times to milliseconds. The exact times are kept beside the file.
"""

from __future__ import annotations  # PyAV's classes are generic only in its stubs

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from livebg.errors import ConfigError, SinkError
from livebg.imaging.frame import ColorSpec, Composite, VideoFormat
from livebg.platform.atomic_write import sync_file
from livebg.sinks.atomic_file import writing
from livebg.sinks.av_frames import stored_color, tag_color, to_av
from livebg.sinks.codecs import Content, EncoderPlan, silence
from livebg.sinks.muxer import segment_options
from livebg.sources.av_compat import open_input, open_output

_STEP: Final = Fraction(1, 25)
_UNIT: Final = Fraction(1, 1000)
_STEP_TICKS: Final = int(_STEP / _UNIT)
_MAX_DELAY: Final = 64
"""More pictures than an encoder holds back to reorder them."""


def written_format(format: VideoFormat, content: Content) -> VideoFormat:  # noqa: A002 - the usual term
    """Return the format of the composites that show ``content`` of a source in ``format``: a matte has full range."""
    return replace(format, color=ColorSpec(full_range=True)) if content in (Content.MATTE, Content.STORED_MATTE) else format


class SegmentWriter:
    """Encodes composites of ``format`` with one thread into the new file ``path``.

    The same composites and times give the same bytes on every machine with the same packages, whatever its number of cores.
    ``time_base`` is the unit of the times in seconds. ``shown_as`` is the path that errors name.

    Raises :class:`~livebg.errors.ConfigError` if the encoder does not accept ``format``, and
    :class:`~livebg.errors.SinkError` if the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        plan: EncoderPlan,
        format: VideoFormat,  # noqa: A002 - the usual term
        time_base: Fraction,
        *,
        shown_as: Path | None = None,
    ) -> None:
        self._path, self._shown_as = path, shown_as or path
        self._plan, self._time_base = plan, time_base
        self._color = stored_color(format.color, plan.pix_fmt)
        self._duration = nominal_duration(format, time_base)
        self._packets = 0
        self.pts = array("q")
        """The times of the frames written so far, in units of the time base."""
        with writing(self._shown_as):
            self._output = open_output(str(path.absolute()), plan.container, segment_options(plan.container))
            try:
                self._stream = add_encoder(self._output, plan, format, time_base)
                self._stream.time_base = _UNIT
                self._output.start_encoding()
            except BaseException:
                self.abort()
                raise

    def write(self, composite: Composite, pts: int) -> None:
        """Encode one composite at ``pts``, in units of the time base, later than the one before. Raises SinkError."""
        if self.pts and pts <= self.pts[-1]:
            raise SinkError(f"Cannot write {self._shown_as}: time {pts} followed {self.pts[-1]}. Times must increase.")
        frame = to_av(composite, self._plan.pix_fmt)
        self.pts.append(pts)
        # Rate control needs the distances between the pictures, but no encoder needs times of hours.
        frame.pts, frame.time_base, frame.duration = pts - self.pts[0], self._time_base, self._duration
        tag_color(frame, self._color)  # ProRes reads the color tags from the frames, other encoders from the context
        with writing(self._shown_as):
            self._mux(self._stream.encode(frame))

    def close(self) -> None:
        """Complete the file and wait until the disk has it. Raises SinkError if it is incomplete or empty."""
        if not self.pts:
            raise no_pictures(self._shown_as)
        with writing(self._shown_as):
            self._mux(self._stream.encode(None))
            self._output.close()
            sync_file(self._path)
        if self._packets != len(self.pts):
            counts = f"the encoder {self._plan.codec} returned {self._packets} packets for {len(self.pts)} pictures"
            raise SinkError(f"Cannot write {self._shown_as}: {counts}.", "Choose another codec.")

    def abort(self) -> None:
        """Close everything and ignore errors. The caller removes the file."""
        with suppress(av.FFmpegError, OSError, ValueError):
            self._output.close()

    def _mux(self, packets: Sequence[Packet[av.VideoStream]]) -> None:
        for packet in packets:
            assert packet.pts is not None
            rank = bisect_left(self.pts, packet.pts + self.pts[0])
            packet.time_base = _UNIT
            packet.pts, packet.dts = rank * _STEP_TICKS, (self._packets - _MAX_DELAY) * _STEP_TICKS
            packet.duration = _STEP_TICKS
            self._packets += 1
            self._output.mux(packet)


def add_encoder(
    output: OutputContainer,
    plan: EncoderPlan,
    format: VideoFormat,  # noqa: A002 - the usual term
    time_base: Fraction,
) -> av.VideoStream:
    """Add a video stream to ``output`` and open its encoder, with one thread. Raises ConfigError if that fails."""
    silence(plan.codec)
    stream = output.add_stream(plan.codec, rate=format.frame_rate, options=dict(plan.options))
    assert isinstance(stream, av.VideoStream)
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = format.width, format.height, plan.pix_fmt
    context.time_base = time_base
    context.thread_count = 1
    context.sample_aspect_ratio = format.sample_aspect_ratio
    if plan.gop_seconds is not None and format.frame_rate > 0:
        context.gop_size = max(1, round(plan.gop_seconds * format.frame_rate))
    if plan.tag is not None:
        context.codec_tag = plan.tag
    if plan.quantizer is not None:
        context.qscale, context.global_quality = True, plan.quantizer * 118  # FF_QP2LAMBDA
    tag_color(context, stored_color(format.color, plan.pix_fmt))
    try:
        context.open()
    except av.FFmpegError as error:
        size = f"{format.width}x{format.height}"
        reason = f"The codec {plan.codec} does not accept {size} at the time base {time_base} ({error.strerror})"
        raise ConfigError(f"{reason}.", "Choose another codec.") from error
    return stream


def nominal_duration(format: VideoFormat, time_base: Fraction) -> int:  # noqa: A002 - the usual term
    """Return the duration of a frame at the nominal frame rate, in units of ``time_base``, at least 1."""
    return max(1, round(1 / (format.frame_rate * time_base))) if format.frame_rate > 0 else 1


def no_pictures(path: Path) -> SinkError:
    return SinkError(f"{path} was not written: there was no picture to write.", "Check the input, --start and --end.")


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """What a segment needs to be joined: ``encoding`` is the same for all segments of an output, and ``delay`` is the largest
    number of packets by which a picture comes later in decoding order than in presentation order. ``key_frames`` are the ranks
    of the key frames by their position in decoding order.
    """

    encoding: tuple[str, int, int, bytes]
    delay: int
    key_frames: Mapping[int, int]


@contextmanager
def open_segment(path: Path) -> Iterator[tuple[InputContainer, av.VideoStream]]:
    """Open the file of a segment for reading. Raises ``av.FFmpegError``, OSError and ValueError if it has no video."""
    with closing(open_input(str(path.absolute()))) as container:
        if not container.streams.video:
            raise ValueError("it holds no video")
        yield container, container.streams.video[0]


def ranked_packets(container: InputContainer, stream: av.VideoStream) -> Iterator[tuple[int, Packet[av.VideoStream]]]:
    """Yield the packets of an opened segment in decoding order, each with its picture's rank in presentation order."""
    ticks = _STEP / Fraction(stream.time_base or 1)
    for packet in container.demux(stream):
        if packet.size:
            if packet.pts is None:
                raise ValueError("a packet has no time")
            yield round(packet.pts / ticks), packet


def examine_segment(path: Path, frames: int) -> SegmentInfo:
    """Read the file of a segment of ``frames`` pictures to its end.

    Raises ValueError with a clause on the first defect, ``av.FFmpegError`` and OSError.
    """
    seen, delay, key_frames = bytearray(frames), 0, {}
    with open_segment(path) as (container, stream):
        context = stream.codec_context
        encoding = (context.name, context.width, context.height, context.extradata or b"")
        count = 0
        for rank, packet in ranked_packets(container, stream):
            if count == 0 and (rank != 0 or not packet.is_keyframe):
                raise ValueError("it does not begin with a key frame")
            if 0 <= rank < frames:
                seen[rank] = 1
            delay = max(delay, count - rank)
            if packet.is_keyframe:
                key_frames[count] = rank
            count += 1
    if count != frames:
        raise ValueError(f"it holds {count} pictures instead of {frames}")
    if not all(seen):
        raise ValueError("the times of its pictures are not their ranks")
    return SegmentInfo(encoding, delay, key_frames)
