"""Planes: made smaller, by halves and to any size, and taken apart."""

import math
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", np.uint8, np.float32)


def halved(plane: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    """Area averages by two, again and again: OpenCV has a fast path for exactly this step."""
    for _ in range(times):
        size = (max(plane.shape[1] // 2, 1), max(plane.shape[0] // 2, 1))
        plane = np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)
    return plane


def resized(plane: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A plane at ``size`` (width, height): area averages to shrink, linear to enlarge."""
    return Pyramid(plane).at(size)


class Pyramid:
    """A plane, uint8, and what comes of :func:`halved`, each made when it is first asked for: more than one stage needs them."""

    __slots__ = ("_levels",)

    def __init__(self, plane: NDArray[np.uint8]) -> None:
        self._levels = {0: plane}

    def halved(self, times: int) -> NDArray[np.uint8]:
        """Nobody may write to it."""
        level = self._levels.get(times)
        if level is None:
            level = self._levels[times] = halved(self.halved(times - 1), 1)
        return level

    def at(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """The plane at ``size`` (width, height): area averages to shrink, linear to enlarge."""
        height, width = self._levels[0].shape[:2]
        if (width, height) == size:
            return self._levels[0]
        if size[0] > width or size[1] > height:
            return np.asarray(cv2.resize(self._levels[0], size, interpolation=cv2.INTER_LINEAR), np.uint8)
        near = self.halved(int(math.log2(min(width / size[0], height / size[1]))))
        return np.asarray(cv2.resize(near, size, interpolation=cv2.INTER_AREA), np.uint8)


def channels(picture: NDArray[Number]) -> list[NDArray[Number]]:
    """The channels of a picture, (height, width, channels): new arrays. OpenCV's own take four times as long to come about."""
    planes: NDArray[Number] = np.empty((picture.shape[2], *picture.shape[:2]), picture.dtype)
    apart = list(planes)
    cv2.split(picture, apart)
    return apart
