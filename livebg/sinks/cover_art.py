"""Cover pictures: an attachment in Matroska, a packet of a separate stream in MP4."""

from __future__ import annotations  # PyAV's classes are generic only in its stubs

from collections.abc import Sequence
from pathlib import Path

from av.container import OutputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream

from livebg.sinks.stream_selection import open_source


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
