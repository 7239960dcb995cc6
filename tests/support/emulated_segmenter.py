"""``python -m tests.support.emulated_segmenter PICTURES.npz ALPHAS.npz``: the bundled network's alpha for each picture of a file.

A separate program, so that it can run on another CPU model, emulated by qemu-user.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livebg.models import find
from livebg.segmentation.u2net import U2NetSegmenter

NAME = "livebg-u2"
SIZE = (128, 80)
"""(width, height) of the pictures, small because emulation is slow."""


def alphas_of(pictures: Mapping[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.float32]]:
    """Returns the bundled network's alphas, shape (height, width), for RGB pictures of :data:`SIZE`."""
    located = find(NAME)
    segmenter = U2NetSegmenter(located.path, located.card, provider="cpu", input_size=SIZE)
    return {name: segmenter.segment(image) for name, image in pictures.items()}


def main(pictures: Path, alphas: Path) -> None:
    with np.load(pictures) as images:
        np.savez(alphas, allow_pickle=False, **alphas_of(dict(images)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
