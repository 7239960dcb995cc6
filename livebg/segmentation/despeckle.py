"""What hangs about an alpha by mistake: islands far from anybody, pinholes deep inside somebody."""

from typing import Final

import cv2
import numpy as np
from cv2.typing import MatLike

from livebg.imaging.frame import Alpha

Outline = MatLike
"""Pixels one beside the other, as OpenCV finds them: int32, (pixels, 1, 2), column first."""

_SMALL_ISLAND: Final = 0.003
_ISLAND: Final = 0.006
"""Shares of the picture's pixels that an island has: it is dropped up to the first and stays whole from the second
on, so that somebody who walks up from afar comes in softly and does not flicker."""

_DOUBTED: Final = 0.5
_SURE: Final = 0.7
"""Alphas that an island reaches on a twentieth of its pixels: up to the first it is dropped, however large, from the second on it
stays. On 2,551 pictures with masks there were 40 islands of some size: 35 mistakes and one person below the first, two mistakes
and one person between, one mistake above."""

_FAR: Final = 0.03
"""Share of the picture's height: what is nearer to somebody may be their hand or hair."""

_PINHOLE: Final = 0.0006
"""Share of the picture's pixels. Of the network's holes two in three are true ones, under an arm or through a handle, however
small: on 233 pictures with masks only pinholes that lie deep and are not sure proved to be mistakes."""

_DEEP: Final = 0.06
"""Share of the picture's height between a pinhole and the room."""

_UNSURE: Final = 0.2


def without_specks(alpha: Alpha, low: float) -> Alpha:
    """``alpha``, float32 (height, width), 0..1, without islands and pinholes; the very same array where there are none.

    What is above ``low`` is there to be seen.
    """
    return _without_pinholes(_without_islands(alpha, low))


def _without_islands(alpha: Alpha, low: float) -> Alpha:
    outlines, _ = cv2.findContours((alpha > low).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if len(outlines) <= 1:
        return alpha
    share = np.array([_pixels(outline) for outline in outlines]) / alpha.size
    keep = np.clip((share - _SMALL_ISLAND) / (_ISLAND - _SMALL_ISLAND), 0, 1)
    if np.count_nonzero(keep) > 1:  # else it is the one that stays in any case
        keep *= [_surety(alpha, outline) if kept else 0.0 for outline, kept in zip(outlines, keep, strict=True)]
    keep[(share * (keep if keep.any() else 1)).argmax()] = 1
    if keep.min() == 1:
        return alpha
    near = np.zeros(alpha.shape, np.uint8)
    cv2.drawContours(near, [outline for outline, whole in zip(outlines, keep == 1, strict=True) if whole], -1, 1, cv2.FILLED)
    reach = int(_FAR * alpha.shape[0])
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    near = np.asarray(cv2.dilate(near, window), np.uint8)
    rest = np.ones(alpha.shape, np.float32)
    for outline, kept in zip(outlines, keep, strict=True):
        columns, rows = outline[:, 0].T
        if kept < 1 and not near[rows, columns].any():
            cv2.drawContours(rest, [outline], -1, float(kept), cv2.FILLED)
    return alpha * rest


def _without_pinholes(alpha: Alpha) -> Alpha:
    person = (alpha >= 0.5).view(np.uint8)
    outlines, nesting = cv2.findContours(person, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    # What has a parent is a hole, and its outline the pixels around it.
    holes = [number for number in range(len(outlines)) if nesting[0, number, 3] >= 0]
    small = [number for number in holes if _pixels(outlines[number]) - len(outlines[number]) < _PINHOLE * alpha.size]
    unsure = [number for number in small if _least(alpha, outlines[number]) >= _UNSURE]
    if not unsure:
        return alpha
    cv2.drawContours(person, [outlines[number] for number in small], -1, 1, cv2.FILLED)
    depth = cv2.distanceTransform(person, cv2.DIST_L2, 3)
    filled = alpha.copy()
    for number in unsure:
        if _least(np.asarray(depth, np.float32), outlines[number]) >= _DEEP * alpha.shape[0]:
            cv2.drawContours(filled, outlines, number, 1.0, cv2.FILLED)
    return filled


def _surety(alpha: Alpha, outline: Outline) -> float:
    """0 for an island that nobody is sure of, 1 for one that is somebody."""
    within = _within(alpha, outline)
    reached = float(np.quantile(within[:: 1 + len(within) // 1000], 0.95))
    return float(np.clip((reached - _DOUBTED) / (_SURE - _DOUBTED), 0, 1))


def _least(values: Alpha, outline: Outline) -> float:
    return float(_within(values, outline).min())


def _within(values: Alpha, outline: Outline) -> Alpha:
    """The values that an outline encloses."""
    left, top, width, height = cv2.boundingRect(outline)
    within = np.zeros((height, width), np.uint8)
    cv2.drawContours(within, [outline], -1, 1, cv2.FILLED, offset=(-left, -top))
    return values[top : top + height, left : left + width][within > 0]


def _pixels(outline: Outline) -> float:
    """How many pixels an outline encloses, itself among them, by Pick's theorem: several times faster than to label them all."""
    return cv2.contourArea(outline) + len(outline) / 2 + 1
