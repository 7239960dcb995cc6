"""Converts I420 to the color that readers of a virtual camera assume: limited-range BT.601.

libswscale converts through RGB at more than ten times the CPU time, more than everything else costs for a camera.
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import BT601, UNSPECIFIED, ColorSpec, empty_i420, planes

_NEUTRAL = 128.0
_BT601_LIKE = (UNSPECIFIED, 5, BT601)
"""Matrices that readers interpret correctly. 5 and 6 are two names of one matrix; readers guess the matrix of untagged
pictures."""


def virtual_camera_color(color: ColorSpec) -> ColorSpec:
    """Return the color to which pictures in ``color`` must be converted; ``color`` itself if readers interpret it correctly."""
    if color.matrix in _BT601_LIKE and not color.full_range:
        return color
    return replace(color, matrix=BT601, full_range=False)


def convert_i420(data: NDArray[np.uint8], source: ColorSpec, target: ColorSpec) -> NDArray[np.uint8]:
    """Convert I420 from the color ``source`` to the color ``target``, within about one level.

    Luma depends on chroma only if the matrix changes; chroma never depends on luma, since gray stays gray.
    """
    height = data.shape[0] * 2 // 3
    to_rgb, to_yuv = source.yuv_to_rgb(height), target.rgb_to_yuv(height)
    matrix = to_yuv[:, :3] @ to_rgb
    matrix[:, 3] += to_yuv[:, 3]
    result = empty_i420(data.shape[1], height)
    (y, u, v), (new_y, new_u, new_v) = planes(data), planes(result)
    for row, out in ((matrix[1], new_u), (matrix[2], new_v)):
        cv2.addWeighted(u, row[1], v, row[2], row[3], dst=out)
    _, of_u, of_v, offset = matrix[0]
    if abs(of_u) + abs(of_v) < 1e-6:
        cv2.addWeighted(y, matrix[0, 0], y, 0.0, offset, dst=new_y)
        return result
    # The contribution of chroma to luma is small and stored as bytes around neutral, which makes this fast.
    chroma_part = cv2.addWeighted(u, of_u, v, of_v, _NEUTRAL - (of_u + of_v) * _NEUTRAL)
    chroma_part = cv2.resize(chroma_part, (y.shape[1], y.shape[0]), interpolation=cv2.INTER_LINEAR)
    cv2.addWeighted(y, matrix[0, 0], chroma_part, 1.0, offset + (of_u + of_v) * _NEUTRAL - _NEUTRAL, dst=new_y)
    return result
