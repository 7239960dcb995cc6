"""Blends a person over a background: the arithmetic of a composite, which does not decide what is safe to show."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.compositing.foreground_estimation import MIN_WEIGHT, ForegroundEstimate, color_weights, downscale
from livebg.compositing.tone_curve import ToneCurve, light_weights, relight
from livebg.imaging.frame import Frame, Planes, planes
from livebg.imaging.pyramid import Pyramid
from livebg.imaging.tiles import Grid, Plane
from livebg.native import edges

_TILE_SIDE = 8
"""Side length in pixels of the tiles in which edges are blended."""


def alpha_planes(alpha: Pyramid) -> Planes:
    """Return alpha, of even size, for each plane of an I420 picture: unchanged for luma, the mean of each 2x2 block for U and
    V."""
    return alpha.halved(0), alpha.halved(1), alpha.halved(1)


def blend(frame: Frame, alpha: Pyramid, out: NDArray[np.uint8], light_wrap: float, curve: ToneCurve | None) -> None:
    """Blend the person in ``frame``, by ``alpha``, over the background in ``out``, I420 of the frame's size.

    ``light_wrap`` and ``curve`` are those of :func:`livebg.compositing.composite.composite`.
    """
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
    """Return ``person``, premultiplied by ``alpha``, as straight color, and ``behind`` where alpha is 0."""
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
    """Return the tables of :func:`livebg.native.edges.blend`, (256, 8)."""
    light = [np.zeros(256, np.uint8)] * 3 if curve is None else [curve.luma, curve.gain, light_weights()]
    return np.stack([*color_weights(), *_light_wrap_tables(light_wrap), *light], axis=1)


@lru_cache(maxsize=2)
def _light_wrap_tables(light_wrap: float) -> tuple[Plane, Plane]:
    """Return tables by level of alpha: the share of light that the person keeps, and the share that the background
    contributes."""
    alpha = np.arange(256) / 255
    kept = 1 - light_wrap * (1 - alpha)
    return np.rint(kept * 255).astype(np.uint8), np.rint((1 - alpha * kept) * 255).astype(np.uint8)
