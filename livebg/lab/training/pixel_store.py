"""Stores prepared pictures on disk: one memory-mapped pixel file per set, without decoding at load time."""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""(h, w, 3) RGB, or (h, w, 4) RGB with straight alpha."""
Size = tuple[int, int]
"""Width, height."""

PIXELS, INDEX, WEIGHTS = "pixels.npy", "index.json", "weights.npy"


class Store:
    """A read-only sequence of named pictures. Safe to share between processes."""

    def __init__(self, folder: Path) -> None:
        """Open a store that ``write_store`` wrote to ``folder``. Raises FileNotFoundError if it does not exist."""
        self._pixels = np.load(folder / PIXELS, mmap_mode="r")
        entries = json.loads((folder / INDEX).read_text())
        self.names: list[str] = [name for name, _, _ in entries]
        self.chances: NDArray[np.float64] | None = np.load(folder / WEIGHTS) if (folder / WEIGHTS).exists() else None
        """Probability with which to draw each picture, (pictures,); None if they are equal."""
        self._entries: list[tuple[int, list[int]]] = [(start, shape) for _, start, shape in entries]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Picture:
        start, shape = self._entries[index]
        return np.asarray(self._pixels[start : start + math.prod(shape)]).reshape(shape)

    def items(self) -> Iterator[tuple[str, Picture]]:
        """Yield the pictures with their names."""
        return ((name, self[index]) for index, name in enumerate(self.names))


def write_store(folder: Path, pictures: Iterable[tuple[str, Picture]]) -> int:
    """Write named pictures to ``folder``, which is created if necessary. Returns the number of pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    entries: list[tuple[str, int, tuple[int, ...]]] = []
    chunks: list[Picture] = []
    start = 0
    for name, picture in pictures:
        entries.append((name, start, picture.shape))
        chunks.append(np.ascontiguousarray(picture).reshape(-1))
        start += picture.size
    np.save(folder / PIXELS, np.concatenate(chunks) if chunks else np.empty(0, np.uint8))
    (folder / INDEX).write_text(json.dumps(entries))
    return len(entries)


def write_weights(folder: Path, weights: NDArray[np.float64]) -> None:
    """Set the weights, (pictures,), with which to draw the pictures of a store."""
    np.save(folder / WEIGHTS, weights / weights.sum())
