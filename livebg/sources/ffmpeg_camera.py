"""Cameras that FFmpeg reads: those of the network, by URL, and those of other systems than Linux, by FFmpeg's own readers."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import av
from av.codec.context import Flags
from av.container import InputContainer
from av.video.stream import VideoStream

from livebg.errors import SourceError
from livebg.imaging.frame import BT601, BT709, UNSPECIFIED, ColorSpec, Frame, VideoFormat
from livebg.interfaces import LiveSource
from livebg.sources.camera_decoding import CAMERA_COLOR, MICROSECONDS, CameraConverter, Picture, size_changed
from livebg.sources.decoder import frame_rate

_log = logging.getLogger(__name__)
_SCHEMES: Final = frozenset({"http", "https", "rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp"})
_CONNECTING: Final = 5.0
"""Seconds that opening may take at least: a camera of the network shakes hands and waits for a key picture."""
_FULL: Final = 2


def is_url(name: str) -> bool:
    """Whether this names a camera of the network."""
    return "://" in name and urlsplit(name).scheme.lower() in _SCHEMES


@dataclass(frozen=True, slots=True)
class Input:
    """What to tell FFmpeg: ``format`` is the name of its reader, None where the address decides; ``label`` is for people."""

    address: str
    label: str
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


class NetworkCamera(LiveSource):
    """A camera that FFmpeg reads; its size and rate are its own.

    Frames are limited-range BT.601 I420. Their time is that of their arrival, in microseconds of the monotonic clock: what the
    network delayed before, nobody here can know. ``damaged`` counts pictures that did not decode.

    Waiting goes on inside FFmpeg, under its own deadline: ``close`` from another thread ends the iteration at the next picture,
    at the latest after ``deadline`` seconds, and the thread that reads then releases the connection. Raises
    :class:`~livebg.errors.SourceError` when it cannot be opened, when no picture came within ``deadline`` seconds, and when the
    pictures' size changes.
    """

    def __init__(self, camera: str | Input, *, deadline: float = 2.0) -> None:
        self._input = camera if isinstance(camera, Input) else _input(camera)
        self._deadline = deadline
        self.damaged = 0
        self._last = -1
        self._closed = False
        self._reading = threading.Lock()
        self._container = self._open()
        self._stream = self._find_stream()
        self._format = VideoFormat(
            self._stream.codec_context.width, self._stream.codec_context.height, frame_rate(self._stream), CAMERA_COLOR
        )
        self._converter = CameraConverter()
        self._frames = self._iterate()

    @property
    def format(self) -> VideoFormat:
        return self._format

    @property
    def about(self) -> str:
        form = self._format
        codec = self._stream.codec_context.name
        return f"{self._input.label}, {form.width}x{form.height} {codec} {float(form.frame_rate):.4g} fps"

    def now(self) -> float:
        return time.monotonic()

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        self._closed = True
        self._release()

    def _release(self) -> None:
        """Close the connection, unless a thread is reading from it: that one does it then."""
        if self._reading.acquire(blocking=False):
            try:
                self._container.close()
            finally:
                self._reading.release()

    def _open(self) -> InputContainer:
        asked = self._input
        opening = max(self._deadline, _CONNECTING)
        try:
            container = av.open(
                asked.address, format=asked.format, options=dict(asked.options), timeout=(opening, self._deadline)
            )
        except (av.error.FFmpegError, OSError) as error:
            raise SourceError(
                f"the camera {asked.label} cannot be opened ({_why(error)}): see that it is on and its name or address right"
            ) from error
        return container

    def _find_stream(self) -> VideoStream:
        if not self._container.streams.video:
            self._container.close()
            raise SourceError(f"{self._input.label} has no video: give the address of a camera's video stream")
        stream = self._container.streams.video[0]
        width, height = stream.codec_context.width, stream.codec_context.height
        if width % 2 or height % 2 or not width * height:
            self._container.close()
            raise SourceError(
                f"the camera {self._input.label} gives {width}x{height}, where livebg needs an even size: set another there"
            )
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= Flags.low_delay
        return stream

    def _iterate(self) -> Iterator[Frame]:
        while not self._closed:
            pictures = self._read()
            for picture in pictures:
                if self._closed:
                    return
                yield self._frame(picture)

    def _read(self) -> list[Picture]:
        """The pictures of the next packets that give any; none once closed."""
        with self._reading:
            pictures = self._decode_until(time.monotonic() + self._deadline) if not self._closed else []
        if self._closed:
            self._release()
            return []
        return pictures

    def _decode_until(self, end: float) -> list[Picture]:
        try:
            for packet in self._container.demux(self._stream):
                if self._closed:
                    return []
                try:
                    images = packet.decode()
                except av.error.FFmpegError as error:
                    _log.debug("a packet of %s does not decode: %s", self._input.label, error)
                    self.damaged += 1
                    images = []
                if images:
                    arrived = round(time.monotonic() * 1_000_000)
                    return [Picture(image, _color(image), arrived) for image in images]
                if time.monotonic() > end:
                    break
        except (av.error.FFmpegError, OSError) as error:
            if self._closed:
                return []
            raise self._silent(_why(error)) from error
        if self._closed:
            return []
        raise self._silent(f"no picture for {self._deadline:.3g} s" if time.monotonic() > end else "it ended the stream")

    def _silent(self, why: str) -> SourceError:
        return SourceError(f"the camera {self._input.label} gives no more pictures ({why}): see that it is on and reachable")

    def _frame(self, picture: Picture) -> Frame:
        form = self._format
        if picture.size != (form.width, form.height):
            raise size_changed(self._input.label, picture, form)
        self._last = max(picture.pts, self._last + 1)
        return Frame(self._converter.convert(picture), self._last, MICROSECONDS, form.color)


def _input(url: str) -> Input:
    """An address as livebg asks for it, and without its user and password for people and logs."""
    parts = urlsplit(url)
    label = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
    # Lost UDP packets tear pictures; and what FFmpeg holds back to be on the safe side is all delay.
    options = {"fflags": "nobuffer"}
    if parts.scheme.lower().startswith("rtsp"):
        options["rtsp_transport"] = "tcp"
    return Input(url, label, options=options)


def _color(image: av.VideoFrame) -> ColorSpec:
    """As it is tagged; untagged pictures are BT.709 from 720 lines on and BT.601 below, as players take them."""
    guess = BT709 if image.height >= 720 and not image.format.name.startswith("yuvj") else BT601
    matrix = guess if image.colorspace == UNSPECIFIED else image.colorspace
    return ColorSpec(matrix, full_range=image.color_range == _FULL or image.format.name.startswith("yuvj"))


def _why(error: av.error.FFmpegError | OSError) -> str:
    return error.strerror or str(error)
