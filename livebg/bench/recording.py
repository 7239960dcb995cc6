"""A synthetic scene to measure with, as a clip and as a recording: camera buffers that are played in real time."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, islice
from pathlib import Path
from threading import Event
from typing import Final, Literal

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from livebg.compositing.composite import composite
from livebg.imaging.colorspace import convert_i420
from livebg.imaging.frame import BT601, BT709, ColorSpec, Frame, Matte, VideoFormat, planes, rgb_to_i420
from livebg.interfaces import LiveSource
from livebg.sinks.codecs import Encoding
from livebg.sinks.file import FileSink
from livebg.sources.camera_decoding import CAMERA_COLOR, MICROSECONDS, CameraConverter, picture_reader
from livebg.sources.file import FileSource
from livebg.synthetic import MOTIONS, Actor, blob_person, clip, procedural_room
from livebg.v4l2 import abi

PixelFormat = Literal["MJPG", "YUYV"]
_JPEG_COLOR: Final = ColorSpec(BT601, full_range=True)
_JPEG_QUALITY: Final = "4"
"""FFmpeg's quantizer scale: about 70 kB at 720p, as webcams deliver."""
_MAX_BYTES: Final = 256 * 2**20
"""The most memory for the buffers of a recording."""
_SEED: Final = 7
_NOISE_SIGMA: Final = 1.0
"""Standard deviation of a camera's luma noise, in levels of 255."""
_NOISE_FRAMES: Final = 7
"""Number of pictures after which the noise repeats."""


def write_clip(path: Path, frames: int = 150, size: tuple[int, int] = (1280, 720)) -> None:
    """Write a synthetic clip: a drawn person swaying in front of a room, 30 frames per second."""
    video = VideoFormat(*size, Fraction(30), ColorSpec(BT709, BT709, BT709))
    everything = np.full(size[::-1], 255, np.uint8)
    with FileSink(path, video, Fraction(1, 30), encoding=Encoding()) as sink:
        for frame in synthetic_frames(frames, size, video.color):
            sink.send(composite(frame, frame.data, Matte(everything, frame.time, frame.time)))


def synthetic_frames(count: int, size: tuple[int, int], color: ColorSpec) -> Iterator[Frame]:
    """Yield a person swaying in front of a room, 30 frames per second, with camera noise."""
    rng = np.random.default_rng(_SEED)
    noise = rng.normal(0, _NOISE_SIGMA, (_NOISE_FRAMES, *size[::-1])).astype(np.float32)
    person, room = Actor([blob_person(_SEED)]), procedural_room(_SEED, size)
    for number, moment in enumerate(clip(MOTIONS["slow"], [person], room, size, frames=count, seed=_SEED)):
        data = rgb_to_i420(moment.rgb, color)
        luma = planes(data)[0]
        luma[:] = np.clip(luma + noise[number % _NOISE_FRAMES], 16, 235)
        yield Frame(data, number, Fraction(1, 30), color)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """The buffers of a camera in one pixel format. ``format`` is that of the frames they are converted to."""

    pix: abi.PixFormat
    buffers: tuple[bytes, ...]
    format: VideoFormat


def record(frames: Iterable[Frame], frame_rate: Fraction, pixel_format: PixelFormat) -> Recording:
    """Return the buffers in which a camera delivers ``frames``, at most 256 MiB of them."""
    encoded: list[bytes] = []
    for frame in frames:
        if not encoded:
            form = VideoFormat(frame.width, frame.height, frame_rate, CAMERA_COLOR)
            encode = _JpegEncoder(form) if pixel_format == "MJPG" else _yuyv
        encoded.append(encode(frame))
        if sum(map(len, encoded)) > _MAX_BYTES:
            break
    pix = abi.PixFormat(width=form.width, height=form.height, pixelformat=abi.fourcc(pixel_format))
    return Recording(pix, tuple(encoded), form)


def synthetic_recording(frames: int = 150, size: tuple[int, int] = (1280, 720), pixel_format: PixelFormat = "MJPG") -> Recording:
    """Return what a camera sees of a drawn person swaying in front of a room, 30 frames per second."""
    return record(synthetic_frames(frames, size, CAMERA_COLOR), Fraction(30), pixel_format)


def clip_recording(path: Path, frames: int = 150, pixel_format: PixelFormat = "MJPG") -> Recording:
    """Return the first ``frames`` of the video file ``path`` as a camera would deliver them.

    Raises :class:`~livebg.errors.SourceError` if the file cannot be read.
    """
    with FileSource(path, threads=1) as source:
        return record(islice(source, frames), source.format.frame_rate, pixel_format)


class RecordedCamera(LiveSource):
    """Delivers the buffers of a recording in real time, back and forth, so that motion never jumps.

    As with a camera, a buffer that is not read before the next one is due is lost; ``skipped`` counts them. Frame times are the
    moments at which the buffers are due, in microseconds of the monotonic clock.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording, self._closed = recording, Event()
        self._reader, self._converter = picture_reader(recording.pix), CameraConverter(self.name, recording.format)
        self._frames = self._play()
        self.skipped = 0

    @property
    def format(self) -> VideoFormat:
        return self._recording.format

    @property
    def name(self) -> str:
        return "recorded camera"

    @property
    def mode(self) -> str:
        form = self.format
        return f"{form.width}x{form.height} {abi.fourcc_text(self._recording.pix.pixelformat)} {float(form.frame_rate):.4g} fps"

    def now(self) -> float:
        return time.monotonic()

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        self._closed.set()

    def _play(self) -> Iterator[Frame]:
        buffers, interval, start = self._recording.buffers, float(1 / self.format.frame_rate), time.monotonic()
        order = [*range(len(buffers)), *range(len(buffers) - 2, 0, -1)]
        for number in count():
            due = start + number * interval
            if time.monotonic() > due + interval:
                self.skipped += 1
                continue
            if self._closed.wait(max(due - time.monotonic(), 0.0)):
                return
            for picture in self._reader.read(buffers[order[number % len(order)]], round(due / MICROSECONDS)):
                yield self._converter.frame(picture)


class _JpegEncoder:
    """Encodes frames as webcams do: motion JPEG, full range, 4:2:2."""

    def __init__(self, form: VideoFormat) -> None:
        codec = av.CodecContext.create("mjpeg", "w")
        assert isinstance(codec, VideoCodecContext)
        codec.width, codec.height, codec.pix_fmt = form.width, form.height, "yuvj422p"
        codec.time_base, codec.thread_count = 1 / form.frame_rate, 1
        codec.options = {"qmin": _JPEG_QUALITY, "qmax": _JPEG_QUALITY}
        self._codec, self._number = codec, count()

    def __call__(self, frame: Frame) -> bytes:
        data = convert_i420(frame.data, frame.color, _JPEG_COLOR)
        picture = av.VideoFrame.from_ndarray(data, format="yuvj420p").reformat(format="yuvj422p")
        picture.pts = next(self._number)
        return b"".join(bytes(packet) for packet in self._codec.encode(picture))


def _yuyv(frame: Frame) -> bytes:
    data = frame.data if frame.color == CAMERA_COLOR else convert_i420(frame.data, frame.color, CAMERA_COLOR)
    picture = av.VideoFrame.from_ndarray(data, format="yuv420p")
    return np.ascontiguousarray(picture.to_ndarray(format="yuyv422")).tobytes()
