"""The calm picture that a call sees while there is nothing else to show: a head and shoulders on slate, nothing of the room."""

import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import ColorSpec, blank, planes

_Plane = NDArray[np.float32]

_TINT = (-7.0, 0.0, 11.0)
"""What red, green and blue have beside the grey: slate. One hue throughout, since a gradient of chroma shows as bands."""
_LIGHT, _DARK, _FIGURE = 74.0, 32.0, 52.0
"""Grey, 0..255: the backdrop behind the head and in its corners, and how much lighter the figure is."""
_HEAD_CENTRE, _HEAD_HALF_WIDTH, _HEAD_HALF_HEIGHT = -0.085, 0.125, 0.147
_SHOULDER_TOP, _SHOULDER_HALF_WIDTH, _SHOULDER_CORNER = 0.112, 0.310, 0.245
"""Shares of the shorter side, downwards from where the figure is hung up."""


def calm_picture(width: int, height: int, color: ColorSpec) -> NDArray[np.uint8]:
    """The picture at the given even size, I420 in the given colour; the same bytes every time."""
    unit = min(width, height)
    hung = (height - 1) / 2 + 0.3 * (height - unit)  # in an upright picture lower, where a person would sit
    across = np.asarray((np.arange(width) - (width - 1) / 2) / unit, np.float32)[None, :]
    down = np.asarray((np.arange(height) - hung) / unit, np.float32)[:, None]
    light = np.exp(-1.6 * (across**2 + (down - _HEAD_CENTRE) ** 2))
    grey = _DARK + (_LIGHT - _DARK) * light + _FIGURE * _figure(across, down, unit) * (0.45 + 0.55 * light)
    to_yuv = color.rgb_to_yuv(height)
    levels = to_yuv @ np.array([*_TINT, 1.0])
    # Without a grain of half a level, so slow a gradient shows as bands.
    grain = np.random.default_rng(0).random((height, width), np.float32)
    data = blank(width, height)
    luma, *chroma = planes(data)
    luma[:] = grey * to_yuv[0, :3].sum() + levels[0] + grain
    for plane, level in zip(chroma, levels[1:], strict=True):
        plane[:] = round(level)
    return data


def _figure(across: _Plane, down: _Plane, unit: int) -> _Plane:
    """How much of each pixel the figure covers, 0..1: smooth at the edge, by the distance from it."""
    from_head = np.hypot(across / _HEAD_HALF_WIDTH, (down - _HEAD_CENTRE) / _HEAD_HALF_HEIGHT)
    head = (from_head - 1) * _HEAD_HALF_WIDTH
    # A rounded block that runs out of the picture below.
    beside = np.abs(across) - (_SHOULDER_HALF_WIDTH - _SHOULDER_CORNER)
    above = (_SHOULDER_TOP + _SHOULDER_CORNER) - down
    outside = np.hypot(np.maximum(beside, 0), np.maximum(above, 0))
    shoulders = outside + np.minimum(np.maximum(beside, above), 0) - _SHOULDER_CORNER
    return np.asarray(np.clip(0.5 - np.minimum(head, shoulders) * unit, 0, 1), np.float32)
