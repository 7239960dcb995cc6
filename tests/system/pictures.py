"""Classify the camera's pictures on the host: livebg's own pictures, or pictures with parts of the room."""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from livebg.compositing.placeholder import draw_placeholder
from livebg.imaging.frame import BT601, ColorSpec
from tests.system.network import COLUMNS, ROWS, SIZE

Kind = Literal["placeholder", "composite", "torn", "leak"]
"""Torn: a part of one and the rest of the other. A reader that is slow finds its buffer overwritten while it looks."""
Plane = NDArray[np.uint8]
COLOR: Final = ColorSpec(BT601, BT601, BT601)
"""What readers of a virtual camera assume."""
ROOM: Final = (32, 64, 96)
"""The color that livebg shows in place of the room: red, green, blue."""
LEVELS: Final = 4
"""The tolerance of a picture, in levels."""
BARS: Final = ((191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191), (0, 0, 0))
"""The test camera's picture, from left to right: the standard's bars of 75 %."""
_EDGE: Final = 24 / 180
"""How far from the person's outline, as a share of the height, a pixel belongs to one side for certain."""
_STEP: Final = 8
"""Levels between two neighbors that a blurred room stays below; the camera's bars are 18 or more apart."""
_TORN_ROWS: Final = 2
"""Rows in which a blurred picture may go over into another."""
_FALL: Final = 40
"""By how many levels the room's left edge is brighter than its right one, blurred or not."""
_GRAIN: Final = 2
"""Levels by which the placeholder may be another where the processor rounds otherwise."""
_HEADER: Final = struct.Struct("<dII")


def expected(rgb: tuple[int, int, int], height: int) -> tuple[int, int, int]:
    """A color as Y, U and V of limited-range BT.601."""
    y, u, v = np.rint(COLOR.rgb_to_yuv(height) @ np.array([*rgb, 1.0])).astype(int).tolist()
    return y, u, v


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the picture, in its planes."""

    luma: tuple[slice, slice]
    chroma: tuple[slice, slice]


def person(width: int, height: int) -> Region:
    """Where every pixel is the person's for certain."""
    edge = _EDGE * height
    top, bottom = ROWS.start * height / SIZE[1] + edge, ROWS.stop * height / SIZE[1] - edge
    left, right = COLUMNS.start * width / SIZE[0] + edge, COLUMNS.stop * width / SIZE[0] - edge
    chroma = slice(-int(-top // 2), int(bottom // 2)), slice(-int(-left // 2), int(right // 2))
    rows, columns = (slice(part.start * 2, part.stop * 2) for part in chroma)
    return Region((rows, columns), chroma)


def room_mask(width: int, height: int, scale: int) -> NDArray[np.bool_]:
    """Where every pixel is the room's for certain, in a plane that is ``scale`` times smaller."""
    edge = _EDGE * height
    top, bottom = ROWS.start * height / SIZE[1] - edge, ROWS.stop * height / SIZE[1] + edge
    left, right = COLUMNS.start * width / SIZE[0] - edge, COLUMNS.stop * width / SIZE[0] + edge
    mask = np.ones((height // scale, width // scale), np.bool_)
    mask[max(0, int(top // scale)) : -int(-bottom // scale), int(left // scale) : -int(-right // scale)] = False
    return mask


def planes(data: NDArray[Any], width: int, height: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Y, U and V of I420."""
    luma, half = width * height, width * height // 4
    u, v = data[luma : luma + half], data[luma + half : luma + 2 * half]
    return data[:luma].reshape(height, width), u.reshape(height // 2, width // 2), v.reshape(height // 2, width // 2)


class PictureClassifier:
    """Distinguishes livebg's pictures of one size from all others."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._calm = draw_placeholder(width, height, COLOR).ravel().astype(int)
        self._luma, self._chroma = room_mask(width, height, 1), room_mask(width, height, 2)
        self._room = expected(ROOM, height)

    def kind(self, data: Plane) -> Kind:
        """A leak is any picture that is neither the placeholder nor has the room hidden."""
        if data.size != self._calm.size:
            return "leak"
        if np.abs(data - self._calm).max() <= _GRAIN:
            return "placeholder"
        if self._is_coloured(data) or self._is_blurred(data):
            return "composite"
        return "torn" if self._is_coloured(data, torn=True) else "leak"

    def _is_coloured(self, data: Plane, *, torn: bool = False) -> bool:
        """Whether all of the room has the selected color; ``torn``: or is the placeholder."""
        masks = (self._luma, self._chroma, self._chroma)
        both = zip(
            planes(data, self.width, self.height), planes(self._calm, self.width, self.height), masks, self._room, strict=True
        )
        for plane, calm, mask, level in both:
            found = plane[mask].astype(int)
            hidden = np.abs(found - level) <= LEVELS
            if torn:
                hidden |= np.abs(found - calm[mask]) <= _GRAIN
            if not hidden.all():
                return False
        return True

    def _is_blurred(self, data: Plane) -> bool:
        """The bars, from bright on the left to dark on the right, without their edges."""
        luma = planes(data, self.width, self.height)[0].astype(int)
        both = self._luma[:, 1:] & self._luma[:, :-1]
        steps = np.abs(np.diff(luma, axis=1)) * both
        fall = luma[:, 0].mean() - luma[:, -1].mean()
        return bool((steps.max(axis=1) > _STEP).sum() <= _TORN_ROWS and fall >= _FALL)


@dataclass(frozen=True, slots=True)
class ReceivedPicture:
    """A reader's picture: its time on the guest's clock, its number, its kind, and its bytes."""

    time: float
    number: int
    kind: Kind
    data: Plane


class Recording:
    """The pictures of a recorder so far; ``width`` and ``height`` are the device's."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        form = json.loads(self._file.readline())
        self.width, self.height, self.pixel_format = form["width"], form["height"], form["pixel_format"]
        self._judge = PictureClassifier(self.width, self.height)
        self._shown: list[ReceivedPicture] = []

    def pictures(self) -> list[ReceivedPicture]:
        """All that came until now."""
        self._shown.extend(self._new())
        return self._shown

    def close(self) -> None:
        self._file.close()

    def _new(self) -> Iterator[ReceivedPicture]:
        while True:
            start = self._file.tell()
            header = self._file.read(_HEADER.size)
            if len(header) < _HEADER.size:
                self._file.seek(start)
                return
            time, number, length = _HEADER.unpack(header)
            data = self._file.read(length)
            if len(data) < length:
                self._file.seek(start)
                return
            if length:
                picture = np.frombuffer(data, np.uint8)
                yield ReceivedPicture(time, number, self._judge.kind(picture), picture)
            else:
                yield ReceivedPicture(time, number, self._shown[-1].kind, self._shown[-1].data)
