"""Shrinks or grows a matte by a small share of the frame's height.

Erosion and dilation move the soft profile of an edge as it is, so hair and motion blur stay soft. The structuring element is an
octagon, which moves slanted edges as far as upright ones, built from 3x3 steps, which cost little.
"""

import math
from typing import Final

import cv2
import numpy as np

from livebg.imaging.frame import Alpha8
from livebg.native import edges

MAX_SHIFT: Final = 0.01
"""Maximum distance as a share of the frame's height, in any direction."""

WHOLE: Final = 256
"""The share of a whole pixel."""

_CROSS: Final = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_SQUARE: Final = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))


def max_steps(height: int) -> int:
    """Return by how many pixels a matte of ``height`` can shrink or grow; no pixel moves farther than :data:`MAX_SHIFT`."""
    # The octagon's corner is farthest away: by all steps on one axis and by half of them on the other.
    return max(count for count in range(int(height * MAX_SHIFT) + 1) if math.hypot(count, count // 2) <= height * MAX_SHIFT)


def shift_edge(alpha: Alpha8, edge: float) -> Alpha8:
    """Shrink (``edge`` below 0) or grow (above 0) the foreground of ``alpha``, uint8 (height, width).

    ``edge``, -1..1, is a share of :func:`max_steps`; between two whole pixels their results are blended. At the border of the
    picture nothing is shrunk, since the person continues there. Returns ``alpha`` itself if nothing changes, else a new array.
    """
    reach = abs(edge) * max_steps(alpha.shape[0])
    if not reach:
        return alpha
    steps = math.ceil(reach)
    share = round((reach - (steps - 1)) * WHOLE)
    left, top, width, height = cv2.boundingRect(alpha)
    window = (
        slice(max(top - steps, 0), min(top + height + steps, alpha.shape[0])),
        slice(max(left - steps, 0), min(left + width + steps, alpha.shape[1])),
    )
    compiled = edges.edge_kernels(alpha.shape)
    if compiled is None:
        return shift_by(alpha, window, steps, share, grow=edge > 0)
    return edges.shift(compiled, alpha, window, steps, share, grow=edge > 0)


def shift_by(alpha: Alpha8, window: tuple[slice, slice], steps: int, share: int, *, grow: bool) -> Alpha8:
    """Shrink, or ``grow``, alpha in a window, as if nothing were around it.

    It changes by ``steps`` pixels, at least 1, of which the last counts by ``share`` of :data:`WHOLE`. Returns a new array that
    is 0 outside of the window.
    """
    move = cv2.dilate if grow else cv2.erode
    before = move(alpha[window], np.ones((2 * ((steps - 1) // 2) + 1,) * 2, np.uint8))
    before = move(before, _CROSS, iterations=steps // 2) if steps > 1 else before
    after = move(before, _CROSS if steps % 2 else _SQUARE)
    shifted = np.zeros_like(alpha)
    mixed = after.astype(np.uint16) * np.uint16(share) + before.astype(np.uint16) * np.uint16(WHOLE - share)
    shifted[window] = (mixed + np.uint16(WHOLE // 2)) // np.uint16(WHOLE)
    return shifted
