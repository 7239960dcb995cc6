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
from livebg.compositing.foreground_estimation import MIN_WEIGHT, ForegroundEstimate, color_weights, downscale
from livebg.compositing.placeholder import draw_placeholder
from livebg.compositing.tone_curve import ToneCurve, light_weights, relight
from livebg.imaging.colorspace import convert_i420
from livebg.imaging.frame import _SEAL, Alpha8, ColorSpec, Composite, Frame, Matte, Planes, empty_i420, planes
from livebg.imaging.pyramid import Pyramid
from livebg.imaging.tiles import Grid, Plane
from livebg.native import edges

MAX_MATTE_AGE_S = 0.25
"""Seconds. A matte from an older picture may no longer cover the room."""


_KEY_LEVELS = (96, 232)
"""Levels of alpha that become 0 and 255 for a green screen."""

_TILE_SIDE = 8
"""Side length in pixels of the tiles in which edges are blended."""


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
    _blend(frame, matte.pyramid, data, light_wrap, curve)
    return Composite(data, frame.pts, frame.time_base, frame.color, seal=_SEAL)


def tighten(matte: Matte) -> Matte:
    """Returns the matte for a green screen: its edge shrunk by a third and hardened, so that a keyer finds no rim of the room and
    no semi-transparent pixels to remove green from."""
    return replace(matte, alpha=np.asarray(cv2.LUT(matte.alpha, _key_table()), np.uint8))


@lru_cache(maxsize=1)
def _key_table() -> Alpha8:
    low, high = _KEY_LEVELS
    return np.rint(np.clip((np.arange(256) - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def render_matte(frame: Frame, matte: Matte) -> Composite:
    """Returns alpha itself as a gray picture: luma = alpha over the full range 0..255, chroma neutral."""
    data = empty_i420(frame.width, frame.height)
    luma, *chroma = planes(data)
    luma[:] = _validated_alpha(frame, matte)
    for plane in chroma:
        plane[:] = 128
    color = replace(frame.color, full_range=True)
    return Composite(data, frame.pts, frame.time_base, color, seal=_SEAL)


def cutout(frame: Frame, matte: Matte, curve: ToneCurve | None = None) -> Composite:
    """Returns the person with straight alpha: their estimated color without the room's; the frame's bytes where alpha is 255.

    Where alpha is 0 the picture is black, so that the room cannot be recovered. ``curve`` brightens the person.
    """
    alpha = _validated_alpha(frame, matte)
    data = empty_i420(frame.width, frame.height)
    for plane, black in zip(planes(data), (0 if frame.color.full_range else 16, 128, 128), strict=True):
        plane[:] = black
    blend_tiles(frame.planes, alpha_planes(matte.pyramid), planes(data), straight=True, curve=curve)
    return Composite(data, frame.pts, frame.time_base, frame.color, alpha, _SEAL)


def plate(frame: Frame, matte: Matte, consent: Consent) -> Composite:
    """Returns the room with the person cut out, with straight alpha: 255 minus that of the matte.

    Where the person is fully visible the picture is black. At the edge it has the room's estimated color, without the person's.
    Raises TypeError without the user's consent.
    """
    if not isinstance(consent, Consent):
        raise TypeError("The room may be shown only with the user's consent.")
    return cutout(frame, replace(matte, alpha=np.asarray(cv2.bitwise_not(matte.alpha), np.uint8)))


def passthrough(frame: Frame, consent: Consent) -> Composite:
    """Returns the unmodified frame: mode ``none``. Raises TypeError without the user's consent."""
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
        """Returns the picture at ``pts * time_base`` seconds."""
        return Composite(self._data, pts, time_base, self._color, seal=_SEAL)


def with_pts(composite: Composite, pts: int, time_base: Fraction) -> Composite:
    """Returns the same picture with another time, for an output with its own clock. The arrays are shared. Raises TypeError for
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
    for plane, out in zip(composite.planes, planes(data), strict=True):
        out[:] = view.crop(plane, (out.shape[1], out.shape[0]))
    alpha = None if composite.alpha is None else view.crop(composite.alpha, size)
    return replace(composite, data=data, alpha=alpha)


def with_color(composite: Composite, color: ColorSpec) -> Composite:
    """Returns the same picture in another color space; the same object if it has that color."""
    if composite.color == color:
        return composite
    return replace(composite, data=convert_i420(composite.data, composite.color, color), color=color)


def alpha_planes(alpha: Pyramid) -> Planes:
    """Returns alpha, of even size, for each plane of an I420 picture: unchanged for luma, the mean of each 2x2 block for U and
    V."""
    return alpha.halved(0), alpha.halved(1), alpha.halved(1)


def _blend(frame: Frame, alpha: Pyramid, out: NDArray[np.uint8], light_wrap: float, curve: ToneCurve | None) -> None:
    """Blend the person in ``frame`` over the background in ``out``."""
    shares = alpha.halved(0)
    compiled = edges.edge_kernels(shares.shape)
    if compiled is None:
        blend_tiles(frame.planes, alpha_planes(alpha), planes(out), light_wrap=light_wrap, curve=curve)
    elif cv2.hasNonZero(shares):
        colors = edges.estimate(compiled, downscale(frame.planes, shares), MIN_WEIGHT)
        edges.blend(compiled, frame.data, shares, colors, blend_weights(light_wrap, curve), out)


def blend_tiles(
    picture: Planes,
    alphas: Planes,
    out: Planes,
    *,
    straight: bool = False,
    light_wrap: float = 0.0,
    curve: ToneCurve | None = None,
) -> None:
    """Blend the person in ``picture`` over the background in ``out``; with ``straight``, replace it instead of blending.

    Pixels that are all foreground are copied; only tiles that contain an edge are blended, in chunks. All are computed before the
    first is written, since tiles overlap if the size is not a multiple of theirs.
    """
    mixed = []
    lit = picture if curve is None else curve.planes(picture)
    edge = Grid(alphas[0].shape, _TILE_SIDE).mixed(alphas[0])
    if len(edge):
        estimate = ForegroundEstimate(picture, alphas)
        for tiles in edge.chunks():
            halves = tiles.of_chroma()
            each = zip((tiles, halves, halves), out, estimate.tiles(tiles), picture, lit, strict=True)
            for own, plane, (person, alpha), seen, bright in each:
                if curve is not None:
                    person = relight(person, alpha, own.read(seen), own.read(bright))
                behind = own.read(plane)
                shown = _unpremultiply(person, alpha, behind) if straight else _over(person, alpha, behind, light_wrap)
                mixed.append((own, plane, shown))
    for source, alpha, plane in zip(lit, alphas, out, strict=True):
        cv2.copyTo(source, alpha, plane)
    for own, plane, values in mixed:
        own.write(plane, values)


def _unpremultiply(person: Plane, alpha: Plane, behind: Plane) -> Plane:
    """Returns ``person``, premultiplied by ``alpha``, as straight color, and ``behind`` where alpha is 0."""
    shown = cv2.divide(person, alpha, scale=255)
    cv2.copyTo(behind, (alpha == 0).view(np.uint8), shown)
    return np.asarray(shown, np.uint8)


def _over(person: Plane, alpha: Plane, behind: Plane, light_wrap: float) -> Plane:
    """Composite ``person``, premultiplied by ``alpha``, over ``behind``."""
    rest = cv2.bitwise_not(alpha)
    if light_wrap:
        kept, rest = (cv2.LUT(alpha, table) for table in _light_wrap_tables(light_wrap))
        person = np.asarray(cv2.multiply(person, kept, scale=1 / 255), np.uint8)
    return np.asarray(cv2.add(cv2.multiply(behind, rest, scale=1 / 255), person), np.uint8)


@lru_cache(maxsize=2)
def blend_weights(light_wrap: float, curve: ToneCurve | None = None) -> Plane:
    """Returns the tables of :func:`livebg.native.edges.blend`, (256, 8)."""
    light = [np.zeros(256, np.uint8)] * 3 if curve is None else [curve.luma, curve.gain, light_weights()]
    return np.stack([*color_weights(), *_light_wrap_tables(light_wrap), *light], axis=1)


@lru_cache(maxsize=2)
def _light_wrap_tables(light_wrap: float) -> tuple[Plane, Plane]:
    """Returns tables by level of alpha: the share of light that the person keeps, and the share that the background
    contributes."""
    alpha = np.arange(256) / 255
    kept = 1 - light_wrap * (1 - alpha)
    return np.rint(kept * 255).astype(np.uint8), np.rint((1 - alpha * kept) * 255).astype(np.uint8)


def _validated_alpha(frame: Frame, matte: Matte) -> Alpha8:
    if matte.alpha.shape != (frame.height, frame.width):
        raise ValueError(f"The matte has shape {matte.alpha.shape}, the frame {frame.height} by {frame.width}.")
    if matte.time != frame.time:
        raise ValueError(f"The matte is for {matte.time} s, the frame is at {frame.time} s.")
    if not 0 <= matte.time - matte.picture_time <= MAX_MATTE_AGE_S:
        raise ValueError(f"The matte's picture is {matte.time - matte.picture_time:.3f} s old.")
    return matte.alpha
