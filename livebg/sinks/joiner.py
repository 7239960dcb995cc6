"""Joins the files of segments to the output, without encoding again, with everything else from the input."""

from __future__ import annotations  # PyAV's classes are generic only in its stubs

import io
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import Packet

from livebg.imaging.frame import VideoFormat
from livebg.sinks.atomic_file import AtomicFile, writing
from livebg.sinks.av_frames import stored_color, tag_color
from livebg.sinks.codecs import EncoderPlan
from livebg.sinks.muxer import output_options, track_unit
from livebg.sinks.segment_file import (
    SegmentInfo,
    add_encoder,
    examine_segment,
    no_pictures,
    nominal_duration,
    open_segment,
    ranked_packets,
)
from livebg.sinks.stream_copy import StreamCopier
from livebg.sinks.stream_selection import CopyOptions
from livebg.sinks.timeline import Timeline
from livebg.sinks.verify import verification_error, verify
from livebg.sources.av_compat import open_output

EncodedSegment = tuple[Path, Sequence[int]]
"""The file of a segment, and the exact times of its pictures."""


class Joiner:
    """Writes the video file ``path`` from segments that :class:`~livebg.sinks.segment_file.SegmentWriter` encoded.

    ``plan``, ``format`` and ``time_base`` are those of the segments. The other streams of ``copy_from``, the input, are copied
    unchanged, with tags, chapters, covers and attachments. With the start and end of ``copy_options``, only packets that begin
    between them are copied, and all times shift so that the start is 0.

    The constructor writes nothing, but fails early, before the segments are rendered. It raises
    :class:`~livebg.errors.ConfigError` if the encoder does not accept ``format``, :class:`~livebg.errors.SourceError` if
    ``copy_from`` cannot be opened, and :class:`~livebg.errors.SinkError` if the output cannot be written, exists (unless
    ``overwrite``) or is the input, or if a stream cannot or must not be copied. End with :meth:`join` or :meth:`close`.
    """

    def __init__(
        self,
        path: Path,
        plan: EncoderPlan,
        format: VideoFormat,  # noqa: A002 - the usual term
        time_base: Fraction,
        *,
        copy_from: Path | None = None,
        copy_options: CopyOptions = CopyOptions(),  # noqa: B008 - immutable
        overwrite: bool = False,
    ) -> None:
        self._path, self._plan, self._format, self._time_base = path, plan, format, time_base
        self._source, self._options, self._overwrite = copy_from, copy_options, overwrite
        self._notes = [plan.note] if plan.note else []
        AtomicFile(path, overwrite=overwrite, not_same_as=copy_from).rollback()  # fails if the output cannot be written
        with closing(av.open(io.BytesIO(), "w", format=plan.container)) as probe:
            add_encoder(probe, plan, format, time_base)
        self._others = StreamCopier(copy_from, path, plan.container, copy_options) if copy_from is not None else None

    @property
    def notes(self) -> tuple[str, ...]:
        """Short clauses for a summary, on differences from the input."""
        return (*self._notes, *(self._others.notes if self._others else ()))

    def join(
        self, segments: Sequence[EncodedSegment], *, part: Path | None = None, on_frame: Callable[[int], None] | None = None
    ) -> None:
        """Write the output from ``segments`` and give it its name. See :meth:`prepare`."""
        self.prepare(segments, part=part, on_frame=on_frame).commit()

    def prepare(
        self,
        segments: Sequence[EncodedSegment],
        *,
        part: Path | None = None,
        on_frame: Callable[[int], None] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> AtomicFile:
        """Write the output from ``segments`` in the order of their times, and verify it. The caller commits or rolls it back.

        The times of each segment are in units of the time base, rising, and later than those of the segment before. ``part`` is
        the unfinished file, by default a hidden file next to the output; it must be on the same file system. ``on_frame``
        receives the number of pictures joined; what it raises stops the work. ``tags`` are added to those of the input.

        Raises SinkError if a segment is damaged or was encoded differently, or if the output cannot be written. Leaves nothing
        behind then but the segments.
        """
        filled = [(file, pts) for file, pts in segments if pts]
        try:
            if not filled:
                raise no_pictures(self._path)
            delay = self._examine(filled)
            offset = self._first_time_shift(filled[0][1][0])
            timeline = self._timeline(filled, delay, offset)
            file = AtomicFile(self._path, overwrite=self._overwrite, not_same_as=self._source, part=part)
            try:
                with writing(self._path):
                    self._write(file, filled, timeline, offset, tags or {}, on_frame)
                self._note_aspect_ratio(verify(file.part, self._path, timeline.pts, self._time_base, self._others))
            except BaseException:
                file.rollback()
                raise
            return file
        finally:
            self.close()

    def close(self) -> None:
        """Close the input. May be called at any time, more than once."""
        if self._others is not None:
            self._others.close()

    def _examine(self, segments: Sequence[EncodedSegment]) -> int:
        """Return the delay that suits all segments. Raises SinkError unless all are complete and encoded in the same way."""
        common: SegmentInfo | None = None
        delay = 0
        for number, (path, pts) in enumerate(segments):
            try:
                info = examine_segment(path, len(pts))
            except (av.FFmpegError, OSError, ValueError) as error:
                raise verification_error(self._path, f"segment {number} is damaged ({error})") from error
            delay = max(delay, info.delay)
            common = common or info
            if info.encoding != common.encoding:
                raise verification_error(self._path, f"segment {number} was encoded differently from segment 0")
        return delay

    def _first_time_shift(self, first: int) -> Fraction:
        """Return the seconds by which all times become earlier: the start, or the time before zero, which no container
        supports.
        """
        if self._options.start is not None:
            return Fraction(self._options.start)
        offset = min(first, 0) * self._time_base
        if offset:
            self._notes.append(f"all times shifted by {float(-offset):.3f} s, because no container can begin before zero")
        return offset

    def _timeline(self, segments: Sequence[EncodedSegment], delay: int, offset: Fraction) -> Timeline:
        shift = round(offset / self._time_base)
        pts = array("q")
        for _, times in segments:
            pts.extend(each - shift for each in times)
        end = self._others.video_end if self._others else None
        if end is not None:
            clipped = end if self._options.end is None else min(end, Fraction(self._options.end))
            end = (clipped - offset) / self._time_base
        nominal = nominal_duration(self._format, self._time_base)
        return Timeline(pts, self._time_base, delay, nominal, None if end is None else round(end))

    def _write(
        self,
        file: AtomicFile,
        segments: Sequence[EncodedSegment],
        timeline: Timeline,
        offset: Fraction,
        tags: Mapping[str, str],
        on_frame: Callable[[int], None] | None,
    ) -> None:
        unit, others = track_unit(self._plan.container, self._time_base), self._others
        output = open_output(str(file.part), self._plan.container, output_options(self._plan.container, unit, others))
        try:
            stream = self._add_video(output, segments[0][0])
            stream.time_base = unit
            if others is not None:
                others.add_to(output, stream)
            output.metadata.update(tags)
            output.start_encoding()
            if others is not None:
                others.begin(output)
            for number, packet in enumerate(self._packets(segments, timeline)):
                if others is not None:
                    others.copy_until(float(timeline.decoding(number) * timeline.unit + offset), output, offset)
                packet.stream = stream
                output.mux(packet)
                if on_frame is not None:
                    on_frame(number + 1)
            if others is not None:
                others.copy_until(None, output, offset)
            output.close()
        except BaseException:
            file.rollback()  # first, so that the muxer does not rewrite a discarded file
            with suppress(av.FFmpegError, OSError, ValueError):
                output.close()
            raise

    def _add_video(self, output: OutputContainer, segment: Path) -> av.VideoStream:
        """Add the segments' stream to ``output``, without what the demuxer derived from the segment's times."""
        with open_segment(segment) as (_, template):
            stream = output.add_stream_from_template(template, opaque=True)
            context, encoded = stream.codec_context, template.codec_context
            context.codec_tag, context.pix_fmt = encoded.codec_tag, self._plan.pix_fmt
            context.framerate, context.bit_rate = self._format.frame_rate, 0
            context.sample_aspect_ratio = self._format.sample_aspect_ratio
            tag_color(context, stored_color(self._format.color, self._plan.pix_fmt))
            return stream

    def _packets(self, segments: Sequence[EncodedSegment], timeline: Timeline) -> Iterator[Packet[av.VideoStream]]:
        """Yield the packets of all segments with their times in the output, in decoding order."""
        done = 0
        for path, pts in segments:
            with open_segment(path) as (container, stream):
                for position, (rank, packet) in enumerate(ranked_packets(container, stream), done):
                    packet.time_base = timeline.unit
                    packet.pts, packet.dts = timeline.presentation(done + rank), timeline.decoding(position)
                    packet.duration = timeline.duration(done + rank)
                    yield packet
            done += len(pts)

    def _note_aspect_ratio(self, found: Fraction) -> None:
        wanted = self._format.sample_aspect_ratio
        if found != wanted:
            note = f"pixels tagged {found.numerator}:{found.denominator} and not {wanted.numerator}:{wanted.denominator}"
            self._notes.append(f"{note}, which this codec cannot store in {self._path.suffix}")
