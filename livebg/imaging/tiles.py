"""The parts of a picture where something is to be done: an outline touches a tenth of it, and only that tenth is paid for."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SIDE: Final = 16
"""Pixels of a tile, each way."""

CHUNK: Final = 65536
"""Pixels that are worked on at a time, about as many as one person's outline has: what lies between stays in the cache, and a
large photo takes no more memory."""

Plane = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """Some tiles of pictures of one size: ``rows`` and ``columns`` say where each begins, and ``side``
    how far it goes, (height, width).

    All are even. Where the size is no multiple of a tile the last one lies further in, over a part of the one before. What is
    taken out of a picture has all tiles beside each other, (height, tiles * width), and so is a picture itself.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    side: tuple[int, int]

    def __len__(self) -> int:
        return len(self.rows)

    def chunks(self) -> "list[Tiles]":
        many = max(CHUNK // (self.side[0] * self.side[1]), 1)
        return [
            Tiles(self.rows[start : start + many], self.columns[start : start + many], self.side)
            for start in range(0, len(self), many)
        ]

    def of_chroma(self) -> "Tiles":
        """The same tiles on planes of half the width and height."""
        return Tiles(self.rows // 2, self.columns // 2, (self.side[0] // 2, self.side[1] // 2))

    def read(self, plane: Plane) -> Plane:
        """What the plane holds there: a new array, (height, tiles * width)."""
        return self._lines_of(plane)[self.rows, self.columns].T.copy().view(np.uint8)

    def write(self, plane: Plane, values: Plane) -> None:
        """Put ``values``, as :meth:`read` gives them, into the plane."""
        lines = self._lines_of(plane)
        lines[self.rows, self.columns] = values.view(lines.dtype).T

    def _lines_of(self, plane: Plane) -> NDArray[np.void]:
        """The lines of every window of a tile's size that the plane, which is C-contiguous, has, by where the window begins.

        A line is one item, which NumPy copies as it is: four times as fast as pixel by pixel.
        """
        (height, width), (down, across) = plane.shape, self.side
        shape = (height - down + 1, width - across + 1, down)
        return np.ndarray(shape, f"V{across}", plane, strides=(*plane.strides, plane.strides[0]))

    def widened(self) -> "Tiles":
        """The same tiles with a pixel more on each side, in planes that have got a margin of one pixel themselves."""
        return Tiles(self.rows, self.columns, (self.side[0] + 2, self.side[1] + 2))

    def trimmed(self, values: Numbers, margin: int) -> Numbers:
        """What lies inside a ``margin`` of so many pixels that each tile has got on each side, (height, tiles * width)."""
        height, width = values.shape
        across, item = width // len(self), values.itemsize
        shape, kept = (height - 2 * margin, len(self)), f"V{(across - 2 * margin) * item}"
        lines: NDArray[np.void] = np.ndarray(
            shape, kept, values, offset=(width + 1) * margin * item, strides=(width * item, across * item)
        )
        return lines.copy().view(np.float32)

    def maps(self, shape: tuple[int, ...], small: tuple[int, ...], *, margin: int = 0) -> tuple[Numbers, Numbers]:
        """Where each pixel lies in a picture of shape ``small`` that shows the same as one of ``shape``, (height, width) first.

        Columns and rows for ``cv2.remap``, (height, tiles * width). ``margin`` is what the tiles' picture has got on each side.
        """
        both = []
        for axis, starts in ((1, self.columns), (0, self.rows)):
            scale = small[axis] / shape[axis]
            begin, step = ((starts - margin + 0.5) * scale - 0.5).astype(np.float32), np.arange(self.side[axis], dtype=np.float32)
            step *= np.float32(scale)
            spread = np.empty((self.side[0], len(self), self.side[1]), np.float32)
            spread[:] = begin[None, :, None] + (step[None, None, :] if axis else step[:, None, None])
            both.append(spread.reshape(self.side[0], -1))
        return both[0], both[1]


class Grid:
    """The tiles that pictures of one ``shape``, (height, width), both even, are cut into; ``side`` is a tile's, even."""

    def __init__(self, shape: tuple[int, ...], side: int = SIDE) -> None:
        self._shape = shape[0], shape[1]
        self._side = min(side, shape[0]), min(side, shape[1])
        self._starts = [_starts(length, side) for length, side in zip(shape, self._side, strict=True)]

    @property
    def shape(self) -> tuple[int, int]:
        """Tiles (down, across)."""
        return len(self._starts[0]), len(self._starts[1])

    def where(self, flags: Flags) -> Tiles:
        """The tiles that are flagged; ``flags`` has the grid's shape."""
        down, across = np.nonzero(flags)
        return Tiles(self._starts[0][down], self._starts[1][across], self._side)

    def filled(self, flags: Flags) -> Plane:
        """A plane that is 255 in the tiles that are flagged, 0 elsewhere."""
        down, across = self._side
        lines = (flags.view(np.uint8) * np.uint8(255)).repeat(across, axis=1)[:, : self._shape[1]]
        return lines.repeat(down, axis=0)[: self._shape[0]]

    def middles(self, small: tuple[int, ...]) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], tuple[int, int]]:
        """Where the tiles' middles lie in a picture of shape ``small``, (height, width), that shows the same: what takes them out
        of it; and half of a tile there, rounded up (down, across)."""
        scales = [few / many for few, many in zip(small, self._shape, strict=True)]
        down, across = (
            ((starts + side / 2) * scale).astype(np.intp)
            for starts, side, scale in zip(self._starts, self._side, scales, strict=True)
        )
        half_down, half_across = (math.ceil(side / 2 * scale) for side, scale in zip(self._side, scales, strict=True))
        return (down[:, None], across[None, :]), (half_down, half_across)

    def mixed(self, plane: Plane) -> Tiles:
        """The tiles where a plane is neither 0 all over nor 255."""
        (rows, columns), (down, across) = self.shape, self._side
        below, beside = rows * down - self._shape[0], columns * across - self._shape[1]
        if below or beside:
            plane = np.pad(plane, ((0, below), (0, beside)), mode="edge")
        # As many pixels as fit into one number are looked at together.
        word = np.dtype(f"u{math.gcd(across, 8)}")
        words = plane.view(word).reshape(rows, down, columns, -1)
        least, most = (each.reduce(each.reduce(words, axis=1), axis=2) for each in (np.bitwise_and, np.bitwise_or))
        return self.where((most > 0) & (least < np.iinfo(word).max))


def _starts(length: int, side: int) -> NDArray[np.intp]:
    return np.minimum(np.arange(0, length, side), length - side)
