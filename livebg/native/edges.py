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


def fit(
    compiled: Kernels, guides: list[Plane], alpha: Numbers, window: int, epsilons: tuple[float, ...], levels: tuple[float, float]
) -> Numbers:
    """Compute the coefficients of the guided filter: see :func:`livebg.segmentation.guided_upsampling.fit`. There are three
    guides."""
    (height, width), (low, high) = alpha.shape, levels
    found = np.empty((*alpha.shape, 4), np.float32)
    guide, known, limits = (
        compiled.pointer(each) for each in (np.stack(guides), np.ascontiguousarray(alpha), np.array(epsilons, np.float32))
    )
    out = compiled.pointer(found, writable=True)
    _check(compiled.lib.livebg_fit(guide, known, height, width, window, limits, low, 255 / (high - low), out))
    return found


def evaluate(compiled: Kernels, lines: Numbers, planes: list[Plane], content: Plane) -> Plane:
    """Evaluate the coefficients: see :func:`livebg.segmentation.guided_upsampling.evaluate`. There are three planes."""
    height, width = planes[0].shape
    rows, columns, _ = lines.shape
    y, u, v, known, marks = (compiled.pointer(np.ascontiguousarray(each)) for each in (*planes, lines, content))
    alpha = np.empty((height, width), np.uint8)
    compiled.lib.livebg_evaluate(known, rows, columns, y, u, v, height, width, marks, compiled.pointer(alpha, writable=True))
    return alpha


def shift(compiled: Kernels, alpha: Plane, window: tuple[slice, slice], steps: int, share: int, *, grow: bool) -> Plane:
    """Shrink or grow alpha in a window: see :func:`livebg.segmentation.edge_shift.shift_by`. Returns it with zeros around it."""
    rows, columns = window
    shifted = np.zeros(alpha.shape, np.uint8)
    given, out = compiled.pointer(np.ascontiguousarray(alpha)), compiled.pointer(shifted, writable=True)
    place = rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start
    _check(compiled.lib.livebg_shift(given, alpha.shape[1], *place, steps, share, grow, out))
    return shifted


def estimate(compiled: Kernels, planes: list[Plane], minimum: float) -> tuple[Numbers, Numbers]:
    """Estimate colors: see :func:`livebg.compositing.foreground_estimation.estimate_colors`. ``minimum`` is the minimum weight of
    a pixel. Returns float32."""
    height, width = planes[0].shape
    person, room = (np.empty((height, width, 4), np.float32) for _ in range(2))
    outs = (compiled.pointer(each, writable=True) for each in (person, room))
    _check(compiled.lib.livebg_estimate(compiled.pointer(np.stack(planes)), height, width, minimum, *outs))
    return person, room


def blend(compiled: Kernels, picture: Plane, alpha: Plane, colors: tuple[Numbers, Numbers], tables: Plane, out: Plane) -> None:
    """Blend the person in ``picture`` over the background in ``out``, both I420; ``alpha`` is uint8, (height, width).

    ``colors`` are those from :func:`estimate`. ``tables``, uint8, (256, 8), has for each level of alpha the weights of the
    observed, the person's and the room's color, of the person and of the background; then for each level of the person's luma
    the new level and the gain of chroma in 64ths, and for each level of alpha the weight of the brightened color, or zeros: see
    :mod:`livebg.compositing.tone_curve`.
    """
    height, width = alpha.shape
    rows, columns, _ = colors[0].shape
    seen, shares, person, room, table = (
        compiled.pointer(np.ascontiguousarray(each)) for each in (picture, alpha, *colors, tables)
    )
    compiled.lib.livebg_blend(
        seen, shares, height, width, person, room, rows, columns, table, compiled.pointer(out, writable=True)
    )


def _check(result: int) -> None:
    if result:
        raise MemoryError
