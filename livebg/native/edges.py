"""The compiled versions of guided upsampling and compositing.

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
Numbers = NDArray[np.float32]


def edge_kernels(shape: tuple[int, ...]) -> Kernels | None:
    """Return the kernels for pictures of ``shape``, (height, width); None if NumPy has to do their work."""
    return kernels() if min(shape) >= _MIN_SIDE else None


def coefficients(
    compiled: Kernels, guides: list[Plane], alpha: Numbers, window: int, epsilons: tuple[float, ...], levels: tuple[float, float]
) -> Numbers:
    """Compute the coefficients of the guided filter, float32, (h, w, 4): slopes for Y, U and V and an offset.

    ``guides`` are Y, U and V, uint8, and ``alpha``, float32, all (h, w). ``window`` is the side length of the filter's window in
    pixels, odd and at least 3; ``epsilons`` are the variances below which a guide is ignored, and ``levels`` the probabilities that
    become alpha 0 and 1.
    """
    low, high = levels
    found = np.empty((*alpha.shape, 4), np.float32)
    guide, known, limits = (
        compiled.pointer(each) for each in (np.stack(guides), np.ascontiguousarray(alpha), np.array(epsilons, np.float32))
    )
    out = compiled.pointer(found, writable=True)
    _check(compiled.lib.livebg_coefficients(guide, known, *alpha.shape, window, limits, low, 255 / (high - low), out))
    return found


def upsample(compiled: Kernels, lines: Numbers, planes: list[Plane], content: Plane) -> Plane:
    """Evaluate the guided filter in the tiles that ``content`` marks as EDGE, and fill the others.

    ``lines`` are the coefficients from :func:`coefficients`; ``planes`` are Y, U and V, uint8, (height, width)
    and (height / 2, width / 2). Returns alpha, uint8, (height, width).
    """
    height, width = planes[0].shape
    rows, columns, _ = lines.shape
    y, u, v, known, marks = (compiled.pointer(np.ascontiguousarray(each)) for each in (*planes, lines, content))
    alpha = np.empty((height, width), np.uint8)
    compiled.lib.livebg_upsample(known, rows, columns, y, u, v, height, width, marks, compiled.pointer(alpha, writable=True))
    return alpha


def estimate(compiled: Kernels, planes: list[Plane], minimum: float) -> tuple[Numbers, Numbers]:
    """Estimate the mean colors of person and room around each pixel of a downscaled picture.

    ``planes`` are Y, U, V and alpha, uint8, (h, w); ``minimum`` is the least weight of a pixel. Returns float32, (h, w, 4), whole
    levels of Y, U and V; the last channel is 1.
    """
    height, width = planes[0].shape
    person, room = (np.empty((height, width, 4), np.float32) for _ in range(2))
    outs = (compiled.pointer(each, writable=True) for each in (person, room))
    _check(compiled.lib.livebg_estimate(compiled.pointer(np.stack(planes)), height, width, minimum, *outs))
    return person, room


def blend(
    compiled: Kernels, picture: Plane, alpha: Plane, colors: tuple[Numbers, Numbers], weights: Plane, out: Plane
) -> None:
    """Blend the person in ``picture`` over the background in ``out``, both I420; ``alpha`` is uint8, (height, width).

    ``colors`` are those from :func:`estimate`. ``weights``, uint8, (256, 8), has for each level of alpha the weights of the
    observed, the person's and the room's color, of the person and of the background.
    """
    height, width = alpha.shape
    rows, columns, _ = colors[0].shape
    seen, shares, person, room, table = (
        compiled.pointer(np.ascontiguousarray(each)) for each in (picture, alpha, *colors, weights)
    )
    compiled.lib.livebg_blend(seen, shares, height, width, person, room, rows, columns, table, compiled.pointer(out, writable=True))


def _check(result: int) -> None:
    if result:
        raise MemoryError
