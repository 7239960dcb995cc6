"""The only place where a Composite is made, so the only door through which a picture leaves.

Each function asks for what makes its picture fit to be shown: a matte for this very frame, the user's own word, a size to draw
a placeholder at, or a picture that was fit already.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.compositing.auto_framing import View
from livebg.compositing.foreground_estimation import ForegroundEstimate
from livebg.compositing.placeholder import calm_picture
from livebg.imaging.frame import _SEAL, Alpha8, ColorSpec, Composite, Frame, Matte, Planes, blank, planes
from livebg.imaging.pyramid import Pyramid
from livebg.imaging.tiles import Grid, Plane

OLDEST_MATTE = 0.25
"""Seconds. A matte from a picture older than this no longer covers what it should."""


_TIGHT = (96, 232)
"""Levels of alpha that become 0 and 255 before a green screen."""

_SIDE = 8
"""Pixels of a tile that an edge goes through."""


@dataclass(frozen=True, slots=True)
class Consent:
    """The user's own word, in this run, that the room may be shown. Made by the command line alone (a test sees to it)."""

    command: str


def composite(
    frame: Frame, background: NDArray[np.uint8], matte: Matte, *, in_place: bool = False, light_wrap: float = 0.0
) -> Composite:
    """Lay the person over ``background``, I420 of the frame's size and colour: com = fgr * alpha + bgr * (1 - alpha).

    Where alpha is 255 the bytes equal the frame's, where it is 0 the background's. Between, the person's own colour is laid on,
    with the room's taken out. ``in_place`` has the background's own array become the picture, for who needs it no more.
    ``light_wrap``, 0..1, is how much the background's light reaches round the edge: there the person keeps
    1 - light_wrap * (1 - alpha) of their light, and the background makes up for it. Raises ValueError when the matte is not for
    this frame or too old.
    """
    _checked(frame, matte)
    if background.shape != frame.data.shape:
        raise ValueError(f"the background is {background.shape}, the frame {frame.data.shape}")
    data = background if in_place else background.copy()
    _lay(frame.planes, plane_alphas(matte.pyramid), planes(data), light_wrap=light_wrap)
    return Composite(data, frame.pts, frame.time_base, frame.color, seal=_SEAL)


def tightened(matte: Matte) -> Matte:
    """The matte for a green screen: its edge drawn in by a third and hardened, so that a keyer finds no rim of the room, and
    nothing half transparent that it would have to take the green out of."""
    return replace(matte, alpha=np.asarray(cv2.LUT(matte.alpha, _tight()), np.uint8))


@lru_cache(maxsize=1)
def _tight() -> Alpha8:
    low, high = _TIGHT
    return np.rint(np.clip((np.arange(256) - low) / (high - low), 0, 1) * 255).astype(np.uint8)


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
    """The person with straight alpha: their own colour under it, with the room's taken out; the frame's bytes where alpha is 255.

    Where alpha is 0 the picture is black, so that the room cannot be brought back.
    """
    alpha = _checked(frame, matte)
    data = blank(frame.width, frame.height)
    for plane, black in zip(planes(data), (0 if frame.color.full_range else 16, 128, 128), strict=True):
        plane[:] = black
    _lay(frame.planes, plane_alphas(matte.pyramid), planes(data), straight=True)
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


def part_of(composite: Composite, view: View) -> Composite:
    """A part of the picture, and of its alpha, at the whole one's size; the very same where the view is the whole frame."""
    if view.is_whole:
        return composite
    data = blank(composite.width, composite.height)
    for plane, out in zip(planes(composite.data), planes(data), strict=True):
        out[:] = view.cut_out(plane)
    alpha = None if composite.alpha is None else view.cut_out(composite.alpha)
    return replace(composite, data=data, alpha=alpha)


def plane_alphas(alpha: Pyramid) -> Planes:
    """Alpha, of even size, for each plane of an I420 picture: as it is for luma, the mean of each 2x2 block for U and V."""
    return alpha.halved(0), alpha.halved(1), alpha.halved(1)


def _lay(picture: Planes, alphas: Planes, out: Planes, *, straight: bool = False, light_wrap: float = 0.0) -> None:
    """Lay the person in ``picture`` over the background that is in ``out``; ``straight`` is without mixing them.

    What is all of the person is copied, and only the tiles that an edge goes through are mixed, some at a time: all of them
    before the first is written, since they overlap where the size is no multiple of theirs.
    """
    mixed = []
    edge = Grid(alphas[0].shape, _SIDE).mixed(alphas[0])
    if len(edge):
        estimate = ForegroundEstimate(picture, alphas)
        for tiles in edge.chunks():
            halves = tiles.of_chroma()
            for own, plane, (person, alpha) in zip((tiles, halves, halves), out, estimate.tiles(tiles), strict=True):
                behind = own.read(plane)
                shown = _cut_out(person, alpha, behind) if straight else _blended(person, alpha, behind, light_wrap)
                mixed.append((own, plane, shown))
    for source, alpha, plane in zip(picture, alphas, out, strict=True):
        cv2.copyTo(source, alpha, plane)
    for own, plane, values in mixed:
        own.write(plane, values)


def _cut_out(person: Plane, alpha: Plane, behind: Plane) -> Plane:
    """``person``, which is that already times ``alpha``, as it is by itself, and what is behind where there is nothing of it."""
    shown = cv2.divide(person, alpha, scale=255)
    cv2.copyTo(behind, (alpha == 0).view(np.uint8), shown)
    return np.asarray(shown, np.uint8)


def _blended(person: Plane, alpha: Plane, behind: Plane, light_wrap: float) -> Plane:
    """``person``, which is that already times ``alpha``, before what is behind."""
    rest = cv2.bitwise_not(alpha)
    if light_wrap:
        kept, rest = (cv2.LUT(alpha, table) for table in _wrapped(light_wrap))
        person = np.asarray(cv2.multiply(person, kept, scale=1 / 255), np.uint8)
    return np.asarray(cv2.add(cv2.multiply(behind, rest, scale=1 / 255), person), np.uint8)


@lru_cache(maxsize=2)
def _wrapped(light_wrap: float) -> tuple[Plane, Plane]:
    """By level of alpha how much of their light the person keeps, and how much of its own the background gives."""
    alpha = np.arange(256) / 255
    kept = 1 - light_wrap * (1 - alpha)
    return np.rint(kept * 255).astype(np.uint8), np.rint((1 - alpha * kept) * 255).astype(np.uint8)


def _checked(frame: Frame, matte: Matte) -> Alpha8:
    if matte.alpha.shape != (frame.height, frame.width):
        raise ValueError(f"the matte is {matte.alpha.shape}, the frame {frame.height} by {frame.width}")
    if matte.time != frame.time:
        raise ValueError(f"the matte is for {matte.time} s, the frame is at {frame.time} s")
    if not 0 <= matte.time - matte.picture_time <= OLDEST_MATTE:
        raise ValueError(f"the matte's picture is {matte.time - matte.picture_time:.3f} s old")
    return matte.alpha
