"""Measurements for the tests of synthetic people."""

import numpy as np
from numpy.typing import NDArray

from livebg.synthetic import Cutout, Picture

SIZE = (256, 144)


def uniform_picture(colour: tuple[int, int, int], size: tuple[int, int]) -> Picture:
    return np.full((size[1], size[0], 3), colour, np.uint8)


def recolored(cutout: Cutout, colour: tuple[int, int, int]) -> Cutout:
    """The same outline in one color, with hidden parts black, so that bleeding is visible."""
    return Cutout(np.where(cutout.alpha[..., None] > 0, np.array(colour, np.uint8), np.uint8(0)), cutout.alpha)


def centroid(alpha: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(x, y) in pixels."""
    rows, columns = np.indices(alpha.shape)
    return np.array([float(np.average(places, weights=alpha)) for places in (columns, rows)])
