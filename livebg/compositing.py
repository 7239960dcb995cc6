"""The only place where a Composite is made, so the only door through which a picture leaves.

Each function asks for what makes its picture fit to be shown: a matte for this very frame, the user's own word, a size to draw
a placeholder at, or a picture that was fit already.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.frame import _SEAL, Alpha8, ColorSpec, Composite, Frame, Matte, Planes, blank, planes
from livebg.placeholder import calm_picture

OLDEST_MATTE = 0.25
"""Seconds. A matte from a picture older than this no longer covers what it should."""

_BAND = 1 << 16
"""Pixels that are blended at a time."""


@dataclass(frozen=True, slots=True)
class Consent:
    """The user's own word, in this run, that the room may be shown. Made by the command line alone (a test sees to it)."""

    command: str


def composite(frame: Frame, background: NDArray[np.uint8], matte: Matte) -> Composite:
    """Lay the person over ``background``, I420 of the frame's size and colour: com = fgr * alpha + bgr * (1 - alpha).

    Where alpha is 255 the bytes equal the frame's. Raises ValueError when the matte is not for this frame or too old.
    """
    alpha = _checked(frame, matte)
    if background.shape != frame.data.shape:
        raise ValueError(f"the background is {background.shape}, the frame {frame.data.shape}")
    data = blank(frame.width, frame.height)
    layers = zip(frame.planes, planes(background), plane_alphas(alpha), planes(data), strict=True)
    for foreground, behind, weight, out in layers:
        blend(foreground, behind, weight, out)
    return Composite(data, frame.pts, frame.time_base, frame.color, seal=_SEAL)


def matte_picture(frame: Frame, matte: Matte) -> Composite:
    """Alpha itself as a grey picture: luma = alpha over the full range 0..255, chroma neutral."""
    data = blank(frame.width, frame.height)
    luma, *chroma = planes(data)
    luma[:] = _checked(frame, matte)
    for plane in chroma:
        plane[:] = 128
    color = replace(frame.color, full_range=True)
    return Composite(data, frame.pts, frame.time_base, color, seal=_SEAL)


def cutout(frame: Frame, matte: Matte) -> Composite:
    """The person with straight alpha. Where alpha is 0 the picture is black, so that the room cannot be brought back."""
    alpha = _checked(frame, matte)
    data = frame.data.copy()
    for plane, weight, black in zip(
        planes(data), plane_alphas(alpha), (0 if frame.color.full_range else 16, 128, 128), strict=True
    ):
        plane[weight == 0] = black
    return Composite(data, frame.pts, frame.time_base, frame.color, alpha, _SEAL)


def passthrough(frame: Frame, consent: Consent) -> Composite:
    """The room as it is, bytes untouched: mode ``none``."""
    if not isinstance(consent, Consent):
        raise TypeError("the room is shown only on the user's own word")
    return Composite(frame.data, frame.pts, frame.time_base, frame.color, seal=_SEAL)


class Placeholder:
    """The calm picture for when there is nothing else to show, drawn once; ``width`` and ``height`` are even."""

    def __init__(self, width: int, height: int, color: ColorSpec) -> None:
        self._color = color
        self._data = calm_picture(width, height, color)
        self._data.flags.writeable = False  # all composites share it

    def at(self, pts: int, time_base: Fraction) -> Composite:
        """The picture at ``pts * time_base`` seconds."""
        return Composite(self._data, pts, time_base, self._color, seal=_SEAL)


def restamped(composite: Composite, pts: int, time_base: Fraction) -> Composite:
    """The same picture at another time, for an output that keeps its own clock. The arrays are shared."""
    if not isinstance(composite, Composite):
        raise TypeError(f"only a composite is fit to be shown again, got {type(composite).__name__}")
    return replace(composite, pts=pts, time_base=time_base)


def plane_alphas(alpha: Alpha8) -> Planes:
    """Alpha for each plane of an I420 picture: as it is for luma, the mean of each 2x2 block for U and V."""
    height, width = alpha.shape
    chroma = np.asarray(cv2.resize(alpha, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.uint8)
    return alpha, chroma, chroma


def blend(foreground: NDArray[np.uint8], background: NDArray[np.uint8], alpha: Alpha8, out: NDArray[np.uint8]) -> None:
    """foreground * alpha + background * (1 - alpha) into ``out``, planes of one shape; exact at 0 and 255, else within a level.

    Done in bands of rows: what lies between stays in the cache and is not taken from the system anew for every frame.
    """
    rows = max(1, _BAND // alpha.shape[1])
    for top in range(0, alpha.shape[0], rows):
        band = slice(top, top + rows)
        weight, target = alpha[band], out[band]
        behind = cv2.bitwise_not(weight)
        cv2.multiply(background[band], behind, dst=behind, scale=1 / 255)
        cv2.multiply(foreground[band], weight, dst=target, scale=1 / 255)
        cv2.add(target, behind, dst=target)


def _checked(frame: Frame, matte: Matte) -> Alpha8:
    if matte.alpha.shape != (frame.height, frame.width):
        raise ValueError(f"the matte is {matte.alpha.shape}, the frame {frame.height} by {frame.width}")
    if matte.time != frame.time:
        raise ValueError(f"the matte is for {matte.time} s, the frame is at {frame.time} s")
    if not 0 <= matte.time - matte.picture_time <= OLDEST_MATTE:
        raise ValueError(f"the matte's picture is {matte.time - matte.picture_time:.3f} s old")
    return matte.alpha
