"""Contact sheets of the worst results: picture, ground truth, alpha and cut-out on magenta, side by side, the worst on top."""

import re
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

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
        self._kept: list[tuple[float, NDArray[np.uint8]]] = []

    def add(self, badness: float, name: str, rgb: Rgb, truth: Alpha | None, alpha: Alpha) -> None:
        """Add a picture with its caption ``name``. A higher ``badness`` is worse; ``truth`` is None if there is no ground truth.

        All arrays have the same height and width.
        """
        if self._path is not None and not np.isnan(badness):
            self._kept.append((badness, _strip(f"{name}  {badness:.4g}", rgb, truth, alpha)))
            self._kept.sort(key=lambda kept: kept[0], reverse=True)
            del self._kept[self._capacity :]

    def write(self) -> None:
        """Write the sheet as a PNG. Raises :class:`~livebg.errors.SinkError` if it cannot be written."""
        if self._path is None or not self._kept:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.concatenate([strip for _, strip in self._kept])).save(self._path)
        except OSError as error:
            raise SinkError(
                f"Cannot write {self._path} ({error.strerror or error}).", "Choose another folder for the sheets."
            ) from error


def _strip(caption: str, rgb: Rgb, truth: Alpha | None, alpha: Alpha) -> NDArray[np.uint8]:
    weight = alpha[..., None]
    on_magenta = np.rint(rgb * weight + _MAGENTA * (1 - weight))
    grays = [np.rint(each * 255) for each in (truth, alpha) if each is not None]
    strip = Image.new("RGB", (4 * _TILE_SIZE[0], _CAPTION_HEIGHT + _TILE_SIZE[1]))
    ImageDraw.Draw(strip).text((4, 2), caption)
    for column, picture in enumerate((rgb, *grays, on_magenta)):
        tile = ImageOps.pad(Image.fromarray(picture.astype(np.uint8)), _TILE_SIZE, color="#282828")
        strip.paste(tile, (column * _TILE_SIZE[0], _CAPTION_HEIGHT))
    return np.asarray(strip)
