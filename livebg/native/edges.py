"""The compiled versions of the two steps that touch every pixel of an edge: guided upsampling and compositing.

Results equal those of the NumPy versions, byte for byte.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from livebg.native import Kernels, kernels

ROOM: Final = 0
PERSON: Final = 1
EDGE: Final = 2
"""Contents of a tile of 16x16 pixels."""

_MIN_SIDE: Final = 16

Plane = NDArray[np.uint8]


def edge_kernels(shape: tuple[int, ...]) -> Kernels | None:
    """Return the kernels for pictures of ``shape``, (height, width); None if NumPy has to do their work."""
    return kernels() if min(shape) >= _MIN_SIDE else None


def upsample(compiled: Kernels, coefficients: NDArray[np.float32], planes: list[Plane], content: Plane) -> Plane:
    """Evaluate the guided filter in the tiles that ``content`` marks as EDGE, and fill the others.

    ``coefficients`` is float32, (h, w, 4): slopes for Y, U and V and an offset; ``planes`` are Y, U and V, uint8, (height, width)
    and (height / 2, width / 2). Returns alpha, uint8, (height, width).
    """
    height, width = planes[0].shape
    rows, columns, _ = coefficients.shape
    y, u, v, lines, marks = (compiled.pointer(np.ascontiguousarray(each)) for each in (*planes, coefficients, content))
    alpha = np.empty((height, width), np.uint8)
    compiled.lib.livebg_upsample(lines, rows, columns, y, u, v, height, width, marks, compiled.pointer(alpha, writable=True))
    return alpha


def blend(compiled: Kernels, picture: Plane, alpha: Plane, colors: tuple[Plane, Plane], weights: Plane, out: Plane) -> None:
    """Blend the person in ``picture`` over the background in ``out``, both I420; ``alpha`` is uint8, (height, width).

    ``colors`` are the estimated colors of person and room, uint8, (h, w, 4): Y, U and V. ``weights``, uint8, (256, 8), has for
    each level of alpha the weights of the observed, the person's and the room's color, of the person and of the background.
    """
    height, width = alpha.shape
    rows, columns, _ = colors[0].shape
    person, room = (each.astype(np.float32) for each in colors)
    seen, shares, theirs, rooms, table = (
        compiled.pointer(np.ascontiguousarray(each)) for each in (picture, alpha, person, room, weights)
    )
    compiled.lib.livebg_blend(seen, shares, height, width, theirs, rooms, rows, columns, table, compiled.pointer(out, writable=True))
