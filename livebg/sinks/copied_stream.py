"""A copied stream: its packets, their times and a summary of their content."""

from __future__ import annotations  # PyAV's classes are generic only in its stubs

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from livebg.sources.decoder import CLOCK_RESTART_S


@dataclass(slots=True)
class Payload:
    """The packets of a stream so far: their number, size in bytes and concatenated content."""

    packets: int = 0
    size: int = 0
    _hash: hashlib.blake2b = field(default_factory=hashlib.blake2b)

    @property
    def digest(self) -> bytes:
        """The hash of the content, whatever packets it is divided into."""
        return self._hash.digest()

    def add(self, packet: Packet[Stream]) -> None:
        self.packets += 1
        self.size += packet.size
        self._hash.update(bytes(packet))


@dataclass(slots=True)
class CopiedStream:
    """A copied stream: its target and the payload copied so far (for verification).

    Do not use ``target`` after its container is closed: PyAV's streams do not outlive it.
    """

    index: int
    kind: str
    is_pcm: bool
    target: Stream
    payload: Payload = field(default_factory=Payload)
    last_dts: int | None = None
    done: bool = False

    def mux(self, packet: Packet[Stream], output: OutputContainer, offset: Fraction) -> None:
        """Write the packet ``offset`` seconds earlier, at an increasing decoding time."""
        ticks = round(offset / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts - ticks
        packet.dts = packet.pts if packet.dts is None else packet.dts - ticks
        assert packet.dts is not None
        if self.last_dts is not None and packet.dts <= self.last_dts:
            # Most containers reject the repeated times of damaged inputs: use the next tick.
            packet.dts = self.last_dts + 1
            packet.pts = max(packet.pts, packet.dts) if packet.pts is not None else packet.dts
        if self.kind in ("audio", "data") and not packet.duration:
            # Otherwise an MP4 would end at the start of its last packet, and hide it if it is data.
            packet.duration = packet.dts - self.last_dts if self.last_dts is not None else int(self.kind == "data")
        self.last_dts = packet.dts
        self.payload.add(packet)
        packet.stream = self.target
        output.mux(packet)


def with_times(packets: Iterable[Packet[Stream]]) -> Iterator[Packet[Stream]]:
    """Yield the packets that have a time. Of a packet that libav divides, only the first part has one: the others get it too.

    If the clock of sound restarts, as in joined recordings, it continues after the packet before, like that of the pictures.
    """
    last: dict[int, int] = {}
    ends: dict[int, int] = {}
    shifts: dict[int, int] = {}
    for packet in packets:
        index, ticks = packet.stream_index, packet.dts if packet.dts is not None else packet.pts
        if ticks is None:
            if not packet.size or index not in last:
                continue
            packet.pts = packet.dts = last[index]
            yield packet
            continue
        shift = shifts.get(index, 0)
        if index in last and packet.stream.type == "audio" and last[index] - ticks - shift > CLOCK_RESTART_S / packet.time_base:
            shift = shifts[index] = ends[index] - ticks
        packet.pts = None if packet.pts is None else packet.pts + shift
        packet.dts = None if packet.dts is None else packet.dts + shift
        last[index] = ticks + shift
        ends[index] = last[index] + (packet.duration or 0)
        yield packet


def is_gap(packet: Packet[Stream]) -> bool:
    """Return whether the packet is MP4's empty text between two subtitles, which the muxer regenerates."""
    context = packet.stream.codec_context
    return context is not None and context.name == "mov_text" and bytes(packet) == bytes(2)


def time_of(packet: Packet[Stream]) -> float:
    """Return the packet's time in seconds."""
    ticks = packet.pts if packet.pts is not None else packet.dts
    assert ticks is not None
    return float(ticks * packet.time_base)
