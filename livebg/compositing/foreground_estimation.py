"""Estimates the person's color in pixels where the camera recorded a mixture of person and room."""

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha8, Planes
from livebg.imaging.pyramid import split_channels
from livebg.imaging.tiles import Plane, Tiles

_SMALL_HEIGHT: Final = 45
"""Approximate height of the downscaled picture for the color estimate: doubling it reduces the remaining error by 10 %."""

_RADII: Final = (2, 1)
"""Radii in pixels of the downscaled picture, large to small: the second pass refines the first and resolves strands of hair and
fingers."""

MIN_WEIGHT: Final = 1e-4
"""Minimum weight of each pixel: far from person or room the estimate falls back to the picture's own colors."""

Colors = NDArray[np.float32]
Mixture = tuple[Plane, Plane]
"""The person's color premultiplied by alpha, and alpha."""


class ForegroundEstimate:
    """Estimates the person's color along their outline, with the room's removed.

    Blurred fusion (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021) directly on the I420 planes: around each
    pixel the mean color of the person F and of the room B are estimated, weighting each pixel by the square of its share. The
    residual that F * alpha + B * (1 - alpha) does not explain is divided between the two. The estimate is computed on a
    downscaled picture, the rest only for requested pixels.

    ``alphas`` are those of each plane, from :func:`livebg.compositing.blending.alpha_planes`.
    """

    def __init__(self, picture: Planes, alphas: Planes) -> None:
        self._picture, self._alphas = picture, alphas
        self._person, self._room = estimate_colors(downscale(picture, alphas[0]))

    def tiles(self, tiles: Tiles) -> list[Mixture]:
        """Return for Y, U and V the person's color premultiplied by alpha, and alpha, both uint8.

        All are (height, tiles * width), for U and V of half the tiles' size. Where alpha is 255 the color is the picture's, where
        it is 0 it is 0. Exact within two levels.
        """
        halves = tiles.of_chroma()
        maps = halves.maps(self._picture[1].shape, self._person.shape)
        # Y, U and V of the downscaled pictures at the tiles' pixels.
        spread = [
            cv2.remap(small, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for small in (self._person, self._room)
        ]
        person, room = (split_channels(np.asarray(colors, np.uint8))[:3] for colors in spread)
        # The estimate is so smooth that luma needs no interpolation between two chroma samples.
        person[0], room[0] = _double(person[0]), _double(room[0])
        luma, chroma = tiles.read(self._alphas[0]), halves.read(self._alphas[1])
        each = zip((tiles, halves, halves), self._picture, (luma, chroma, chroma), person, room, strict=True)
        return [_unmix(own.read(plane), alpha, theirs, its) for own, plane, alpha, theirs, its in each]


def _double(plane: Plane) -> Plane:
    size = 2 * plane.shape[1], 2 * plane.shape[0]
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def _unmix(seen: Plane, alpha: Plane, person: Plane, room: Plane) -> Mixture:
    """Estimate the person's part of ``seen``: alpha times ``person``, plus the person's part of the residual.

    The estimate with the larger share more likely caused the residual, so it is divided by the squares of the shares, as the
    nearest pair of colors that explains all of it would. In full it is m * seen + (1 - a) * q * person - a * q * room with q = a
    * (1 - a) / (a² + (1 - a)²), and m such that the weights add up to a.
    """
    of_seen, of_person, of_room = (cv2.LUT(alpha, table) for table in color_weights())
    theirs = cv2.multiply(seen, of_seen, scale=1 / 255)
    cv2.add(theirs, cv2.multiply(person, of_person, scale=1 / 255), dst=theirs)
    cv2.subtract(theirs, cv2.multiply(room, of_room, scale=1 / 255), dst=theirs)
    return np.asarray(theirs, np.uint8), alpha


@lru_cache(maxsize=1)
def color_weights() -> tuple[Plane, Plane, Plane]:
    """Return tables by level of alpha: the weights of the observed, the person's and the room's color."""
    alpha = np.arange(256) / 255
    share = alpha * (1 - alpha) / (alpha**2 + (1 - alpha) ** 2)
    person, room = (np.rint(255 * share * part).astype(np.int64) for part in (1 - alpha, alpha))
    seen = np.arange(256) - person + room
    return seen.astype(np.uint8), person.astype(np.uint8), room.astype(np.uint8)


def downscale(picture: Planes, alpha: Alpha8) -> list[Plane]:
    """Return Y, U, V and alpha, downscaled to one size for the estimate of colors."""
    shrink = max(min(alpha.shape) / _SMALL_HEIGHT, 1)
    size = max(round(alpha.shape[1] / shrink), 1), max(round(alpha.shape[0] / shrink), 1)
    # Sample instead of averaging, for picture and alpha alike: a mean takes longer than everything that follows.
    return [np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.uint8) for plane in (*picture, alpha)]


def estimate_colors(planes: list[Plane]) -> tuple[Plane, Plane]:
    """Return the mean colors of person and room around each pixel of a picture: uint8, (height, width, 4), the last is 1.

    ``planes`` are Y, U, V and alpha, uint8, (height, width), from :func:`downscale`.
    """
    seen = np.asarray(cv2.merge([*planes[:3], np.ones_like(planes[3])]), np.float32)
    share = np.asarray(cv2.merge([planes[3]] * 4) * np.float32(1 / 255), np.float32)
    rest = 1 - share
    counts = share * share + MIN_WEIGHT, rest * rest + MIN_WEIGHT
    person = room = seen
    for radius in _RADII[:-1]:
        person, room = _mean(person, counts[0], radius), _mean(room, counts[1], radius)
        unexplained = seen - share * person - rest * room
        person, room = _add(person, share * unexplained), _add(room, rest * unexplained)
    last = _mean(person, counts[0], _RADII[-1]), _mean(room, counts[1], _RADII[-1])
    return np.rint(last[0]).astype(np.uint8), np.rint(last[1]).astype(np.uint8)


def _mean(colors: Colors, count: Colors, radius: int) -> Colors:
    summed = cv2.blur(colors * count, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(summed * cv2.merge([1 / cv2.extractChannel(summed, 3)] * 4), np.float32)


def _add(colors: Colors, change: Colors) -> Colors:
    change += colors
    return np.clip(change, 0, 255, out=change)
