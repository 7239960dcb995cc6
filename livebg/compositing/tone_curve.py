"""A tone curve for the person's luma, and the gain of their chroma that belongs to it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha8, ColorSpec, Planes
from livebg.imaging.pyramid import halve
from livebg.imaging.tiles import Plane

MAX_STEPS: Final = 1024
"""Number of strengths: so many that the step between two of them is below a quarter of a level."""
_MAX_GAIN: Final = 6.0
"""Slope of the strongest curve where luma is low."""
_TOE: Final = 0.04
"""Luma, black 0 and white 1, below which the gain decreases toward black, so that dark hair stays dark and noise low."""
_UNITY: Final = 64
"""A gain of one, in the fixed-point numbers of the tables."""


@dataclass(frozen=True, slots=True, eq=False)
class ToneCurve:
    """Tables by level of luma, uint8, (256,): ``luma`` is the new level, ``gain`` that of chroma around 128 in 64ths.

    The compiled kernels compute the same from the same tables, byte for byte.
    """

    luma: Plane
    gain: Plane

    def planes(self, picture: Planes) -> Planes:
        """Return an I420 picture with this curve, as new planes."""
        gain = np.asarray(cv2.LUT(halve(picture[0], 1), self.gain), np.uint8)
        y = np.asarray(cv2.LUT(picture[0], self.luma), np.uint8)
        return y, _amplify(picture[1], gain), _amplify(picture[2], gain)

    def rgb(self, rgb: NDArray[np.uint8], color: ColorSpec) -> NDArray[np.uint8]:
        """Return full-range RGB, uint8 (height, width, 3), with this curve, which must be that of full-range luma."""
        weights = color.rgb_to_yuv(rgb.shape[0])[:1, :3]
        luma = np.asarray(cv2.transform(rgb, weights), np.uint8)
        gains = (self.luma / np.maximum(np.arange(256), 1)).astype(np.float32)
        return np.asarray(np.rint(rgb * gains[luma][..., None]).clip(0, 255), np.uint8)


@lru_cache(maxsize=64)
def tone_curve(step: int, full_range: bool) -> ToneCurve:
    """Return the curve of strength ``step``, 0 (none) to :data:`MAX_STEPS`, for luma of the given range."""
    black, white = (0, 255) if full_range else (16, 235)
    level = np.arange(256)
    light = np.clip((level - black) / (white - black), 0, 1)
    slope = _MAX_GAIN ** (step / MAX_STEPS)
    gain = 1 + (slope / (1 + (slope - 1) * light) - 1) * light / (light + _TOE)
    inside = (level > black) & (level < white)
    luma = np.where(inside, black + light * gain * (white - black), level)
    return ToneCurve(np.rint(luma).astype(np.uint8), np.rint(gain * _UNITY).clip(0, 255).astype(np.uint8))


def relight(person: Plane, alpha: Alpha8, seen: Plane, lit: Plane) -> Plane:
    """Return ``person``, premultiplied by ``alpha``, with light: a share of what was ``seen`` is replaced by what is ``lit``.

    The share is all of it where alpha is 255, and falls to nothing where alpha is half: what the matte takes for a bit of the
    person may be room, and would shine as a halo.
    """
    weights = cv2.LUT(alpha, light_weights())
    rest = cv2.subtract(person, cv2.multiply(seen, weights, scale=1 / 255))
    return np.asarray(cv2.add(rest, cv2.multiply(lit, weights, scale=1 / 255)), np.uint8)


@lru_cache(maxsize=1)
def light_weights() -> Plane:
    """Return by level of alpha the share of light, 255 for all."""
    alpha = np.arange(256) / 255
    return np.rint(255 * alpha * np.clip(2 * alpha - 1, 0, 1)).astype(np.uint8)


def _amplify(chroma: Plane, gain: NDArray[np.uint8]) -> Plane:
    """Return chroma whose distance from 128 is multiplied by ``gain`` / 64, rounded."""
    distance = (chroma.astype(np.int16) - np.int16(128)) * gain.astype(np.int16)
    distance += _UNITY // 2
    distance >>= 6
    distance += 128
    return distance.clip(0, 255).astype(np.uint8)
