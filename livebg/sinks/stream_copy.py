"""Copies everything except the video from the input, packet by packet, as the video is written. Converts sound that the output
cannot hold.

Cover pictures are an attachment in Matroska, and a packet of a separate stream in MP4.
"""

from __future__ import annotations  # PyAV's classes are generic only in its stubs

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream

from livebg.errors import SourceError
from livebg.sinks import metadata
from livebg.sinks.converted_sound import PREROLL_S, SoundConverter, add_encoder, set_channel_layout
from livebg.sinks.copied_stream import CopiedStream, is_gap, time_of, with_times
from livebg.sinks.stream_selection import CopyOptions, dropped, open_source, select_streams
from livebg.sources.decoder import READ_ATTEMPTS, file_origin


class StreamCopier:
    """Copies the streams of the input ``source`` other than the processed video stream.

    The constructor opens ``source`` and selects its streams. It raises :class:`~livebg.errors.SourceError` if the file cannot be
    opened, and :class:`~livebg.errors.SinkError` if ``container`` (libav's name) cannot hold a stream or a second video would
    show the room, unless ``options`` allow to drop it: then :attr:`notes` names it. :attr:`notes` also names converted sound.
    """

    def __init__(self, source: Path, output: Path, container: str, options: CopyOptions) -> None:
        self._path = source
        self._container = container
        self._options = options
        self.copied: list[CopiedStream] = []
        self._input = open_source(source)
        try:
            self.selection = select_streams(self._input, container)
            self._dropped = dropped(self.selection, options, self._input, source, output)
        except BaseException:
            self._input.close()
            raise
        self._origin = _start_of(self._input, self.selection.video)
        self._converters: dict[int, SoundConverter] = {}
        self._next_packet: Packet[Stream] | None = None
        self._covers: list[Packet[Stream]] = []
        self._packets: Iterator[Packet[Stream]] = iter(())

    @property
    def notes(self) -> tuple[str, ...]:
        """Short clauses for a summary, on streams that are dropped or converted, and damaged sound."""
        skipped = sum(each.undecodable for each in self._converters.values())
        damage = f"skipped {skipped} packet{'s'[: skipped != 1]} of sound that cannot be decoded"
        return (*self._dropped, *self.selection.converted.values(), *([damage] if skipped else ()))

    @property
    def rates(self) -> list[int]:
        """The sample rates of the audio streams, in hertz."""
        return [stream.sample_rate for stream in self.selection.copied if isinstance(stream, av.AudioStream)]

    @property
    def longest_chapter(self) -> float:
        """The length of the longest chapter in seconds; 0 without chapters."""
        chapters = [(each["end"] - each["start"]) * (each["time_base"] or 0) for each in self._input.chapters()]
        return float(max(chapters, default=0))

    @property
    def video_end(self) -> Fraction | None:
        """The end of the processed stream's last picture, in seconds of the input's time, if the input declares it."""
        video = self.selection.video
        if video is None or video.duration is None or not video.time_base:
            return None
        return ((video.start_time or 0) + video.duration) * video.time_base

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the whole file."""
        return metadata.file_tags(self._input.metadata, timecode=self._keeps_timecode)

    @property
    def _limits(self) -> tuple[Fraction | None, Fraction | None]:
        """The start and end of the range, in seconds of the input's time."""
        start, end = self._options.start, self._options.end
        return None if start is None else Fraction(start + self._origin), None if end is None else Fraction(end + self._origin)

    @property
    def _keeps_timecode(self) -> bool:
        """False if the start is cut off, and in MP4 with chapters, because libav would replace their reference with the timecode
        track's.
        """
        chapters = self._container in ("mp4", "mov") and bool(self._input.chapters())
        return not self._options.start and not chapters

    def add_to(self, output: OutputContainer, video: av.VideoStream) -> None:
        """Add the streams, tags and chapters to ``output``, before its header is written. ``video`` is the processed stream."""
        if self.selection.video is not None:
            self._copy_tags(self.selection.video, video, encoded=True)
        output.metadata.update(self.tags)
        output.set_chapters(metadata.clipped_chapters(self._input.chapters(), self._options.start, self._options.end))
        for stream in self.selection.copied:
            context, target = stream.codec_context, self._add(output, stream)
            is_pcm = context is not None and context.name.startswith("pcm_") and stream.index not in self._converters
            self.copied.append(CopiedStream(stream.index, stream.type, is_pcm, target))
        for stream in self.selection.attachments:
            output.add_stream_from_template(stream)
        self._covers = add_covers(self._path, self.selection.covers, output)
        wanted = {stream.index for stream in self.selection.copied}
        for stream in self._input.streams:
            stream.discard = Discard.default if stream.index in wanted else Discard.all
        self._packets = self._demux()

    def begin(self, output: OutputContainer) -> None:
        """Write the packets that precede all others. Call once, after the header."""
        output.mux(self._covers)

    def copy_until(self, seconds: float | None, output: OutputContainer, offset: Fraction) -> None:
        """Write the packets up to ``seconds`` of the input's time (None = all), shifted ``offset`` seconds earlier."""
        by_index = {copied.index: copied for copied in self.copied}
        while not all(copied.done for copied in self.copied):
            packet = self._next_packet or self._read_packet()
            self._next_packet = None
            if packet is None:
                break
            copied = by_index[packet.stream_index]
            time = time_of(packet)
            if seconds is not None and time > seconds:
                self._next_packet = packet
                break
            converter = self._converters.get(packet.stream_index)
            if self._options.ended(time - self._origin):
                copied.done = True
            elif converter is not None:
                if self._options.begun(time - self._origin + PREROLL_S):
                    self._mux(copied, converter.convert(packet, offset), output)
            # Drop packets that an edit list hides at the end; those before zero (priming) are hidden again.
            elif self._options.begun(time - self._origin) and not (packet.is_discard and time >= 0) and not is_gap(packet):
                copied.mux(packet, output, offset)
        if seconds is None:
            for index, converter in self._converters.items():
                self._mux(by_index[index], converter.convert(None, offset), output)

    def close(self) -> None:
        self._input.close()

    def _mux(self, copied: CopiedStream, packets: Iterable[Packet[Stream]], output: OutputContainer) -> None:
        for packet in packets:
            copied.mux(packet, output, Fraction(0))

    def _demux(self) -> Iterator[Packet[Stream]]:
        wanted = [self._input.streams[index] for index in sorted(stream.index for stream in self.selection.copied)]
        return with_times(self._input.demux(wanted)) if wanted else iter(())

    def _read_packet(self) -> Packet[Stream] | None:
        failures = 0
        while True:
            try:
                return next(self._packets, None)
            except (av.FFmpegError, OSError) as error:
                failures += 1
                if failures == READ_ATTEMPTS:
                    raise SourceError(
                        f"The sound or subtitles of {self._path} cannot be read ({error.strerror}).", "Copy the file again."
                    ) from error
                self._packets = self._demux()

    def _add(self, output: OutputContainer, stream: Stream) -> Stream:
        converted = stream.index in self.selection.converted
        if converted and isinstance(stream, av.AudioStream):
            encoder = add_encoder(stream, output, self._container)
            self._converters[stream.index] = SoundConverter(stream, encoder, *self._limits)
            target: Stream = encoder
        else:
            target = output.add_stream_from_template(stream, opaque=True)
        target.metadata.clear()
        self._copy_tags(stream, target, encoded=converted)
        if isinstance(target, av.AudioStream):
            set_channel_layout(target)
        return target

    def _copy_tags(self, source: Stream, target: Stream, *, encoded: bool) -> None:
        kept = metadata.stream_tags(source.metadata, self._container, encoded=encoded, timecode=self._keeps_timecode)
        target.metadata.update(kept)
        target.disposition = source.disposition


def _start_of(container: InputContainer, video: av.VideoStream | None) -> float:
    """Return the file's start, from which a range counts, in seconds of its time: an MPEG-TS file often begins at 1.4 s."""
    return 0.0 if video is None else float(file_origin(container, video, Fraction(video.time_base or 0)))


def add_covers(source: Path, streams: Sequence[Stream], output: OutputContainer) -> list[Packet[Stream]]:
    """Add the cover pictures in ``streams`` of the file ``source`` to ``output``, before its header is written.

    Returns the packets to write after the header.
    """
    if not streams:
        return []
    packets = []
    # Open the source separately, so that the other streams are read from the start.
    with open_source(source) as container:
        wanted = [container.streams[stream.index] for stream in streams]
        for stream in container.streams:
            stream.discard = Discard.default if stream in wanted else Discard.all
        pictures: dict[int, Packet[Stream]] = {}
        for packet in container.demux(wanted):
            if packet.size:
                pictures.setdefault(packet.stream_index, packet)
            if len(pictures) == len(wanted):
                break
        for index, picture in pictures.items():
            if output.format.name == "matroska":
                _attach(output, container.streams[index], picture)
                continue
            target = output.add_stream_from_template(container.streams[index], opaque=True)
            target.disposition = Disposition.attached_pic
            picture.stream = target
            picture.pts = picture.dts = 0
            packets.append(picture)
    return packets


def _attach(output: OutputContainer, stream: Stream, picture: Packet[Stream]) -> None:
    codec = stream.codec_context.name
    name = stream.metadata.get("filename") or f"cover.{'jpg' if codec == 'mjpeg' else codec}"
    kind = stream.metadata.get("mimetype") or f"image/{'jpeg' if codec == 'mjpeg' else codec}"
    output.add_attachment(name, kind, bytes(picture))
