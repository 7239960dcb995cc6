"""Clips to measure with, where none is at hand."""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.compositing import composite
from livebg.frame import BT709, Alpha8, ColorSpec, Composite, Frame, Matte, VideoFormat, blank, planes
from livebg.sinks.codecs import Encoding
from livebg.sinks.file import FileSink


def write_clip(path: Path, frames: int = 150, size: tuple[int, int] = (1280, 720)) -> None:
    """A clip to measure with where none is at hand: a textured shape sways before a textured room, 30 frames a second."""
    video = VideoFormat(*size, Fraction(30), ColorSpec(BT709, BT709, BT709))
    with FileSink(path, video, Fraction(1, 30), encoding=Encoding()) as sink:
        for shown in _scene(frames, size, video.color):
            sink.send(shown)


def write_webcam_clip(path: Path, frames: int = 150, size: tuple[int, int] = (1280, 720)) -> None:
    """The same scene as a webcam sends it: motion JPEG, full range, 4:2:2, 30 frames a second, at 720p some 75 kB each.

    ``path`` ends in .mkv.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=30, options={"qmin": "8", "qmax": "8"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj422p"
        stream.codec_context.thread_count = 1
        for shown in _scene(frames, size, ColorSpec()):
            picture = av.VideoFrame.from_ndarray(shown.data, format="yuv420p")
            container.mux(stream.encode(picture.reformat(format="yuvj422p")))
        container.mux(stream.encode())


def _scene(frames: int, size: tuple[int, int], color: ColorSpec) -> Iterator[Composite]:
    """The person swaying before the room, 30 pictures a second."""
    rng = np.random.default_rng(7)
    person, room = _texture(rng, size, 150), _texture(rng, size, 90)
    for number in range(frames):
        frame = Frame(person, number, Fraction(1, 30), color)
        yield composite(frame, room, Matte(_swaying(number, size), frame.time, frame.time))


def _texture(rng: np.random.Generator, size: tuple[int, int], mean: int) -> NDArray[np.uint8]:
    """An I420 picture with detail at several scales, as a room has, and a little colour."""
    data = blank(*size)
    for plane, level, spread in zip(planes(data), (mean, 128, 128), (60, 20, 20), strict=True):
        height, width = plane.shape
        layers = [
            cv2.resize(rng.random((max(height // step, 1), max(width // step, 1)), np.float32), (width, height)) - 0.5
            for step in (4, 16, 64)
        ]
        plane[:] = np.clip(level + spread * sum(layers), 16, 235)
    return data


def _swaying(number: int, size: tuple[int, int]) -> Alpha8:
    width, height = size
    alpha = np.zeros((height, width), np.uint8)
    middle = width // 2 + round(width / 12 * math.sin(number / 15))
    cv2.ellipse(alpha, (middle, height // 3), (height // 7, height // 5), 0, 0, 360, 255, -1, cv2.LINE_AA)
    cv2.ellipse(alpha, (middle, height), (height // 3, height // 2), 0, 0, 360, 255, -1, cv2.LINE_AA)
    return alpha
