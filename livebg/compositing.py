"""The only place where a Composite is made, so the only door through which a picture leaves.

Each function asks for what makes its picture fit to be shown: a matte for this very frame, or the user's own word.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.frame import _SEAL, Alpha8, Composite, Frame, Matte, blank, planes

OLDEST_MATTE = 0.25
"""Seconds. A matte from a picture older than this no longer covers what it should."""


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
    return _sealed(frame, blend(frame.data, background, i420_alpha(alpha)))


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
    gone = i420_alpha(alpha) == 0
    height = frame.height
    data[:height][gone[:height]] = 0 if frame.color.full_range else 16
    data[height:][gone[height:]] = 128
    return Composite(data, frame.pts, frame.time_base, frame.color, alpha, _SEAL)


def passthrough(frame: Frame, consent: Consent) -> Composite:
    """The room as it is, bytes untouched: mode ``none``."""
    if not isinstance(consent, Consent):
        raise TypeError("the room is shown only on the user's own word")
    return Composite(frame.data, frame.pts, frame.time_base, frame.color, seal=_SEAL)


def i420_alpha(alpha: Alpha8) -> NDArray[np.uint8]:
    """Alpha for each byte of an I420 picture: as it is for luma, the mean of each 2x2 block for U and V alike."""
    height, width = alpha.shape
    data = blank(width, height)
    luma, u, v = planes(data)
    luma[:] = alpha
    cv2.resize(alpha, (width // 2, height // 2), dst=u, interpolation=cv2.INTER_AREA)
    v[:] = u
    return data


def blend(foreground: NDArray[np.uint8], background: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """foreground * alpha + background * (1 - alpha), all uint8 of one shape; exact at alpha 0 and 255, else within a level."""
    front = cv2.multiply(foreground, alpha, scale=1 / 255)
    back = cv2.multiply(background, cv2.bitwise_not(alpha), scale=1 / 255)
    return cv2.add(front, back, dst=front).astype(np.uint8, copy=False)


def _checked(frame: Frame, matte: Matte) -> Alpha8:
    if matte.alpha.shape != (frame.height, frame.width):
        raise ValueError(f"the matte is {matte.alpha.shape}, the frame {frame.height} by {frame.width}")
    if matte.time != frame.time:
        raise ValueError(f"the matte is for {matte.time} s, the frame is at {frame.time} s")
    if not 0 <= matte.time - matte.picture_time <= OLDEST_MATTE:
        raise ValueError(f"the matte's picture is {matte.time - matte.picture_time:.3f} s old")
    return matte.alpha


def _sealed(frame: Frame, data: NDArray[np.uint8]) -> Composite:
    return Composite(data, frame.pts, frame.time_base, frame.color, seal=_SEAL)
