"""Processes only the tiles that contain an edge: an outline crosses about a tenth of a picture."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SIDE: Final = 16
"""Side length of a tile in pixels."""

CHUNK: Final = 65536
"""Pixels processed at a time, about as many as one person's outline has: intermediate results stay in the cache, and large photos
need no more memory."""

Plane = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """A selection of tiles for pictures of one size: ``rows`` and ``columns`` are their upper left corners, ``side`` their
    (height, width).

    All are even. If the size is not a multiple of a tile, the last tile is moved inward and overlaps the one before. Extracted
    pixels have all tiles side by side, (height, tiles * width), so that they form a picture.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    side: tuple[int, int]

    def __len__(self) -> int:
        return len(self.rows)

    def chunks(self) -> "list[Tiles]":
        count = max(CHUNK // (self.side[0] * self.side[1]), 1)
        return [
            Tiles(self.rows[start : start + count], self.columns[start : start + count], self.side)
            for start in range(0, len(self), count)
        ]

    def of_chroma(self) -> "Tiles":
        """Return the same tiles on planes of half the width and height."""
        return Tiles(self.rows // 2, self.columns // 2, (self.side[0] // 2, self.side[1] // 2))

    def read(self, plane: Plane) -> Plane:
        """Extract the tiles from the plane. Returns a new array, (height, tiles * width)."""
        return self._windows_of(plane)[self.rows, self.columns].T.copy().view(np.uint8)

    def write(self, plane: Plane, values: Plane) -> None:
        """Write ``values``, in the layout of :meth:`read`, into the plane."""
        lines = self._windows_of(plane)
        lines[self.rows, self.columns] = values.view(lines.dtype).T

    def _windows_of(self, plane: Plane) -> NDArray[np.void]:
        """Return a view of all windows of a tile's size in the plane (C-contiguous), indexed by their upper left corner.

        A line is one item, which NumPy copies as a block: four times as fast as pixel by pixel.
        """
        (height, width), (down, across) = plane.shape, self.side
        shape = (height - down + 1, width - across + 1, down)
        return np.ndarray(shape, f"V{across}", plane, strides=(*plane.strides, plane.strides[0]))

    def widened(self) -> "Tiles":
        """Return the tiles with one more pixel on each side, for planes padded by one pixel."""
        return Tiles(self.rows, self.columns, (self.side[0] + 2, self.side[1] + 2))

    def trimmed(self, values: Numbers, margin: int) -> Numbers:
        """Remove a ``margin`` of pixels from each side of each tile. Returns (height, tiles * width)."""
        height, width = values.shape
        across, item = width // len(self), values.itemsize
        shape, kept = (height - 2 * margin, len(self)), f"V{(across - 2 * margin) * item}"
        lines: NDArray[np.void] = np.ndarray(
            shape, kept, values, offset=(width + 1) * margin * item, strides=(width * item, across * item)
        )
        return lines.copy().view(np.float32)

    def maps(self, shape: tuple[int, ...], small: tuple[int, ...], *, margin: int = 0) -> tuple[Numbers, Numbers]:
        """Map the tiles' pixels in a picture of ``shape`` to a picture of shape ``small`` with the same content, (height, width)
        first.

        Returns columns and rows for ``cv2.remap``, (height, tiles * width). ``margin`` is the padding on each side of the tiles'
        picture.
        """
        both = []
        for axis, starts in ((1, self.columns), (0, self.rows)):
            # A pixel that several tiles contain has the same place in each, to the last bit.
            pixels = starts[:, None] - margin + np.arange(self.side[axis])
            places = ((pixels + 0.5) * (small[axis] / shape[axis]) - 0.5).astype(np.float32)
            spread = np.empty((self.side[0], len(self), self.side[1]), np.float32)
            spread[:] = places[None] if axis else places.T[:, :, None]
            both.append(spread.reshape(self.side[0], -1))
        return both[0], both[1]


class Grid:
    """Divides pictures of one ``shape``, (height, width), both even, into tiles with the even side length ``side``."""

    def __init__(self, shape: tuple[int, ...], side: int = SIDE) -> None:
        self._shape = shape[0], shape[1]
        self._side = min(side, shape[0]), min(side, shape[1])
        self._tile_starts = [_tile_starts(length, side) for length, side in zip(shape, self._side, strict=True)]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of tiles (down, across)."""
        return len(self._tile_starts[0]), len(self._tile_starts[1])

    def where(self, flags: Flags) -> Tiles:
        """Return the flagged tiles; ``flags`` has the grid's shape."""
        down, across = np.nonzero(flags)
        return Tiles(self._tile_starts[0][down], self._tile_starts[1][across], self._side)

    def filled(self, flags: Flags) -> Plane:
        """Return a plane that is 255 in flagged tiles and 0 elsewhere."""
        down, across = self._side
        lines = (flags.view(np.uint8) * np.uint8(255)).repeat(across, axis=1)[:, : self._shape[1]]
        return lines.repeat(down, axis=0)[: self._shape[0]]

    def middles(self, small: tuple[int, ...]) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], tuple[int, int]]:
        """Locate the centers of the tiles in a picture of shape ``small``, (height, width), with the same content. Returns an
        index into it, and half a tile's size there, rounded up (down, across)."""
        scales = [few / many for few, many in zip(small, self._shape, strict=True)]
        down, across = (
            ((starts + side / 2) * scale).astype(np.intp)
            for starts, side, scale in zip(self._tile_starts, self._side, scales, strict=True)
        )
        half_down, half_across = (math.ceil(side / 2 * scale) for side, scale in zip(self._side, scales, strict=True))
        return (down[:, None], across[None, :]), (half_down, half_across)

    def mixed(self, plane: Plane) -> Tiles:
        """Return the tiles in which a plane is neither all 0 nor all 255."""
        (rows, columns), (down, across) = self.shape, self._side
        below, beside = rows * down - self._shape[0], columns * across - self._shape[1]
        if below or beside:
            plane = np.pad(plane, ((0, below), (0, beside)), mode="edge")
        # Compare as many pixels at a time as fit into one integer.
        word = np.dtype(f"u{math.gcd(across, 8)}")
        words = plane.view(word).reshape(rows, down, columns, -1)
        all_and, all_or = (each.reduce(each.reduce(words, axis=1), axis=2) for each in (np.bitwise_and, np.bitwise_or))
        return self.where((all_or > 0) & (all_and < np.iinfo(word).max))


def _tile_starts(length: int, side: int) -> NDArray[np.intp]:
    return np.minimum(np.arange(0, length, side), length - side)
