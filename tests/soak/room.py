"""The camera's picture in a soak: a bright person who walks back and forth in front of a room of unique patterns."""

from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Composite, planes
from tests.support.media import Clip, yuv_picture

SIZE: Final = (320, 180)
RATE: Final = Fraction(30)
_SECONDS: Final = 12
_GRID: Final = 4
_SHOWN: Final = 0.3
"""Share of the room's own pattern, in any of its sixteen parts, from which on it counts as shown. A blur leaves under 0.02."""
_GRAIN: Final = 0.5
"""Levels of contrast below which a part counts as blank."""


def room_luma() -> NDArray[np.uint8]:
    """(height, width): noise that is the same mirrored and upside down, so that it is detected in any orientation."""
    width, height = SIZE
    corner = np.random.default_rng(3).integers(20, 76, (height // 2, width // 2), np.uint8)
    half = np.concatenate([corner, corner[:, ::-1]], axis=1)
    return np.concatenate([half, half[::-1]])


def filmed_luma(number: int) -> NDArray[np.uint8]:
    """The picture ``number``: head and shoulders in levels of 200 to 235, moving, in front of the room."""
    width, height = SIZE
    middle = width / 2 + 60 * np.sin(2 * np.pi * number / (RATE * _SECONDS))
    rows, columns = np.mgrid[:height, :width]
    head = np.hypot((columns - middle) / 26, (rows - 70) / 34) < 1
    body = np.hypot((columns - middle) / 60, (rows - 180) / 80) < 1
    skin = 218 + 17 * np.sin((columns - middle) / 7) * np.cos(rows / 9)
    return np.where(head | body, skin, room_luma()).astype(np.uint8)


def write_clip(path: Path) -> Path:
    """The clip, which can be looped."""

    def picture(number: int, width: int, height: int) -> av.VideoFrame:
        gray = np.full((height // 2, width // 2), 128, np.uint8)
        return yuv_picture([filmed_luma(number), gray, gray], "yuv420p")

    options = {"preset": "ultrafast", "crf": "14", "g": "30"}
    return Clip(int(RATE * _SECONDS), *SIZE, rate=RATE, picture=picture, options=options).write(path)


class RoomDetector:
    """Detects whether the room, or a sixteenth of it, is in a picture unchanged."""

    def __init__(self) -> None:
        self._pattern = self._parts(room_luma())
        self._energy = (self._pattern**2).sum(axis=1)

    def share(self, luma: NDArray[np.uint8]) -> float:
        """The largest share of the room's pattern in any of its parts; 1 is the room itself.

        It counts no more than it makes up of what is there: the outline of a person resembles any pattern a little.
        """
        parts = self._parts(luma)
        found = np.abs(np.einsum("ij,ij->i", parts, self._pattern))
        there = np.sqrt(np.einsum("ij,ij->i", parts, parts) * self._energy) + _GRAIN * parts.shape[1]
        return float(np.minimum(found / self._energy, found / there).max())

    def sees(self, shown: Composite) -> bool:
        return self.shows(planes(shown.data)[0])

    def shows(self, luma: NDArray[np.uint8]) -> bool:
        return self.share(luma) > _SHOWN

    @staticmethod
    def _parts(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
        high, wide = luma.shape[0] // _GRID, luma.shape[1] // _GRID
        cut = luma.reshape(_GRID, high, _GRID, wide).transpose(0, 2, 1, 3).reshape(_GRID * _GRID, -1).astype(np.float32)
        return np.asarray(cut - cut.mean(axis=1, keepdims=True), np.float32)
