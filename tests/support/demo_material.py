"""A small demo: a photo of two halves, six frames of it, and its colors."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.demo import Demo, Material, make_demo
from livebg.interfaces import Segmenter
from tests.support.pipeline_fakes import LumaSegmenter

FRAMES = 6
DARK, BRIGHT = (30, 20, 25), (250, 235, 225)
GREEN, WHITE, BLACK = (0, 255, 0), (255, 255, 255), (0, 0, 0)


def no_progress(what: str, done: int, total: int) -> None:
    """Ignore progress."""


def write_photo(path: Path) -> Path:
    """Write a photo, dark on the left, bright on the right: the luma segmenter detects the right half as the person."""
    pixels = np.empty((256, 256, 3), np.uint8)
    pixels[:, :128], pixels[:, 128:] = DARK, BRIGHT
    Image.fromarray(pixels).save(path)
    return path


def make(
    folder: Path,
    material: Material,
    segmenter: Segmenter | None = None,
    progress: Callable[[str, int, int], None] = no_progress,
    overwrite: bool = False,
) -> Demo:
    return make_demo(
        folder,
        material,
        Settings(),
        segmenter or LumaSegmenter(),
        Consent("a test"),
        progress=progress,
        overwrite=overwrite,
        frames=FRAMES,
    )


def close_to(pixels: NDArray[np.uint8], color: tuple[int, int, int], levels: int = 8) -> bool:
    """Returns whether the mean color is within ``levels`` of ``color``."""
    return bool(np.abs(pixels.reshape(-1, 3).mean(axis=0) - color).max() <= levels)
