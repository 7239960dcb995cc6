"""What hangs about an alpha by mistake: islands far from anybody, pinholes deep inside somebody."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.frame import Alpha

_SMALL_ISLAND: Final = 0.003
_ISLAND: Final = 0.006
"""Shares of the picture's pixels that an island has: it is dropped up to the first and stays whole from the second
on, so that somebody who walks up from afar comes in softly and does not flicker."""

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
    above = (alpha > low).view(np.uint8)
    if _outlines(above, cv2.RETR_EXTERNAL) <= 1:
        return alpha
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
    share = statistics[:, cv2.CC_STAT_AREA] / alpha.size
    share[0] = 0
    keep = np.clip((share - _SMALL_ISLAND) / (_ISLAND - _SMALL_ISLAND), 0, 1).astype(np.float32)
    keep[0] = keep[int(share.argmax())] = 1
    if (keep == 1).all():
        return alpha
    somebody = (keep == 1)[labels] & (labels > 0)
    distance = cv2.distanceTransform((~somebody).astype(np.uint8), cv2.DIST_L2, 3)
    for island in np.flatnonzero(keep < 1):
        left, top, width, height = statistics[island, :4]
        box = np.s_[top : top + height, left : left + width]
        if distance[box][labels[box] == island].min() <= _FAR * alpha.shape[0]:
            keep[island] = 1
    return np.asarray(alpha * keep[labels], np.float32)


def _without_pinholes(alpha: Alpha) -> Alpha:
    person = (alpha >= 0.5).view(np.uint8)
    if _outlines(person, cv2.RETR_LIST) <= 1:
        return alpha
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(1 - person, connectivity=4)
    small = statistics[:, cv2.CC_STAT_AREA] < _PINHOLE * alpha.size
    if not small.any():
        return alpha
    outside = (~small)[labels] & (labels > 0)
    distance = cv2.distanceTransform((~outside).astype(np.uint8), cv2.DIST_L2, 3)
    filled = alpha.copy()
    for number in np.flatnonzero(small):
        hole: NDArray[np.bool_] = labels == number
        if alpha[hole].min() >= _UNSURE and distance[hole].min() >= _DEEP * alpha.shape[0]:
            around = cv2.dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
            filled[around] = 1
    return filled


def _outlines(shape: NDArray[np.uint8], which: int) -> int:
    """How many there are: told several times faster than all parts are labelled, and nearly always there is one."""
    return len(cv2.findContours(shape, which, cv2.CHAIN_APPROX_SIMPLE)[0])
