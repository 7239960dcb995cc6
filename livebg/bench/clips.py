"""Generates clips to measure with."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np

from livebg.compositing.composite import composite
from livebg.imaging.frame import BT709, ColorSpec, Composite, Frame, Matte, VideoFormat, planes, rgb_to_i420
from livebg.sinks.codecs import Encoding
from livebg.sinks.file import FileSink
from livebg.synthetic import MOTIONS, Actor, blob_person, clip, procedural_room

_SEED: Final = 7
_NOISE_SIGMA: Final = 1.0
"""Standard deviation of a camera's luma noise, in levels of 255."""
_NOISE_FRAMES: Final = 7
"""Number of pictures after which the noise repeats."""


def write_clip(path: Path, frames: int = 150, size: tuple[int, int] = (1280, 720)) -> None:
    """Write a synthetic clip: a drawn person swaying in front of a room, 30 frames per second."""
    video = VideoFormat(*size, Fraction(30), ColorSpec(BT709, BT709, BT709))
    with FileSink(path, video, Fraction(1, 30), encoding=Encoding()) as sink:
        for shown in _scene(frames, size, video.color):
            sink.send(shown)


def write_webcam_clip(path: Path, frames: int = 150, size: tuple[int, int] = (1280, 720)) -> None:
    """Write the same scene in a webcam's format: motion JPEG, full range, 4:2:2, 30 frames per second, at 720p about 70 kB each.

    ``path`` ends in .mkv.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=30, options={"qmin": "4", "qmax": "4"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj422p"
        stream.codec_context.thread_count = 1
        for shown in _scene(frames, size, ColorSpec()):
            picture = av.VideoFrame.from_ndarray(shown.data, format="yuv420p")
            container.mux(stream.encode(picture.reformat(format="yuvj422p")))
        container.mux(stream.encode())


def _scene(frames: int, size: tuple[int, int], color: ColorSpec) -> Iterator[Composite]:
    """Yields a person swaying in front of a room, 30 frames per second, with camera noise."""
    rng = np.random.default_rng(_SEED)
    noise = rng.normal(0, _NOISE_SIGMA, (_NOISE_FRAMES, *size[::-1])).astype(np.float32)
    everything = np.full(size[::-1], 255, np.uint8)
    person, room = Actor([blob_person(_SEED)]), procedural_room(_SEED, size)
    for number, moment in enumerate(clip(MOTIONS["slow"], [person], room, size, frames=frames, seed=_SEED)):
        data = rgb_to_i420(moment.rgb, color)
        luma = planes(data)[0]
        luma[:] = np.clip(luma + noise[number % _NOISE_FRAMES], 16, 235)
        frame = Frame(data, number, Fraction(1, 30), color)
        yield composite(frame, data, Matte(everything, frame.time, frame.time))
