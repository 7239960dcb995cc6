"""Network cameras, read by FFmpeg."""

import logging
import threading
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import av
from av.codec.context import Flags
from av.container import InputContainer
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from livebg.errors import SourceError
from livebg.imaging.frame import BT601, BT709, UNSPECIFIED, ColorSpec, Frame, VideoFormat
from livebg.interfaces import LiveSource
from livebg.sources.camera_decoding import CAMERA_COLOR, CameraConverter, CameraPicture, PlaneReader
from livebg.sources.decoder import frame_rate

_LOG: Final = logging.getLogger(__name__)
_SCHEMES: Final = frozenset({"http", "https", "rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp"})
_MIN_CONNECT_TIMEOUT_S: Final = 5.0
"""The least time to allow for opening: a network camera negotiates and waits for a key frame."""


def is_url(name: str) -> bool:
    """Return whether ``name`` is the URL of a network camera."""
    scheme, separator, _ = name.strip().partition("://")
    return bool(separator) and scheme.lower() in _SCHEMES


def public_url(url: str) -> str:
    """Return ``url`` without user, password and query. Raises :class:`~livebg.errors.SourceError` for a malformed one."""
    try:
        parts = urlsplit(url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
    except ValueError as error:
        raise SourceError(f"The URL of the camera is malformed ({error}).", "Write it as rtsp://HOST/PATH.") from None


class FFmpegCamera(LiveSource):
    """The camera at a URL, at its own size and rate.

    Frames are limited-range BT.601 I420. Their time is the arrival time in microseconds of the monotonic clock, since the delay
    of the network is unknown. ``damaged`` counts pictures that did not decode.

    FFmpeg waits with its own timeout: ``close`` from another thread ends the iteration at the next picture, at the latest after
    ``deadline`` seconds, and the reading thread then releases the connection. Raises :class:`~livebg.errors.SourceError` if the
    camera cannot be opened, if no picture arrives within ``deadline`` seconds, and if the picture size changes.
    """

    def __init__(self, url: str, *, deadline: float = 2.0) -> None:
        self._label = public_url(url)
        self._deadline = deadline
        self.damaged = 0
        self._closed = False
        self._reading = threading.Lock()
        self._container = self._open(url)
        self._stream = self._find_stream()
        self._format = VideoFormat(
            self._stream.codec_context.width, self._stream.codec_context.height, frame_rate(self._stream), CAMERA_COLOR
        )
        self._planes, self._converter = PlaneReader(), CameraConverter(self._label, self._format)
        self._frames = self._iterate()

    @property
    def format(self) -> VideoFormat:
        return self._format

    @property
    def name(self) -> str:
        return self._label

    @property
    def mode(self) -> str:
        form = self._format
        return f"{form.width}x{form.height} {self._stream.codec_context.name} {float(form.frame_rate):.4g} fps"

    def now(self) -> float:
        return time.monotonic()

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        self._closed = True
        self._release()

    def _release(self) -> None:
        """Close the connection. If another thread is reading, that thread closes it later."""
        if self._reading.acquire(blocking=False):
            try:
                self._container.close()
            finally:
                self._reading.release()

    def _open(self, url: str) -> InputContainer:
        # Lost UDP packets tear pictures, and FFmpeg's input buffer adds delay.
        options = {"fflags": "nobuffer"} | ({"rtsp_transport": "tcp"} if url.lower().startswith("rtsp") else {})
        try:
            return av.open(url, options=options, timeout=(max(self._deadline, _MIN_CONNECT_TIMEOUT_S), self._deadline))
        except (av.error.FFmpegError, OSError) as error:
            raise SourceError(
                f"The camera {self._label} cannot be opened ({_reason(error)}).",
                "Check that it is on and that its name or address is right.",
            ) from error

    def _find_stream(self) -> VideoStream:
        if not self._container.streams.video:
            self._container.close()
            raise SourceError(f"{self._label} has no video.", "Give the URL of a camera's video stream.")
        stream = self._container.streams.video[0]
        width, height = stream.codec_context.width, stream.codec_context.height
        if width % 2 or height % 2 or not width * height:
            self._container.close()
            raise SourceError(
                f"The camera {self._label} delivers {width}x{height}, but livebg needs an even size.",
                "Set another size on the camera.",
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
                yield self._converter.frame(picture)

    def _read(self) -> list[CameraPicture]:
        """Return the pictures of the next packets that hold any; none if closed."""
        with self._reading:
            pictures = self._decode_until(time.monotonic() + self._deadline) if not self._closed else []
        if self._closed:
            self._release()
            return []
        return pictures

    def _decode_until(self, end: float) -> list[CameraPicture]:
        try:
            for packet in self._container.demux(self._stream):
                if self._closed:
                    return []
                try:
                    images = packet.decode()
                except av.error.FFmpegError as error:
                    _LOG.debug("Cannot decode a packet from %s: %s", self._label, error)
                    self.damaged += 1
                    images = []
                if images:
                    arrived = round(time.monotonic() * 1_000_000)
                    return [self._planes.picture(image, _color(image), arrived) for image in images]
                if time.monotonic() > end:
                    break
        except (av.error.FFmpegError, OSError) as error:
            if self._closed:
                return []
            raise self._end_error(_reason(error)) from error
        if self._closed:
            return []
        raise self._end_error(f"no picture for {self._deadline:.3g} s" if time.monotonic() > end else "the stream ended")

    def _end_error(self, reason: str) -> SourceError:
        return SourceError(
            f"The camera {self._label} delivers no more pictures ({reason}).", "Check that it is on and reachable."
        )


def _color(image: av.VideoFrame) -> ColorSpec:
    """Return the tagged color; as in players, untagged pictures are BT.709 from 720 lines up and BT.601 below."""
    guess = BT709 if image.height >= 720 and not image.format.name.startswith("yuvj") else BT601
    matrix = guess if image.colorspace == UNSPECIFIED else image.colorspace
    return ColorSpec(matrix, full_range=image.color_range == ColorRange.JPEG or image.format.name.startswith("yuvj"))


def _reason(error: av.error.FFmpegError | OSError) -> str:
    return error.strerror or str(error)
