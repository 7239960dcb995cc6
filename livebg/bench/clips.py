"""Generates clips to measure with."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from livebg.compositing.composite import composite
from livebg.imaging.frame import BT709, ColorSpec, Frame, Matte, VideoFormat, planes, rgb_to_i420
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
