"""What colour the person has where the camera saw a mixture of them and the room."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.frame import Alpha8, Planes
from livebg.tiles import Tiles, doubled

_LINES: Final = 60
"""About how many lines the small picture has that colours are gathered on: twice as many gain nothing that can be measured."""

_RADII: Final = (2, 1)
"""Pixels of the small picture from which colours are gathered, far off first: the second look starts from what the first found,
and so knows strands and fingers from what lies between them."""

_TRACE: Final = np.float32(1e-4)
"""What every pixel counts at least: where nobody or no room is near, the picture's own colours are told."""

Colours = NDArray[np.float32]


class ForegroundEstimate:
    """The person's own colours along their outline, with the room's taken out.

    By blurred fusion (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021) on the planes as they come: near each
    pixel the mean colour of the person F and of the room B are gathered, each pixel counting by the square of its share. What
    F * alpha + B * (1 - alpha) then leaves unexplained is shared out between the two. The colours are gathered on a
    small picture, the rest is told for the pixels that are asked for.

    ``alphas`` are those of each plane, as :func:`livebg.compositing.plane_alphas` gives them.
    """

    def __init__(self, picture: Planes, alphas: Planes) -> None:
        self._picture, self._alphas = picture, alphas
        self._person, self._room = _gathered(picture, alphas[0])

    def tiles(self, tiles: Tiles) -> list[tuple[Colours, Colours]]:
        """For Y, U and V the person's colour, float32 0..255, and the plane's alpha, 0..1.

        All are (tiles, height, width), U and V of half the tiles' size. Where alpha is 1 the colour is the picture's.
        """
        halves = tiles.of_chroma()
        columns, rows = halves.maps(self._picture[1].shape, self._person.shape)
        people, rooms = (self._spread(small, columns, rows, halves) for small in (self._person, self._room))
        weight = np.float32(1 / 255)
        told = []
        for number, (plane, alpha) in enumerate(zip(self._picture, self._alphas, strict=True)):
            own = halves if number else tiles
            if number < 2:
                share = own.read(alpha) * weight
            # What was gathered changes so slowly that luma does without what lies between two chroma samples.
            person, room = (each[number] if number else doubled(each[0]) for each in (people, rooms))
            told.append((_unmixed(own.read(plane), share, person, room), share))
        return told

    @staticmethod
    def _spread(small: Colours, columns: Colours, rows: Colours, tiles: Tiles) -> list[Colours]:
        spread = cv2.remap(small, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return [np.asarray(plane, np.float32).reshape(len(tiles), *tiles.side) for plane in cv2.split(spread)]


def _unmixed(seen: NDArray[np.uint8], share: Colours, person: Colours, room: Colours) -> Colours:
    """``person``, with what the two do not explain of what is ``seen``, by the share of the person in it."""
    unexplained = seen - room
    unexplained -= share * (person - room)
    # Of two that may be wrong about a colour the one with the larger share is the likelier: what is unexplained is shared out by
    # the squares, as the nearest pair of colours that explains all of it would.
    rest = 1 - share
    unexplained *= share / (share * share + rest * rest)
    unexplained += person
    return np.clip(unexplained, 0, 255, out=unexplained)


def _gathered(picture: Planes, alpha: Alpha8) -> tuple[Colours, Colours]:
    """The mean colours of person and room near each pixel of the small picture: float32, (height, width, 4), the last is 1."""
    shrink = max(min(alpha.shape) / _LINES, 1)
    size = max(round(alpha.shape[1] / shrink), 1), max(round(alpha.shape[0] / shrink), 1)
    # One pixel in four stands for its neighbours, of the picture and of alpha alike: a mean takes longer than all that follows.
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
    return _mean(person, counts[0], _RADII[-1]), _mean(room, counts[1], _RADII[-1])


def _sampled(plane: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    few = cv2.resize(plane, (2 * size[0], 2 * size[1]), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.resize(few, size, interpolation=cv2.INTER_AREA), np.uint8)


def _mean(colours: Colours, count: Colours, radius: int) -> Colours:
    summed = cv2.blur(colours * count, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(summed * cv2.merge([1 / cv2.extractChannel(summed, 3)] * 4), np.float32)


def _add(colours: Colours, change: Colours) -> Colours:
    change += colours
    return np.clip(change, 0, 255, out=change)
