"""Test clips, made at run time: every frame carries its number in twelve luma blocks that survive any codec."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

STAMP_BITS = 12
_COLUMNS, _ROWS = 4, 3
_SOUND_RATE = 48_000

FAST = {"preset": "ultrafast"}
"""The options of x264 where the size of the file does not matter."""

PictureMaker = Callable[[int, int, int], av.VideoFrame]
"""From a frame's number, width and height to its picture."""


def stamped(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """Luma, uint8, shape (height, width), that carries ``number`` (below 4096) in 4x3 blocks of 50 or 200."""
    bits = [200 if number >> bit & 1 else 50 for bit in range(STAMP_BITS)]
    grid = np.array(bits, np.uint8).reshape(_ROWS, _COLUMNS)
    rows = np.arange(height) * _ROWS // height
    columns = np.arange(width) * _COLUMNS // width
    return grid[rows][:, columns]


def read_stamp(luma: NDArray[np.uint8]) -> int:
    """The number that :func:`stamped` put into a picture, from its luma at any size."""
    height, width = luma.shape
    number = 0
    for bit in range(STAMP_BITS):
        row, column = divmod(bit, _COLUMNS)
        number |= int(luma[(2 * row + 1) * height // (2 * _ROWS), (2 * column + 1) * width // (2 * _COLUMNS)] > 125) << bit
    return number


def yuv_picture(planes: Sequence[NDArray[np.generic]], pix_fmt: str) -> av.VideoFrame:
    """A picture in any planar format from its planes, 8-bit or 10-bit little-endian."""
    height, width = planes[0].shape
    picture = av.VideoFrame(width, height, pix_fmt)
    for plane, target in zip(planes, picture.planes, strict=True):
        rows = np.zeros((target.height, target.line_size), np.uint8)
        payload = np.ascontiguousarray(plane).view(np.uint8)
        rows[:, : payload.shape[1]] = payload
        target.update(rows.tobytes())
    return picture


def stamped_picture(number: int, width: int, height: int) -> av.VideoFrame:
    """The stamp in yuv420p with constant gray chroma."""
    chroma = np.full(((height + 1) // 2, (width + 1) // 2), 128, np.uint8)
    return yuv_picture([stamped(number, width, height), chroma, chroma], "yuv420p")


def flat(luma: int, blue: int = 128, red: int = 128, pix_fmt: str = "yuv420p") -> PictureMaker:
    """Pictures of one color in an 8- or 10-bit 4:2:0 format."""
    kind = np.uint16 if "10" in pix_fmt else np.uint8

    def picture(_number: int, width: int, height: int) -> av.VideoFrame:
        chroma = ((height + 1) // 2, (width + 1) // 2)
        return yuv_picture(
            [np.full((height, width), luma, kind), np.full(chroma, blue, kind), np.full(chroma, red, kind)], pix_fmt
        )

    return picture


@dataclass(frozen=True)
class Clip:
    """The properties of a test clip; the container depends on the file name.

    ``pts`` are ticks of ``time_base``, one a frame, from 0 at ``rate`` when left out; ``display`` is (counter-clockwise
    degrees, horizontal flip, vertical flip) for the display matrix.
    """

    count: int = 30
    width: int = 64
    height: int = 48
    rate: Fraction = Fraction(25)
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    picture: PictureMaker = stamped_picture
    pts: Sequence[int] | None = None
    time_base: Fraction | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)
    display: tuple[int, bool, bool] | None = None
    color: tuple[int, int, int, int] | None = None
    """Matrix, primaries, transfer (H.273) and range (1 limited, 2 full)."""
    sample_aspect_ratio: Fraction | None = None
    audio: str | None = None
    """The codec of a stereo tone of the video's duration, muxed before it."""
    metadata: Mapping[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        """Write the clip and return ``path``."""
        with av.open(str(path), "w", container_options=dict(self.container_options)) as container:
            container.metadata.update(self.metadata)
            sound = container.add_stream(self.audio, rate=_SOUND_RATE) if self.audio else None
            video = self._add_video(container)
            if isinstance(sound, AudioStream):
                _write_tone(container, sound, float(self.count / self.rate))
            for number in range(self.count):
                container.mux(video.encode(self._frame(number)))
            container.mux(video.encode())
        return path

    def _add_video(self, container: OutputContainer) -> VideoStream:
        stream = container.add_stream(self.codec, rate=self.rate, options=dict(self.options))
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = self.width, self.height, self.pix_fmt
        context.time_base = self.time_base or 1 / self.rate
        if self.color:
            context.colorspace, context.color_primaries, context.color_trc, context.color_range = self.color
        if self.sample_aspect_ratio:
            context.sample_aspect_ratio = self.sample_aspect_ratio
        if self.display:
            stream.set_display_rotation(*self.display)
        return stream

    def _frame(self, number: int) -> av.VideoFrame:
        frame = self.picture(number, self.width, self.height)
        frame.pts = number if self.pts is None else self.pts[number]
        frame.time_base = self.time_base or 1 / self.rate
        if self.color:
            frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range = self.color
        return frame


def _write_tone(container: OutputContainer, stream: AudioStream, seconds: float) -> None:
    wave = np.sin(np.arange(int(seconds * _SOUND_RATE)) * 2 * np.pi * 440 / _SOUND_RATE).astype(np.float32) * 0.2
    for begin in range(0, len(wave), 960):
        block = np.stack([wave[begin : begin + 960]] * 2)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = _SOUND_RATE, begin, Fraction(1, _SOUND_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def write_sound(path: Path, codec: str, seconds: float = 1.0) -> Path:
    """A file with a tone and no video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=_SOUND_RATE)
        assert isinstance(stream, AudioStream)
        _write_tone(container, stream, seconds)
    return path
