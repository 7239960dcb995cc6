"""Contact sheets of the worst results: picture, ground truth, alpha and cut-out on magenta, side by side, the worst on top."""

import heapq
import re
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from livebg.errors import SinkError
from livebg.imaging.frame import Alpha
from livebg.lab.evaluation.networks import Rgb

_TILE_SIZE: Final = (224, 168)
_CAPTION_HEIGHT: Final = 16
_MAX_TILES: Final = 24
_MAGENTA: Final = np.array([255, 0, 255], np.float32)


class ContactSheet:
    """Collects the ``most`` worst pictures of a set, and writes them as a sheet to ``folder`` if there is one."""

    def __init__(self, folder: Path | None, name: str, most: int) -> None:
        stem = re.sub(r"[^\w.-]+", "-", name).strip("-")
        self._path = folder / f"{stem}.png" if folder else None
        self._capacity = min(most, _MAX_TILES)
        self._kept: list[tuple[float, int, NDArray[np.uint8]]] = []
        self._count = 0

    def add(self, badness: float, name: str, rgb: Rgb, truth: Alpha | None, alpha: Alpha) -> None:
        """Add a picture with its caption ``name``. A higher ``badness`` is worse; ``truth`` is None if there is no ground truth.

        All arrays have the same height and width.
        """
        self._count += 1
        full = len(self._kept) == self._capacity
        if self._path is None or np.isnan(badness) or (full and badness <= self._kept[0][0]):
            return
        strip = _strip(f"{name}  {badness:.4g}", rgb, truth, alpha)
        (heapq.heappushpop if full else heapq.heappush)(self._kept, (badness, -self._count, strip))

    def write(self) -> None:
        """Write the sheet as a PNG. Raises :class:`~livebg.errors.SinkError` if it cannot be written."""
        if self._path is None or not self._kept:
            return
        sheet = np.concatenate([strip for _, _, strip in sorted(self._kept, key=lambda kept: kept[:2], reverse=True)])
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(sheet).save(self._path)
        except OSError as error:
            raise SinkError(
                f"Cannot write {self._path} ({error.strerror or error}).", "Choose another folder for the sheets."
            ) from error


def _strip(caption: str, rgb: Rgb, truth: Alpha | None, alpha: Alpha) -> NDArray[np.uint8]:
    weight = alpha[..., None]
    on_magenta = np.rint(rgb * weight + _MAGENTA * (1 - weight)).astype(np.uint8)
    tiles = [_tile(picture) for picture in (rgb, _gray(truth), _gray(alpha), on_magenta) if picture is not None]
    row = np.concatenate([*tiles, *[np.zeros_like(tiles[0])] * (4 - len(tiles))], axis=1)
    title = np.zeros((_CAPTION_HEIGHT, row.shape[1], 3), np.uint8)
    cv2.putText(title, caption, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate([title, row])


def _gray(alpha: Alpha | None) -> NDArray[np.uint8] | None:
    return None if alpha is None else np.repeat(np.rint(alpha * 255).astype(np.uint8)[..., None], 3, axis=2)


def _tile(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fit the whole picture into the center of a tile."""
    height, width = picture.shape[:2]
    scale = min(_TILE_SIZE[0] / width, _TILE_SIZE[1] / height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    tile = np.full((_TILE_SIZE[1], _TILE_SIZE[0], 3), 40, np.uint8)
    left, top = (_TILE_SIZE[0] - size[0]) // 2, (_TILE_SIZE[1] - size[1]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    return tile
