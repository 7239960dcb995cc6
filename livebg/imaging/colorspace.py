"""To the colours that readers of a virtual camera take for granted: limited-range BT.601, whatever the file was tagged with.

libswscale does this through RGB, at more than ten times the CPU time: for a camera that is more than everything else costs.
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import BT601, UNSPECIFIED, ColorSpec, blank, planes

_NEUTRAL = 128.0
_ARE_BT601 = (UNSPECIFIED, 5, BT601)
"""Matrices that readers get right; 5 and 6 are one matrix by two names, and the untagged is left to what everybody guesses."""


def for_virtual_camera(color: ColorSpec) -> ColorSpec:
    """What pictures in ``color`` are to be turned into; ``color`` itself where readers get it right as it is."""
    if color.matrix in _ARE_BT601 and not color.full_range:
        return color
    return replace(color, matrix=BT601, full_range=False)


def recolored(data: NDArray[np.uint8], given: ColorSpec, wanted: ColorSpec) -> NDArray[np.uint8]:
    """I420 in the colour ``given`` as I420 in the colour ``wanted``, within about a level.

    Luma depends on chroma only where the matrix changes; chroma never depends on luma, since grey stays grey.
    """
    height = data.shape[0] * 2 // 3
    to_rgb, to_yuv = given.yuv_to_rgb(height), wanted.rgb_to_yuv(height)
    matrix = to_yuv[:, :3] @ to_rgb
    matrix[:, 3] += to_yuv[:, 3]
    result = blank(data.shape[1], height)
    (y, u, v), (new_y, new_u, new_v) = planes(data), planes(result)
    for row, out in ((matrix[1], new_u), (matrix[2], new_v)):
        cv2.addWeighted(u, row[1], v, row[2], row[3], dst=out)
    _, of_u, of_v, offset = matrix[0]
    if abs(of_u) + abs(of_v) < 1e-6:
        cv2.addWeighted(y, matrix[0, 0], y, 0.0, offset, dst=new_y)
        return result
    # What chroma adds to luma is small and kept in bytes about neutral, which is what makes this cheap.
    added = cv2.addWeighted(u, of_u, v, of_v, _NEUTRAL - (of_u + of_v) * _NEUTRAL)
    added = cv2.resize(added, (y.shape[1], y.shape[0]), interpolation=cv2.INTER_LINEAR)
    cv2.addWeighted(y, matrix[0, 0], added, 1.0, offset + (of_u + of_v) * _NEUTRAL - _NEUTRAL, dst=new_y)
    return result
