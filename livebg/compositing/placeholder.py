"""Draws the placeholder shown while there is no other picture: head and shoulders on slate, nothing of the room."""

import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import ColorSpec, empty_i420, planes

_Plane = NDArray[np.float32]

_TINT = (-7.0, 0.0, 11.0)
"""Offsets of red, green and blue from gray: slate. A single hue, since a chroma gradient shows banding."""
_LIGHT, _DARK, _FIGURE = 74.0, 32.0, 52.0
"""Gray levels, 0..255: the backdrop behind the head and in its corners, and how much lighter the figure is."""
_HEAD_CENTER, _HEAD_HALF_WIDTH, _HEAD_HALF_HEIGHT = -0.085, 0.125, 0.147
_SHOULDER_TOP, _SHOULDER_HALF_WIDTH, _SHOULDER_CORNER = 0.112, 0.310, 0.245
"""Shares of the shorter side, measured downwards from the figure's origin."""


def draw_placeholder(width: int, height: int, color: ColorSpec) -> NDArray[np.uint8]:
    """Return the placeholder at the given even size, I420 in the given color. Deterministic."""
    unit = min(width, height)
    origin = (height - 1) / 2 + 0.3 * (height - unit)  # lower in a portrait picture, where a person would sit
    across = np.asarray((np.arange(width) - (width - 1) / 2) / unit, np.float32)[None, :]
    down = np.asarray((np.arange(height) - origin) / unit, np.float32)[:, None]
    light = np.exp(-1.6 * (across**2 + (down - _HEAD_CENTER) ** 2))
    gray = _DARK + (_LIGHT - _DARK) * light + _FIGURE * _figure(across, down, unit) * (0.45 + 0.55 * light)
    to_yuv = color.rgb_to_yuv(height)
    levels = to_yuv @ np.array([*_TINT, 1.0])
    # Half a level of noise prevents banding in the slow gradient.
    noise = np.random.default_rng(0).random((height, width), np.float32)
    data = empty_i420(width, height)
    luma, *chroma = planes(data)
    luma[:] = gray * to_yuv[0, :3].sum() + levels[0] + noise
    for plane, level in zip(chroma, levels[1:], strict=True):
        plane[:] = round(level)
    return data


def _figure(across: _Plane, down: _Plane, unit: int) -> _Plane:
    """Return how much of each pixel the figure covers, 0..1, antialiased by the signed distance from its edge."""
    from_head = np.hypot(across / _HEAD_HALF_WIDTH, (down - _HEAD_CENTER) / _HEAD_HALF_HEIGHT)
    head = (from_head - 1) * _HEAD_HALF_WIDTH
    # A rounded block that extends below the picture.
    beside = np.abs(across) - (_SHOULDER_HALF_WIDTH - _SHOULDER_CORNER)
    above = (_SHOULDER_TOP + _SHOULDER_CORNER) - down
    outside = np.hypot(np.maximum(beside, 0), np.maximum(above, 0))
    shoulders = outside + np.minimum(np.maximum(beside, above), 0) - _SHOULDER_CORNER
    return np.asarray(np.clip(0.5 - np.minimum(head, shoulders) * unit, 0, 1), np.float32)
