"""What colour the person has where the camera saw a mixture of them and the room."""

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha8, Planes
from livebg.imaging.pyramid import channels
from livebg.imaging.tiles import Plane, Tiles

_LINES: Final = 45
"""About how many lines the small picture has that colours are gathered on: twice as many take a tenth off what error is left."""

_RADII: Final = (2, 1)
"""Pixels of the small picture from which colours are gathered, far off first: the second look starts from what the first found,
and so knows strands and fingers from what lies between them."""

_TRACE: Final = np.float32(1e-4)
"""What every pixel counts at least: where nobody or no room is near, the picture's own colours are told."""

Colours = NDArray[np.float32]
Mixture = tuple[Plane, Plane]
"""The person's colours times alpha, and alpha."""


class ForegroundEstimate:
    """The person's own colours along their outline, with the room's taken out.

    By blurred fusion (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021) on the planes as they come: near each
    pixel the mean colour of the person F and of the room B are gathered, each pixel counting by the square of its share. What
    F * alpha + B * (1 - alpha) then leaves unexplained is shared out between the two. The colours are gathered on a
    small picture, the rest is told for the pixels that are asked for.

    ``alphas`` are those of each plane, as :func:`livebg.compositing.composite.plane_alphas` gives them.
    """

    def __init__(self, picture: Planes, alphas: Planes) -> None:
        self._picture, self._alphas = picture, alphas
        self._person, self._room = _gathered(picture, alphas[0])

    def tiles(self, tiles: Tiles) -> list[Mixture]:
        """For Y, U and V the person's colours times alpha, and alpha, both uint8.

        All are (height, tiles * width), U's and V's of half the tiles' size. Where alpha is 255 the colour is the picture's,
        where it is 0 there is none. Exact within two levels.
        """
        halves = tiles.of_chroma()
        maps = halves.maps(self._picture[1].shape, self._person.shape)
        person, room = (self._spread(small, maps) for small in (self._person, self._room))
        # What was gathered changes so slowly that luma does without what lies between two chroma samples.
        person[0], room[0] = _doubled(person[0]), _doubled(room[0])
        luma, chroma = tiles.read(self._alphas[0]), halves.read(self._alphas[1])
        each = zip((tiles, halves, halves), self._picture, (luma, chroma, chroma), person, room, strict=True)
        return [_unmixed(own.read(plane), alpha, theirs, its) for own, plane, alpha, theirs, its in each]

    @staticmethod
    def _spread(small: Plane, maps: tuple[Colours, Colours]) -> list[Plane]:
        """Y, U and V of the small picture where the ``maps`` lead."""
        spread = cv2.remap(small, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return channels(np.asarray(spread, np.uint8))[:3]


def _doubled(plane: Plane) -> Plane:
    size = 2 * plane.shape[1], 2 * plane.shape[0]
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def _unmixed(seen: Plane, alpha: Plane, person: Plane, room: Plane) -> Mixture:
    """What of ``seen`` is the person's: alpha times ``person``, and of what the two do not explain the person's part.

    Of two that may be wrong about a colour the one with the larger share is the likelier: what is unexplained is shared out by
    the squares, as the nearest pair of colours that explains all of it would. In full it is
    m * seen + (1 - a) * q * person - a * q * room with q = a * (1 - a) / (a² + (1 - a)²), and m what makes the weights add up to
    a.
    """
    of_seen, of_person, of_room = (cv2.LUT(alpha, table) for table in _weights())
    theirs = cv2.multiply(seen, of_seen, scale=1 / 255)
    cv2.add(theirs, cv2.multiply(person, of_person, scale=1 / 255), dst=theirs)
    cv2.subtract(theirs, cv2.multiply(room, of_room, scale=1 / 255), dst=theirs)
    return np.asarray(theirs, np.uint8), alpha


@lru_cache(maxsize=1)
def _weights() -> tuple[Plane, Plane, Plane]:
    """By level of alpha how much counts what is seen, what the person's colour is and what the room's is."""
    alpha = np.arange(256) / 255
    share = alpha * (1 - alpha) / (alpha**2 + (1 - alpha) ** 2)
    person, room = (np.rint(255 * share * part).astype(np.int64) for part in (1 - alpha, alpha))
    seen = np.arange(256) - person + room
    return seen.astype(np.uint8), person.astype(np.uint8), room.astype(np.uint8)


def _gathered(picture: Planes, alpha: Alpha8) -> tuple[Plane, Plane]:
    """The mean colours of person and room near each pixel of the small picture: uint8, (height, width, 4), the last is 1."""
    shrink = max(min(alpha.shape) / _LINES, 1)
    size = max(round(alpha.shape[1] / shrink), 1), max(round(alpha.shape[0] / shrink), 1)
    # A few pixels stand for their neighbours, of the picture and of alpha alike: a mean takes longer than all that follows.
    planes = [_sampled(plane, size) for plane in (*picture, alpha)]
    seen = np.asarray(cv2.merge([*planes[:3], np.ones_like(planes[3])]), np.float32)
    share = np.asarray(cv2.merge([planes[3]] * 4) * np.float32(1 / 255), np.float32)
    rest = 1 - share
    counts = share * share + _TRACE, rest * rest + _TRACE
    person = room = seen
    for radius in _RADII[:-1]:
        person, room = _mean(person, counts[0], radius), _mean(room, counts[1], radius)
        unexplained = seen - share * person - rest * room
        person, room = _add(person, share * unexplained), _add(room, rest * unexplained)
    last = _mean(person, counts[0], _RADII[-1]), _mean(room, counts[1], _RADII[-1])
    return np.rint(last[0]).astype(np.uint8), np.rint(last[1]).astype(np.uint8)


def _sampled(plane: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _mean(colours: Colours, count: Colours, radius: int) -> Colours:
    summed = cv2.blur(colours * count, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(summed * cv2.merge([1 / cv2.extractChannel(summed, 3)] * 4), np.float32)


def _add(colours: Colours, change: Colours) -> Colours:
    change += colours
    return np.clip(change, 0, 255, out=change)
