"""Cover pictures: an attachment in Matroska, a packet of a separate stream in MP4."""

from __future__ import annotations  # PyAV's classes are generic only in its stubs

from collections.abc import Sequence
from pathlib import Path

from av.container import OutputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream

from livebg.sinks.stream_selection import open_source


class Covers:
    """Copies the cover pictures in ``streams`` of the file ``source``."""

    def __init__(self, source: Path, streams: Sequence[Stream]) -> None:
        self._source = source
        self._indices = [stream.index for stream in streams]
        self._packets: list[Packet[Stream]] = []

    def add_to(self, output: OutputContainer) -> None:
        """Add the covers to ``output``, before its header is written."""
        if not self._indices:
            return
        # Open the source separately, so that the other streams are read from the start.
        with open_source(self._source) as container:
            for stream in container.streams:
                stream.discard = Discard.default if stream.index in self._indices else Discard.all
            pictures: dict[int, Packet[Stream]] = {}
            for packet in container.demux([container.streams[index] for index in self._indices]):
                if packet.size:
                    pictures.setdefault(packet.stream_index, packet)
                if len(pictures) == len(self._indices):
                    break
            for index, packet in pictures.items():
                self._add(output, container.streams[index], packet)

    def write_to(self, output: OutputContainer) -> None:
        """Write the covers that are packets, after the header."""
        for packet in self._packets:
            output.mux(packet)

    def _add(self, output: OutputContainer, stream: Stream, packet: Packet[Stream]) -> None:
        if output.format.name != "matroska":
            target = output.add_stream_from_template(stream, opaque=True)
            target.disposition = Disposition.attached_pic
            packet.stream = target
            packet.pts = packet.dts = 0
            self._packets.append(packet)
            return
        codec = stream.codec_context.name
        name = stream.metadata.get("filename") or f"cover.{'jpg' if codec == 'mjpeg' else codec}"
        kind = stream.metadata.get("mimetype") or f"image/{'jpeg' if codec == 'mjpeg' else codec}"
        output.add_attachment(name, kind, bytes(packet))
