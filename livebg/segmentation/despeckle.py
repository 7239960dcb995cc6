"""Removes small false regions: islands far from the person and pinholes inside them."""

from typing import Final

import cv2
import numpy as np
from cv2.typing import MatLike

from livebg.imaging.frame import Alpha

Outline = MatLike
"""Contour pixels as OpenCV returns them: int32, (pixels, 1, 2), column first."""

_MIN_ISLAND: Final = 0.003
_WHOLE_ISLAND: Final = 0.006
"""Shares of the picture's pixels. An island is removed up to the first and kept unchanged from the second on, so that a person
approaching from afar fades in and does not flicker."""

_LOW_CONFIDENCE: Final = 0.5
_HIGH_CONFIDENCE: Final = 0.7
"""Alphas exceeded on 5 % of an island's pixels: up to the first an island is removed regardless of size, from the second on it is
kept. On 2,551 pictures with masks there were 40 islands of significant size: 35 errors and one person below the first, two errors
and one person between, one error above."""

_MAX_GAP: Final = 0.03
"""Share of the picture's height. Anything nearer to a person may be their hand or hair."""

_MAX_PINHOLE: Final = 0.0006
"""Share of the picture's pixels. Two thirds of the network's holes are real, under an arm or through a handle, however small: on
233 pictures with masks only deep, low-confidence pinholes proved to be errors."""

_MIN_DEPTH: Final = 0.06
"""Distance between a pinhole and the background, as a share of the picture's height."""

_MIN_PINHOLE_ALPHA: Final = 0.2


def despeckle(alpha: Alpha, low: float) -> Alpha:
    """Remove islands and pinholes from ``alpha``, float32 (height, width), 0..1. Returns the same array if there are none.

    Pixels above ``low`` are visible.
    """
    return _remove_pinholes(_remove_islands(alpha, low))


def _remove_islands(alpha: Alpha, low: float) -> Alpha:
    outlines, _ = cv2.findContours((alpha > low).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if len(outlines) <= 1:
        return alpha
    share = np.array([_area(outline) for outline in outlines]) / alpha.size
    keep = np.clip((share - _MIN_ISLAND) / (_WHOLE_ISLAND - _MIN_ISLAND), 0, 1)
    if np.count_nonzero(keep) > 1:  # a single one is kept anyway
        keep *= [_confidence(alpha, outline) if kept else 0.0 for outline, kept in zip(outlines, keep, strict=True)]
    keep[(share * (keep if keep.any() else 1)).argmax()] = 1
    if keep.min() == 1:
        return alpha
    neighborhood = np.zeros(alpha.shape, np.uint8)
    cv2.drawContours(
        neighborhood, [outline for outline, whole in zip(outlines, keep == 1, strict=True) if whole], -1, 1, cv2.FILLED
    )
    reach = int(_MAX_GAP * alpha.shape[0])
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    neighborhood = np.asarray(cv2.dilate(neighborhood, window), np.uint8)
    factors = np.ones(alpha.shape, np.float32)
    for outline, kept in zip(outlines, keep, strict=True):
        columns, rows = outline[:, 0].T
        if kept < 1 and not neighborhood[rows, columns].any():
            cv2.drawContours(factors, [outline], -1, float(kept), cv2.FILLED)
    return alpha * factors


def _remove_pinholes(alpha: Alpha) -> Alpha:
    person = (alpha >= 0.5).view(np.uint8)
    outlines, nesting = cv2.findContours(person, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    # An outline with a parent is a hole; it runs through the pixels around the hole.
    holes = [number for number in range(len(outlines)) if nesting[0, number, 3] >= 0]
    small = [number for number in holes if _area(outlines[number]) - len(outlines[number]) < _MAX_PINHOLE * alpha.size]
    unsure = [number for number in small if _min_inside(alpha, outlines[number]) >= _MIN_PINHOLE_ALPHA]
    if not unsure:
        return alpha
    cv2.drawContours(person, [outlines[number] for number in small], -1, 1, cv2.FILLED)
    depth = cv2.distanceTransform(person, cv2.DIST_L2, 3)
    filled = alpha.copy()
    for number in unsure:
        if _min_inside(np.asarray(depth, np.float32), outlines[number]) >= _MIN_DEPTH * alpha.shape[0]:
            cv2.drawContours(filled, outlines, number, 1.0, cv2.FILLED)
    return filled


def _confidence(alpha: Alpha, outline: Outline) -> float:
    """Return 0 for an island of low confidence, 1 for one of high confidence."""
    enclosed = _enclosed(alpha, outline)
    reached = float(np.quantile(enclosed[:: 1 + len(enclosed) // 1000], 0.95))
    return float(np.clip((reached - _LOW_CONFIDENCE) / (_HIGH_CONFIDENCE - _LOW_CONFIDENCE), 0, 1))


def _min_inside(values: Alpha, outline: Outline) -> float:
    return float(_enclosed(values, outline).min())


def _enclosed(values: Alpha, outline: Outline) -> Alpha:
    """Return the values enclosed by an outline."""
    left, top, width, height = cv2.boundingRect(outline)
    enclosed = np.zeros((height, width), np.uint8)
    cv2.drawContours(enclosed, [outline], -1, 1, cv2.FILLED, offset=(-left, -top))
    return values[top : top + height, left : left + width][enclosed > 0]


def _area(outline: Outline) -> float:
    """Return the number of pixels that an outline encloses, including itself, by Pick's theorem: several times faster than
    labeling."""
    return cv2.contourArea(outline) + len(outline) / 2 + 1
