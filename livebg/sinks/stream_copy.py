"""Everything in a file that is not its picture: copied from the input, packet by packet, as the video goes on."""

from __future__ import annotations  # PyAV's classes are generic in its stubs alone

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Final

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Discard, Stream

from livebg.errors import SinkError, SourceError
from livebg.sinks import metadata
from livebg.sinks.cover_art import Covers
from livebg.sinks.stream_selection import open_input, take_inventory

_USUAL_LAYOUTS: Final = MappingProxyType({1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"})


@dataclass(frozen=True, slots=True)
class Window:
    """The part of the input, in seconds of its own time, that goes into the output; None = unlimited."""

    start: float | None = None
    end: float | None = None

    def holds(self, seconds: float) -> bool:
        return (self.start is None or seconds >= self.start) and (self.end is None or seconds < self.end)

    def ended(self, seconds: float) -> bool:
        return self.end is not None and seconds >= self.end


@dataclass(slots=True)
class CopiedStream:
    """A stream on its way: where its packets go, and what has gone so far (for reading back).

    ``target`` must not be touched once its container is closed: PyAV's streams do not outlive it.
    """

    index: int
    kind: str
    is_pcm: bool
    target: Stream
    packets: int = 0
    size: int = 0
    last_dts: int | None = None
    done: bool = False


class OtherStreams:
    """The streams of the input ``source`` beside the one video stream that is rendered.

    The constructor opens ``source`` and sorts its streams; it raises :class:`~livebg.errors.SourceError` when it cannot be
    opened, and :class:`~livebg.errors.SinkError` when ``container`` (libav's name) cannot hold one of them, or a second video
    would show the room, unless ``drop`` is set: then :attr:`notes` names them.
    """

    def __init__(self, source: Path, output: Path, container: str, window: Window, *, drop: bool = False) -> None:
        self._path = source
        self._container = container
        self._window = window
        self.copied: list[CopiedStream] = []
        self.notes: tuple[str, ...] = ()
        self._input = open_input(source)
        try:
            self._inventory = take_inventory(self._input, container)
            self._refuse(output, drop)
        except BaseException:
            self._input.close()
            raise
        self._ahead: Packet[Stream] | None = None
        self._covers: Covers | None = None
        self._packets: Iterator[Packet[Stream]] = iter(())

    @property
    def pictures(self) -> int:
        """How many cover pictures go along."""
        return len(self._inventory.covers)

    @property
    def attachments(self) -> int:
        return len(self._inventory.attachments)

    @property
    def rates(self) -> list[int]:
        """The sample rates of the copied audio streams, in hertz."""
        return [stream.sample_rate for stream in self._inventory.copied if isinstance(stream, av.AudioStream)]

    @property
    def longest_chapter(self) -> float:
        """Seconds; 0 without chapters."""
        chapters = [(each["end"] - each["start"]) * (each["time_base"] or 0) for each in self._input.chapters()]
        return float(max(chapters, default=0))

    @property
    def video_end(self) -> Fraction | None:
        """Where the last picture of the rendered stream ends, in seconds of the input's time, when the input says so."""
        video = self._inventory.video
        if video is None or video.duration is None or not video.time_base:
            return None
        return ((video.start_time or 0) + video.duration) * video.time_base

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the file as a whole."""
        return metadata.file_tags(self._input.metadata, timecode=self._keeps_timecode)

    @property
    def _keeps_timecode(self) -> bool:
        """Untrue once the start is cut off; and libav's MP4 gives up the reference to its chapters for a timecode track."""
        chapters = self._container in ("mp4", "mov") and bool(self._input.chapters())
        return not self._window.start and not chapters

    def describe_video(self, target: av.VideoStream) -> None:
        """Give the rendered stream what its original says about itself."""
        video = self._inventory.video
        if video is None:
            return
        kept = metadata.stream_tags(video.metadata, self._container, encoded=True, timecode=self._keeps_timecode)
        target.metadata.update(kept)
        target.disposition = video.disposition

    def add_to(self, output: OutputContainer) -> None:
        """Add the streams, tags and chapters to ``output``, before its header is written."""
        output.metadata.update(self.tags)
        output.set_chapters(metadata.clipped_chapters(self._input.chapters(), self._window.start, self._window.end))
        for stream in self._inventory.copied:
            is_pcm = stream.codec_context is not None and stream.codec_context.name.startswith("pcm_")
            self.copied.append(CopiedStream(stream.index, stream.type, is_pcm, self._add(output, stream)))
        for stream in self._inventory.attachments:
            output.add_stream_from_template(stream)
        self._covers = Covers(self._path, self._inventory.covers)
        self._covers.add_to(output)
        wanted = {stream.index for stream in self._inventory.copied}
        for stream in self._input.streams:
            stream.discard = Discard.default if stream.index in wanted else Discard.all
        if wanted:
            self._packets = self._input.demux([self._input.streams[index] for index in sorted(wanted)])

    def begin(self, output: OutputContainer) -> None:
        """Write what goes before everything else; to be called once, after the header."""
        if self._covers is not None:
            self._covers.write_to(output)

    def copy_until(self, seconds: float | None, output: OutputContainer, offset: Fraction) -> None:
        """Write the packets up to ``seconds`` of the input's time (None = all), moved to be ``offset`` seconds earlier."""
        by_index = {copied.index: copied for copied in self.copied}
        while not all(copied.done for copied in self.copied):
            packet = self._ahead or self._next()
            self._ahead = None
            if packet is None:
                break
            copied = by_index[packet.stream_index]
            time = _time(packet)
            if seconds is not None and time > seconds:
                self._ahead = packet
                break
            if self._window.ended(time):
                copied.done = True
            # What an edit list hides at the end stays away; what it hides before zero (priming) is hidden again.
            elif self._window.holds(time) and not (packet.is_discard and time >= 0) and not is_gap(packet):
                _forward(packet, copied, output, offset)

    def close(self) -> None:
        self._input.close()

    def _next(self) -> Packet[Stream] | None:
        try:
            return next((packet for packet in self._packets if packet.dts is not None or packet.pts is not None), None)
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"the sound or subtitles of {self._path} cannot be read: {error.strerror}") from error

    def _refuse(self, output: Path, drop: bool) -> None:
        refused = self._inventory.refused
        if refused and not drop:
            advice = "choose an ending that holds them, or leave them out (--drop-streams)"
            raise SinkError(f"{output} cannot take over every stream of {self._path}: {'; '.join(refused)}; {advice}")
        self.notes = tuple(f"left out: {reason}" for reason in refused)

    def _add(self, output: OutputContainer, stream: Stream) -> Stream:
        target = output.add_stream_from_template(stream, opaque=True)
        kept = metadata.stream_tags(stream.metadata, self._container, encoded=False, timecode=self._keeps_timecode)
        target.metadata.clear()
        target.metadata.update(kept)
        target.disposition = stream.disposition
        if isinstance(target, av.AudioStream):
            _name_channels(target)
        return target


def _name_channels(stream: av.AudioStream) -> None:
    """Say what the channels are where the input (AVI, Matroska with PCM) only counts them; MP4 cannot do without."""
    usual = _USUAL_LAYOUTS.get(stream.codec_context.layout.nb_channels)
    if usual is not None and all(channel.name == "NONE" for channel in stream.codec_context.layout.channels):
        stream.codec_context.layout = usual


def is_gap(packet: Packet[Stream]) -> bool:
    """Whether the packet is MP4's empty text between two subtitles, which the muxer makes anew."""
    context = packet.stream.codec_context
    return context is not None and context.name == "mov_text" and bytes(packet) == bytes(2)


def _time(packet: Packet[Stream]) -> float:
    ticks = packet.pts if packet.pts is not None else packet.dts
    assert ticks is not None
    return float(ticks * packet.time_base)


def _forward(packet: Packet[Stream], copied: CopiedStream, output: OutputContainer, offset: Fraction) -> None:
    ticks = round(offset / packet.time_base)
    packet.pts = None if packet.pts is None else packet.pts - ticks
    packet.dts = packet.pts if packet.dts is None else packet.dts - ticks
    assert packet.dts is not None
    if copied.last_dts is not None and packet.dts <= copied.last_dts:
        # Damaged inputs repeat times, which most containers refuse: one tick later is nearest.
        packet.dts = copied.last_dts + 1
        packet.pts = max(packet.pts, packet.dts) if packet.pts is not None else packet.dts
    if copied.kind == "audio" and not packet.duration and copied.last_dts is not None:
        packet.duration = packet.dts - copied.last_dts  # else MP4 would end where the last packet begins
    copied.last_dts = packet.dts
    copied.packets += 1
    copied.size += packet.size
    packet.stream = copied.target
    output.mux(packet)
