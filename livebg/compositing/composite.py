"""Creates composites. This is the only module that can, so every picture that leaves livebg passes through here.

Each function requires what makes its picture safe to show: a matte for this very frame, the user's consent, a size for a
placeholder, or an existing composite.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.compositing.auto_framing import CropWindow
from livebg.compositing.blending import alpha_planes, blend, blend_tiles
from livebg.compositing.placeholder import draw_placeholder
from livebg.compositing.tone_curve import ToneCurve
from livebg.imaging.colorspace import convert_i420
from livebg.imaging.frame import _SEAL, Alpha8, ColorSpec, Composite, Frame, Matte, empty_i420, planes
from livebg.imaging.pyramid import Pyramid

MAX_MATTE_AGE_S = 0.25
"""Seconds. A matte from an older picture may no longer cover the room."""

_KEY_LEVELS = (96, 232)
"""Levels of alpha that become 0 and 255 for a green screen."""


@dataclass(frozen=True, slots=True)
class Consent:
    """The user's explicit consent, for this run, to show the room. Only the command line creates it, which a test verifies."""

    command: str


def composite(
    frame: Frame,
    background: NDArray[np.uint8],
    matte: Matte,
    *,
    in_place: bool = False,
    light_wrap: float = 0.0,
    curve: ToneCurve | None = None,
) -> Composite:
    """Composite the person over ``background``, I420 of the frame's size and color: com = fgr * alpha + bgr * (1 - alpha).

    Where alpha is 255 the bytes equal the frame's, where it is 0 the background's. In between, the person's estimated color is
    blended, without the room's. ``in_place`` writes the result into the background's array. ``light_wrap``, 0..1, is how much of
    the background's light wraps around the edge: there the person keeps 1 - light_wrap * (1 - alpha) of their light, and the
    background supplies the rest. ``curve`` brightens the person, before anything is blended. Raises ValueError if the matte
    belongs to another frame or is too old.
    """
    _validated_alpha(frame, matte)
    if background.shape != frame.data.shape:
        raise ValueError(f"The background has shape {background.shape}, the frame {frame.data.shape}.")
    data = background if in_place else background.copy()
    blend(frame, matte.pyramid, data, light_wrap, curve)
    return Composite(data, frame.pts, frame.time_base, frame.color, seal=_SEAL)


def tighten(matte: Matte) -> Matte:
    """Return the matte for a green screen: its edge shrunk by a third and hardened, so that a keyer finds no rim of the room and
    no semi-transparent pixels to remove green from."""
    return replace(matte, alpha=np.asarray(cv2.LUT(matte.alpha, _key_table()), np.uint8))


@lru_cache(maxsize=1)
def _key_table() -> Alpha8:
    low, high = _KEY_LEVELS
    return np.rint(np.clip((np.arange(256) - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def render_matte(frame: Frame, matte: Matte) -> Composite:
    """Return alpha itself as a gray picture: luma = alpha over the full range 0..255, chroma neutral."""
    data = empty_i420(frame.width, frame.height)
    luma, *chroma = planes(data)
    luma[:] = _validated_alpha(frame, matte)
    for plane in chroma:
        plane[:] = 128
    color = replace(frame.color, full_range=True)
    return Composite(data, frame.pts, frame.time_base, color, seal=_SEAL)


def cutout(frame: Frame, matte: Matte, curve: ToneCurve | None = None) -> Composite:
    """Return the person with straight alpha: their estimated color without the room's; the frame's bytes where alpha is 255.

    Where alpha is 0 the picture is black, so that the room cannot be recovered. ``curve`` brightens the person.
    """
    alpha = _validated_alpha(frame, matte)
    data = empty_i420(frame.width, frame.height)
    for plane, black in zip(planes(data), _black(frame.color), strict=True):
        plane[:] = black
    blend_tiles(frame.planes, alpha_planes(matte.pyramid), planes(data), straight=True, curve=curve)
    return Composite(data, frame.pts, frame.time_base, frame.color, alpha, _SEAL)


def plate(frame: Frame, matte: Matte, consent: Consent) -> Composite:
    """Return the room with the person cut out, with straight alpha: 255 minus that of the matte.

    Where the person is fully visible the picture is black. At the edge it has the room's estimated color, without the person's.
    Raises TypeError without the user's consent.
    """
    if not isinstance(consent, Consent):
        raise TypeError("The room may be shown only with the user's consent.")
    return cutout(frame, replace(matte, alpha=np.asarray(cv2.bitwise_not(matte.alpha), np.uint8)))


def passthrough(frame: Frame, consent: Consent) -> Composite:
    """Return the unmodified frame: mode ``none``. Raises TypeError without the user's consent."""
    if not isinstance(consent, Consent):
        raise TypeError("The room may be shown only with the user's consent.")
    return Composite(frame.data, frame.pts, frame.time_base, frame.color, seal=_SEAL)


class Placeholder:
    """The picture shown while there is no composite, drawn once; ``width`` and ``height`` are even."""

    def __init__(self, width: int, height: int, color: ColorSpec) -> None:
        self._color = color
        self._data = draw_placeholder(width, height, color)
        self._data.flags.writeable = False  # shared by all composites

    def at(self, pts: int, time_base: Fraction) -> Composite:
        """Return the picture at ``pts * time_base`` seconds."""
        return Composite(self._data, pts, time_base, self._color, seal=_SEAL)


def with_pts(composite: Composite, pts: int, time_base: Fraction) -> Composite:
    """Return the same picture with another time, for an output with its own clock. The arrays are shared. Raises TypeError for
    anything but a composite."""
    if not isinstance(composite, Composite):
        raise TypeError(f"Only a composite can be given another time, got {type(composite).__name__}.")
    return replace(composite, pts=pts, time_base=time_base)


def crop(composite: Composite, view: CropWindow, size: tuple[int, int] | None = None) -> Composite:
    """Crop the picture and its alpha and scale them to ``size`` (width, height), by default the composite's.

    Returns the same object if nothing changes.
    """
    width, height = size = size or (composite.width, composite.height)
    if view.is_full_frame and size == (composite.width, composite.height):
        return composite
    data = empty_i420(width, height)
    if composite.alpha is not None:
        alpha = view.crop(composite.alpha, size)
        _crop_straight(composite, composite.alpha, view, data, alpha)
        return replace(composite, data=data, alpha=alpha)
    for plane, out in zip(composite.planes, planes(data), strict=True):
        out[:] = view.crop(plane, (out.shape[1], out.shape[0]))
    return replace(composite, data=data)


def _crop_straight(composite: Composite, before: Alpha8, view: CropWindow, out: NDArray[np.uint8], after: Alpha8) -> None:
    """Crop a picture with straight alpha ``before`` into ``out``, whose alpha is ``after``. Each pixel counts by its alpha, so
    that the black around the person does not darken their edge."""
    shares = (alpha_planes(Pyramid(alpha)) for alpha in (before, after))
    each = zip(composite.planes, planes(out), *shares, _black(composite.color), strict=True)
    for plane, target, share, visible, black in each:
        size, weight = (target.shape[1], target.shape[0]), share.astype(np.float32)
        color = view.crop((plane - np.float32(black)) * weight, size) / np.maximum(view.crop(weight, size), np.float32(1e-3))
        target[:] = np.where(visible > 0, np.rint(color + np.float32(black)).clip(0, 255), black)


def _black(color: ColorSpec) -> tuple[int, int, int]:
    return 0 if color.full_range else 16, 128, 128


def with_color(composite: Composite, color: ColorSpec) -> Composite:
    """Return the same picture in another color space; the same object if it has that color."""
    if composite.color == color:
        return composite
    return replace(composite, data=convert_i420(composite.data, composite.color, color), color=color)


def _validated_alpha(frame: Frame, matte: Matte) -> Alpha8:
    if matte.alpha.shape != (frame.height, frame.width):
        raise ValueError(f"The matte has shape {matte.alpha.shape}, the frame {frame.height} by {frame.width}.")
    if matte.time != frame.time:
        raise ValueError(f"The matte is for {matte.time} s, the frame is at {frame.time} s.")
    if not 0 <= matte.time - matte.picture_time <= MAX_MATTE_AGE_S:
        raise ValueError(f"The matte's picture is {matte.time - matte.picture_time:.3f} s old.")
    return matte.alpha
