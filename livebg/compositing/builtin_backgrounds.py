"""Procedural backgrounds, painted at the frame's size and deterministic.

They are darker and softer than a person in front of them, so that they do not draw attention. Colors blend in linear light, and
half a level of noise is added before rounding to prevent banding.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Linear = NDArray[np.float32]
"""A picture in linear light, shape (height, width, 3), 0 to 1."""
_SEED: Final = 20
_R2_STEPS: Final = (0.7548776662, 0.5698402910)
"""Steps of the R2 low-discrepancy sequence, whose points keep their distance, unlike random ones."""


def paint(name: str, width: int, height: int) -> NDArray[np.uint8]:
    """Paint a background as RGB, uint8, shape (height, width, 3). Raises KeyError for an unknown name."""
    return _dither(_PAINTERS[name](width, height))


def _dawn(width: int, height: int) -> Linear:
    sky = _vertical(width, height, [(0, "#2f3c60"), (0.4, "#5f5a7c"), (0.7, "#93707a"), (1, "#a67f6c")])
    return _lit(sky, _glow(width, height, (0.78, 0.88), 0.5), "#dba878", 0.45)


def _dusk(width: int, height: int) -> Linear:
    sky = _vertical(width, height, [(0, "#141a33"), (0.5, "#2c2f55"), (0.8, "#57406a"), (1, "#7d4f62")])
    return _lit(sky, _glow(width, height, (0.25, 1.0), 0.6), "#d9805f", 0.3)


def _slate(width: int, height: int) -> Linear:
    wall = _vertical(width, height, [(0, "#454c55"), (1, "#2b3037")])
    return _lit(wall, _glow(width, height, (0.5, 0.32), 0.75), "#8c98a6", 0.35)


def _paper(width: int, height: int) -> Linear:
    wall = _vertical(width, height, [(0, "#9c958a"), (1, "#736c60")])
    return _lit(wall, _glow(width, height, (0.25, 0.15), 0.9), "#c4bdb0", 0.5) * _mottled(width, height, 90, 0.02)


def _lights(width: int, height: int) -> Linear:
    night = _vertical(width, height, [(0, "#0e1424"), (0.6, "#1d2036"), (1, "#151425")])
    night = _lit(night, _glow(width, height, (0.5, 0.45), 0.6), "#4a3440", 0.35)
    hues = ["#ffb45e", "#ff9a55", "#ffd79a", "#ffb45e", "#e8756a", "#7fa6e8", "#ffc77d"]
    return _bokeh(night, hues, _Discs(count=46, smallest=0.014, largest=0.06, strength=0.34, bottom=0.85))


def _leaves(width: int, height: int) -> Linear:
    wood = _vertical(width, height, [(0, "#3f5c35"), (0.5, "#2b472b"), (1, "#16281d")])
    wood = _lit(wood, _glow(width, height, (0.7, 0.1), 0.6), "#a3bf74", 0.35)
    wood = wood * _mottled(width, height, 6, 0.4) * _mottled(width, height, 14, 0.25)
    greens = ["#9fc25f", "#cddc8c", "#6f9e4b", "#568a4c", "#b5d06f"]
    return _bokeh(wood, greens, _Discs(count=60, smallest=0.012, largest=0.06, strength=0.16, bottom=0.7))


_PAINTERS: Final = MappingProxyType[str, Callable[[int, int], Linear]](
    {"dawn": _dawn, "dusk": _dusk, "slate": _slate, "paper": _paper, "lights": _lights, "leaves": _leaves}
)


@dataclass(frozen=True, slots=True)
class _Discs:
    """Parameters of out-of-focus lights: number, radii as shares of the longer side, brightness, and how far
    down they reach."""

    count: int
    smallest: float
    largest: float
    strength: float
    bottom: float


def _linear(hexadecimal: str) -> Linear:
    """Convert a color ``#rrggbb`` to linear light, shape (3,)."""
    levels = np.array([int(hexadecimal[place : place + 2], 16) for place in (1, 3, 5)], np.float32) / 255
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _vertical(width: int, height: int, stops: list[tuple[float, str]]) -> Linear:
    """Return a vertical gradient from the top, 0, to the bottom, 1, smoothed at its stops."""
    places = np.linspace(0, 1, 256)
    colors = np.stack([np.interp(places, [at for at, _ in stops], [_linear(hue)[i] for _, hue in stops]) for i in range(3)], 1)
    soft = cv2.GaussianBlur(colors.astype(np.float32)[:, None], (1, 0), 0.1, sigmaY=20, borderType=cv2.BORDER_REPLICATE)
    column = cv2.resize(soft, (1, height), interpolation=cv2.INTER_LINEAR).reshape(height, 1, 3)
    return np.repeat(column, width, axis=1)


def _glow(width: int, height: int, center: tuple[float, float], radius: float) -> NDArray[np.float32]:
    """Return a round light, 1 at its center, that fades out; ``radius`` is a share of the longer side. Shape (height, width,
    1)."""
    reach = radius * max(width, height)
    across = ((np.arange(width, dtype=np.float32) - center[0] * width) / reach) ** 2
    down = ((np.arange(height, dtype=np.float32) - center[1] * height) / reach) ** 2
    light: NDArray[np.float32] = np.exp(-2.5 * down)[:, None, None] * np.exp(-2.5 * across)[None, :, None]
    return light


def _lit(picture: Linear, light: NDArray[np.float32], hue: str, strength: float) -> Linear:
    share = light * np.float32(strength)
    mixed: Linear = picture + (_linear(hue) - picture) * share
    return mixed


def _bokeh(picture: Linear, hues: list[str], discs: _Discs) -> Linear:
    """Add discs of light, near ones large and faint, with a slightly brighter rim, as lenses render them."""
    height, width = picture.shape[:2]
    longer = max(width, height)
    random = np.random.default_rng(_SEED)
    light = np.zeros_like(picture)
    for number in range(discs.count):
        across, down = (0.5 + number * step for step in _R2_STEPS)
        size, faint, hue = random.random(3)
        radius = longer * (discs.smallest + (discs.largest - discs.smallest) * size**1.5)
        center = (across % 1 * width, discs.bottom * (down % 1) * height)
        strength = discs.strength * (0.25 + 0.75 * faint) * (1 - 0.6 * size)
        _add_disc(light, center, radius, _linear(hues[int(hue * len(hues))]) * np.float32(strength))
    sigma = longer * 0.0018
    return picture + cv2.GaussianBlur(light, (0, 0), sigma)


def _add_disc(light: Linear, center: tuple[float, float], radius: float, color: Linear) -> None:
    height, width = light.shape[:2]
    left, right = max(0, int(center[0] - radius - 1)), min(width, int(center[0] + radius + 2))
    top, bottom = max(0, int(center[1] - radius - 1)), min(height, int(center[1] + radius + 2))
    if left >= right or top >= bottom:
        return
    across = np.arange(left, right, dtype=np.float32) - np.float32(center[0])
    down = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(center[1])
    distance = np.sqrt(across**2 + down**2) / np.float32(radius)
    inside = np.clip((1 - distance) * np.float32(radius), 0, 1)
    rim = np.float32(0.75) + np.float32(0.25) * distance**4
    light[top:bottom, left:right] += (inside * rim)[..., None] * color


def _mottled(width: int, height: int, cells: int, strength: float) -> NDArray[np.float32]:
    """Return smooth noise around 1, with about ``cells`` patches along the shorter side. Shape (height, width, 1)."""
    scale = cells / min(width, height)
    size = (max(3, round(height * scale)), max(3, round(width * scale)))
    coarse = np.random.default_rng(_SEED).uniform(-1, 1, size).astype(np.float32)
    soft = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    patches: NDArray[np.float32] = np.maximum(0, 1 + np.float32(strength) * soft)[..., None]
    return patches


def _dither(picture: Linear) -> NDArray[np.uint8]:
    """Convert to sRGB, with random rounding."""
    levels = np.clip(picture, 0, 1)
    coded = np.where(levels <= 0.0031308, levels * np.float32(12.92 * 255), cv2.pow(levels, 1 / 2.4) * 269.025 - 14.025)
    coded += np.random.default_rng(_SEED).random((*levels.shape[:2], 1), np.float32)
    return coded.clip(0, 255).astype(np.uint8)
