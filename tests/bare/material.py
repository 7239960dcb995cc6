"""The files that the README's examples name: talk.mp4, beach.jpg, holiday/ and others, made from a photo of an astronaut."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from livebg.demo.clips import package_folder
from tests.support.media import Clip, PictureMaker, flat

SIZE = 256
FACE = (slice(20, 60), slice(92, 126))
"""Rows and columns that contain only the person, in every frame."""
ROOM = (slice(40, 140), slice(195, 245))
"""Where there is none of her; a model of a rocket stands there, full of edges."""
BEACH = (230, 170, 40)
FRAMES, SECONDS = 42, Fraction(3)
"""Number of frames of talk.mp4 and the seconds between them."""
_MARGIN = 32

Pixels = NDArray[np.uint8]


def make_material(folder: Path) -> None:
    """Write it all into an existing folder; talk.mp4 has few frames, but lasts, since an example begins at 1:30."""
    portrait = _astronaut()[_MARGIN // 4 :, _MARGIN // 2 :][:SIZE, :SIZE]
    talk(FRAMES, 1 / SECONDS).write(folder / "talk.mp4")
    Clip(count=10, width=160, height=120, picture=flat(90, 200, 60)).write(folder / "waves.mp4")
    Image.new("RGB", (320, 200), BEACH).save(folder / "beach.jpg")
    Image.fromarray(portrait).save(folder / "me.jpg", quality=95)
    (folder / "rendered").mkdir()
    (folder / "holiday" / "first day").mkdir(parents=True)
    talk(3, Fraction(25)).write(folder / "holiday" / "boat.mkv")
    Image.fromarray(portrait).save(folder / "holiday" / "first day" / "me.png")


def make_mattes(folder: Path) -> None:
    """A matte to score: its edge moves by a column each frame, two behind the true matte and one behind the picture."""
    for name, column in (("matte.mkv", 28), ("true.mkv", 30), ("talk.mp4", 29)):
        Clip(count=20, picture=_half(column), codec="libx264" if name == "talk.mp4" else "ffv1").write(folder / name)
    for name, column in (("masks", 28), ("frames", 28), ("true", 30)):
        (folder / name).mkdir()
        for number in range(20):
            Image.fromarray(_half_luma(column + number, 64, 48)).save(folder / name / f"{number}.png")


def talk(count: int, rate: Fraction) -> Clip:
    """The person in front of flag and rocket, with a slightly swaying camera and with sound."""
    photo = _astronaut()

    def picture(number: int, width: int, height: int) -> av.VideoFrame:
        left, top = _MARGIN // 2 + round(_MARGIN / 4 * np.sin(number / 2)), _MARGIN // 4
        shot = np.ascontiguousarray(photo[top : top + height, left : left + width])
        return av.VideoFrame.from_ndarray(shot, format="rgb24").reformat(format="yuv420p")

    return Clip(count=count, width=SIZE, height=SIZE, rate=rate, audio="aac", picture=picture)


def _astronaut() -> Pixels:
    """RGB, shape (SIZE + 32, SIZE + 32, 3)."""
    package = package_folder("skimage")
    if package is None:
        pytest.skip("scikit-image, which has the photo, is not installed: it comes with the extra livebg[demo]")
    with Image.open(package / "data" / "astronaut.png") as photo:
        scaled = photo.convert("RGB").resize((SIZE + _MARGIN,) * 2, Image.Resampling.LANCZOS)
    return np.asarray(scaled, np.uint8)


def _half_luma(column: int, width: int, height: int) -> Pixels:
    pixels = np.zeros((height, width), np.uint8)
    pixels[:, :column] = 255
    return pixels


def _half(column: int) -> PictureMaker:
    """Left of ``column``, which moves on with each frame, white, black else."""

    def picture(number: int, width: int, height: int) -> av.VideoFrame:
        gray = av.VideoFrame.from_ndarray(_half_luma(column + number, width, height), format="gray")
        return gray.reformat(format="yuv420p")

    return picture


def difference(one: Pixels, other: Pixels) -> float:
    """The mean absolute difference in levels."""
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


def fineness(pixels: Pixels) -> float:
    """The mean difference of neighboring pixels, in levels, which blur reduces."""
    return float(np.abs(np.diff(pixels.astype(np.int16), axis=1)).mean())
