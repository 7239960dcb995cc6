"""Inputs with every kind of stream and tag that can accompany video, made at run time."""

from __future__ import annotations  # PyAV's classes are generic in its stubs alone

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

RATE = 48_000
TEXTS = ((0.2, 0.8, "Guten Tag"), (1.0, 1.5, "Ende"))
"""Subtitles for a recording."""
_FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".ts": "mpegts", ".avi": "avi"}
_VIDEO_CODECS = {".webm": "libvpx-vp9"}


@dataclass(frozen=True)
class Recording:
    """What an input holds; times in seconds."""

    audio: Sequence[str] = ("aac",)
    audio_from: float = 0.0
    video_from: float = 0.0
    seconds: float = 2.0
    fps: int = 10
    subtitles: Sequence[tuple[float, float, str]] = ()
    subtitle_codec: str = "subrip"
    chapters: Sequence[tuple[float, float, str]] = ()
    cover: bool = False
    font: bytes | None = None
    videos: int = 1
    data: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    audio_tags: Mapping[str, str] = field(default_factory=dict)
    video_tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredPacket:
    """A packet as read from a file: time in seconds, and its bytes."""

    time: Fraction
    data: bytes


def record(path: Path, recording: Recording) -> Path:
    """Write ``recording`` to ``path``; the ending chooses the container."""
    with av.open(str(path), "w", format=_FORMATS[path.suffix]) as output:
        videos = [_add_video(output, path, recording) for _ in range(recording.videos)]
        sounds = [_add_audio(output, codec, recording) for codec in recording.audio]
        subtitle = _add_mux(output, recording.subtitle_codec) if recording.subtitles else None
        data = output.add_data_stream(recording.data) if recording.data else None
        cover = _add_cover(output, path) if recording.cover else None
        if recording.font is not None:
            output.add_attachment("font.ttf", "font/ttf", recording.font)
        output.metadata.update(recording.tags)
        output.set_chapters([_chapter(number, *each) for number, each in enumerate(recording.chapters)])
        output.start_encoding()
        _write_cover(output, cover)
        _write_texts(output, subtitle, recording)
        if data is not None:
            _write_data(output, data)
        for second in range(int(np.ceil(recording.seconds))):
            for video in videos:
                _write_video(output, video, recording, second)
            for sound in sounds:
                _write_sound(output, sound, recording, second)
        output.mux([packet for video in videos for packet in video.encode(None)])
        output.mux([packet for sound in sounds for packet in sound.encode(None)])
    return path


def packets_of(path: Path, kind: str, number: int = 0) -> list[StoredPacket]:
    """The packets of the ``number``-th stream of a kind ("audio", "subtitle"), in the file's order, as any reader gets them."""
    with av.open(str(path)) as container:
        stream = [each for each in container.streams if each.type == kind][number]
        return [_stored(packet) for packet in container.demux(stream) if packet.size]


def frame_times(path: Path) -> list[Fraction]:
    """The times of the pictures of the first video in seconds, as any decoder gets them."""
    with av.open(str(path)) as container:
        return [_seconds(frame.pts, frame.time_base) for frame in container.decode(container.streams.video[0])]


def cover_of(path: Path) -> bytes | None:
    """The cover's picture file, or None."""
    with av.open(str(path)) as container:
        covers = [each for each in container.streams.video if each.disposition & Disposition.attached_pic]
        return next((bytes(packet) for packet in container.demux(covers) if packet.size), None) if covers else None


def jpeg(size: int = 32) -> bytes:
    """A small picture file."""
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = size, size, "yuvj420p", Fraction(1, 25)
    return bytes(codec.encode(_picture(size, size, 90))[0])


def _stored(packet: Packet[Stream]) -> StoredPacket:
    return StoredPacket(_seconds(packet.pts, packet.time_base), bytes(packet))


def _seconds(pts: int | None, time_base: Fraction | None) -> Fraction:
    assert pts is not None
    assert time_base is not None
    return pts * time_base


def _picture(width: int, height: int, luma: int) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.full((height * 3 // 2, width), luma, np.uint8), "yuv420p")


def _add_video(output: OutputContainer, path: Path, recording: Recording) -> VideoStream:
    stream = output.add_stream(_VIDEO_CODECS.get(path.suffix, "libx264"), rate=recording.fps)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.time_base = 32, 32, Fraction(1, 1000)
    stream.codec_context.time_base = Fraction(1, 1000)
    stream.metadata.update(recording.video_tags)
    return stream


def _add_audio(output: OutputContainer, codec: str, recording: Recording) -> AudioStream:
    stream = output.add_stream(codec, rate=RATE)
    assert isinstance(stream, AudioStream)
    stream.metadata.update(recording.audio_tags)
    return stream


def _add_mux(output: OutputContainer, codec: str) -> Stream:
    stream = output.add_mux_stream(codec)
    stream.time_base = Fraction(1, 1000)
    stream.metadata.update({"language": "ger", "title": "Untertitel"})
    return stream


def _add_cover(output: OutputContainer, path: Path) -> Stream | None:
    if path.suffix == ".mkv":
        output.add_attachment("cover.jpg", "image/jpeg", jpeg())
        return None
    stream = output.add_mux_stream("mjpeg", width=32, height=32)
    stream.disposition = Disposition.attached_pic
    return stream


def _chapter(number: int, start: float, end: float, title: str) -> av.container.core.Chapter:
    unit = Fraction(1, 1000)
    return {
        "id": number,
        "start": round(start * 1000),
        "end": round(end * 1000),
        "time_base": unit,
        "metadata": {"title": title},
    }


def _write_cover(output: OutputContainer, stream: Stream | None) -> None:
    if stream is not None:
        _mux(output, stream, jpeg(), 0, 0)


def _write_texts(output: OutputContainer, stream: Stream | None, recording: Recording) -> None:
    if stream is None:
        return
    for start, end, text in recording.subtitles:
        payload = text.encode()
        if recording.subtitle_codec == "mov_text":
            payload = len(payload).to_bytes(2, "big") + payload
        _mux(output, stream, payload, round(start * 1000), round((end - start) * 1000))


def _write_data(output: OutputContainer, stream: Stream) -> None:
    for number in range(3):
        _mux(output, stream, bytes(16), number * 500, 1)


def _mux(output: OutputContainer, stream: Stream, payload: bytes, milliseconds: int, duration: int) -> None:
    packet: Packet[Stream] = Packet(payload)
    packet.stream = stream
    packet.pts = packet.dts = milliseconds
    packet.duration, packet.time_base, packet.is_keyframe = duration, Fraction(1, 1000), True
    output.mux(packet)


def _write_video(output: OutputContainer, stream: VideoStream, recording: Recording, second: int) -> None:
    for number in range(second * recording.fps, (second + 1) * recording.fps):
        if number < recording.seconds * recording.fps:
            frame = _picture(32, 32, 40 + number % 160)
            frame.pts, frame.time_base = round(1000 * (recording.video_from + number / recording.fps)), Fraction(1, 1000)
            output.mux(stream.encode(frame))


def _write_sound(output: OutputContainer, stream: AudioStream, recording: Recording, second: int) -> None:
    samples = round(RATE * (min(recording.seconds, second + 1) - second))
    noise = np.random.default_rng(second).integers(-8000, 8000, (1, 2 * samples)).astype(np.int16)
    block = av.AudioFrame.from_ndarray(noise, "s16", "stereo")
    block.sample_rate, block.pts = RATE, round(RATE * (recording.audio_from + second))
    block.time_base = Fraction(1, RATE)
    output.mux(stream.encode(block))
