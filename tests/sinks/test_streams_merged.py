"""Streams that a muxer divides into other packets than the input has: the content arrives, whatever its packets."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.packet import Packet
from av.stream import Stream

from tests.support.recordings import Recording, packets_of, record
from tests.support.sink_files import render


def segment(kind: int, body: bytes) -> bytes:
    return struct.pack(">BH", kind, len(body)) + body


def pgs_set(number: int, *, shown: bool) -> list[bytes]:
    """The segments of a PGS display set: composition, window, palette and object if ``shown``, end."""
    composition = struct.pack(">HHBHBBBB", 96, 64, 16, number, 128 if shown else 0, 0, 0, int(shown))
    if shown:
        composition += struct.pack(">HBBHH", 0, 0, 0, 8, 8)
    window = struct.pack(">BBHHHH", 1, 0, 8, 8, 2, 1)
    palette = bytes([0, 0, 1, 235, 128, 128, 255])
    drawing = bytes([1, 1, 0, 0])
    picture = struct.pack(">HBB", 0, 0, 192) + (len(drawing) + 4).to_bytes(3, "big") + struct.pack(">HH", 2, 1) + drawing
    parts = [(0x16, composition), (0x17, window)]
    if shown:
        parts += [(0x14, palette), (0x15, picture)]
    return [segment(kind, body) for kind, body in [*parts, (0x80, b"")]]


def disc(path: Path, codec: str, packets: Sequence[tuple[int, bytes]]) -> Path:
    """A transport stream with a picture of two seconds and subtitles at milliseconds."""
    with av.open(str(path), "w", format="mpegts", options={"mpegts_m2ts_mode": "1" if path.suffix == ".m2ts" else "0"}) as output:
        video = output.add_stream("mpeg2video", rate=25)
        assert isinstance(video, av.VideoStream)
        video.width, video.height = 96, 64
        texts = output.add_mux_stream(codec)
        texts.time_base = Fraction(1, 1000)
        texts.metadata["language"] = "ger"
        waiting = list(packets)
        for number in range(50):
            frame = av.VideoFrame(96, 64, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(video.encode(frame))
            while waiting and waiting[0][0] <= number * 40:
                milliseconds, data = waiting.pop(0)
                packet: Packet[Stream] = Packet(data)
                packet.stream, packet.time_base, packet.is_keyframe = texts, Fraction(1, 1000), True
                packet.pts = packet.dts = milliseconds
                output.mux(packet)
        output.mux(video.encode(None))
    return path


def rendered(source: Path, out: Path) -> Path:
    with av.open(str(source)) as container:
        video = container.streams.video[0]
        first = round(1000 * (video.start_time or 0) * (video.time_base or 0))
    render(source, out, pts=range(first, first + 2000, 100))
    return out


@pytest.mark.parametrize("together", [True, False])
def test_pgs_segments_are_merged(tmp_path: Path, together: bool) -> None:
    sets = [(200, pgs_set(0, shown=True)), (900, pgs_set(1, shown=False)), (1200, pgs_set(2, shown=True))]
    packets = [(time, data) for time, segments in sets for data in ([b"".join(segments)] if together else segments)]
    source = disc(tmp_path / "in.m2ts", "hdmv_pgs_subtitle", packets)
    expected = [each.data for each in packets_of(source, "subtitle")]
    found = [each.data for each in packets_of(rendered(source, tmp_path / "out.mkv"), "subtitle")]
    assert b"".join(found) == b"".join(expected) == b"".join(data for _, data in packets)
    assert len(found) == 3


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_short_eac3_frames_are_merged_and_divided(tmp_path: Path, blocks: int) -> None:
    recorded = record(tmp_path / "in.mkv", Recording(audio=()))
    source = with_short_frames(recorded, tmp_path / "short.mkv", blocks)
    expected = sound_of(source)
    assert len(expected) == 64 * (360 // blocks)
    render(source, tmp_path / "merged.mp4")
    assert sound_of(tmp_path / "merged.mp4") == expected
    for ending in (".mp4", ".mkv"):  # now libav divides packets, and only the first part has a time
        render(tmp_path / "merged.mp4", tmp_path / f"out{ending}")
        assert sound_of(tmp_path / f"out{ending}") == expected


def sound_of(path: Path) -> bytes:
    with av.open(str(path)) as container:
        return b"".join(bytes(packet) for packet in container.demux(audio=0))


def with_short_frames(source: Path, path: Path, blocks: int) -> Path:
    """Copy the picture of ``source`` and add E-AC-3 whose frames hold fewer than six blocks of 256 samples."""
    size = 64
    # sync word; stream type 0, substream 0, size in words; 48 kHz, number of blocks, 1/0, no LFE; bitstream 16.
    bits = (
        f"{0x0B77:016b}" + f"{0:02b}{0:03b}{size // 2 - 1:011b}" + f"{0:02b}{blocks - 1:02b}{1:03b}0" + f"{16:05b}" + f"{31:05b}0"
    )
    data = int(bits.ljust(size * 8, "0"), 2).to_bytes(size, "big")
    with av.open(str(source)) as opened, av.open(str(path), "w") as output:
        video = output.add_stream_from_template(opened.streams.video[0], opaque=True)
        sound = output.add_mux_stream("eac3", rate=48_000)
        sound.time_base = Fraction(1, 48_000)
        output.start_encoding()
        for number in range(60 // blocks * 6):
            packet: Packet[Stream] = Packet(data)
            packet.stream, packet.time_base, packet.is_keyframe = sound, Fraction(1, 48_000), True
            packet.pts = packet.dts = number * blocks * 256
            packet.duration = blocks * 256
            output.mux(packet)
        for picture in opened.demux(video=0):
            if picture.size:
                picture.stream = video
                output.mux(picture)
    return path
