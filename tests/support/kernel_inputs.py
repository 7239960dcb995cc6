"""Hypothesis strategies for the inputs of compiled kernels: sizes, planes, alphas and tiles, with their extremes."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from livebg.imaging.tiles import Grid
from livebg.native import edges

MAX_SIDE = 72
"""Four and a half tiles."""
_ALPHAS = (0.0, 1.0, 0.5, 1e-38, 1 / 255, 0.5 / 255, np.nextafter(np.float32(1), np.float32(0)))
"""Values where rounding or a comparison may differ."""

large_sizes = st.tuples(*2 * (st.integers(8, MAX_SIDE // 2).map(lambda half: 2 * half),))
"""(height, width), both even and at least one tile."""


@st.composite
def planes(draw: Any, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Noise, one value, or only black and white, shape ``shape``."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    match draw(st.sampled_from(("noise", "flat", "extremes"))):
        case "noise":
            return generator.integers(0, 256, shape, np.uint8)
        case "flat":
            return np.full(shape, draw(st.sampled_from((0, 1, 16, 127, 128, 235, 254, 255))), np.uint8)
    return generator.integers(0, 2, shape, np.uint8) * np.uint8(255)


@st.composite
def alphas(draw: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Values in 0..1, shape ``shape``: any, multiples of 1/255 or only critical ones."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    match draw(st.sampled_from(("any", "levels", "critical"))):
        case "any":
            return generator.random(shape, np.float32)
        case "levels":
            return generator.integers(0, 256, shape, np.uint8).astype(np.float32) / np.float32(255)
    return generator.choice(np.array(_ALPHAS, np.float32), shape)


@st.composite
def frames(draw: Any, size: tuple[int, int]) -> NDArray[np.uint8]:
    """I420 of ``size``, (height, width)."""
    return np.concatenate([draw(planes(size)), draw(planes((size[0] // 2, size[1])))])


@st.composite
def contents(draw: Any, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Contents of the tiles of a picture of ``size``: an edge in none, in all, in those at the border, or in any."""
    generator, shape = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), Grid(size).shape
    content = generator.choice(np.array([edges.ROOM, edges.PERSON], np.uint8), shape)
    match draw(st.sampled_from(("none", "all", "border", "any"))):
        case "all":
            content[:] = edges.EDGE
        case "border":
            content[0] = content[-1] = content[:, 0] = content[:, -1] = edges.EDGE
        case "any":
            content[generator.random(shape) < 0.5] = edges.EDGE
    return content
