"""Following the person, as somebody behind the camera would: a part of the frame, moved calmly, from the matte alone."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha8
from livebg.imaging.pyramid import resized

_LOOKED_AT: Final = 160
"""Columns of the small matte that the person is looked for on."""
_THERE: Final = 127
_LEAST_SHARE: Final = 0.005
"""Of the frame: whoever is smaller is nobody."""
_STRAY: Final = 0.02
"""Of the person's pixels on either side: an arm that is stretched out does not move the camera."""
_HEADROOM: Final = 0.14
"""Of the view's height, above the head."""
_BREADTH: Final = 1.5
"""Widths of the person that the view has at least."""
_DEAD_ZONE: Final = 0.06
"""Of the view's width: within it nothing is followed."""
_DEAD_ZOOM: Final = 0.1
"""Of the view's size."""
_ARRIVED: Final = 0.005
"""Of the frame's width: nearer than this the camera has arrived, and waits for the dead zone to be left again."""
_EASE: Final = 0.35
"""Seconds, of the critically damped motion towards where the camera is to be."""
_PATIENCE: Final = 2.0
"""Seconds without anybody, after which the whole frame is shown again."""
_GAP: Final = 1.0
"""Seconds without a frame after which the camera is where it is to be at once."""


@dataclass(frozen=True, slots=True)
class View:
    """A part of the frame, in shares of its width and height: the middle (x, y), and ``size``, 0..1, of both sides."""

    x: float = 0.5
    y: float = 0.5
    size: float = 1.0

    @property
    def is_whole(self) -> bool:
        return self.size == 1.0

    def cut_out(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """This part of a plane, (height, width), enlarged to the plane's size; between its pixels, so that slow moves are smooth.

        Chroma planes are taken to have their samples in the middle of their four pixels, as everywhere in livebg.
        """
        height, width = plane.shape
        left, top = (self.x - self.size / 2) * width, (self.y - self.size / 2) * height
        # The middle of the first pixel that is shown lies half a small pixel inside of the view.
        inside = (self.size - 1) / 2
        place = np.array([[self.size, 0, left + inside], [0, self.size, top + inside]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(plane, place, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)


WHOLE: Final = View()


class Framing:
    """Where the camera looks: it follows when the person leaves a dead zone, and eases to where they are.

    ``zoom`` is by how much at most the picture is enlarged, from 1 (the frame as it is). Constants are in seconds and in shares
    of the frame, so that rate and size make no difference.
    """

    def __init__(self, zoom: float) -> None:
        if not zoom >= 1:
            raise ValueError(f"a zoom is at least 1, got {zoom}")
        self._smallest = 1 / zoom
        self._time: float | None = None
        self._seen = -math.inf
        self._goal = self._at = np.array([0.5, 0.5, 1.0])
        self._speed = np.zeros(3)
        self._following = False

    def view(self, alpha: Alpha8, time: float) -> View:
        """The part of the frame to show at ``time`` (seconds), by its matte ``alpha``, uint8 (height, width)."""
        wanted = self._wanted(alpha)
        elapsed = math.inf if self._time is None else time - self._time
        self._time = time
        if wanted is not None:
            self._seen = time
        if not 0 < elapsed <= _GAP:
            self._goal = np.array([0.5, 0.5, 1.0]) if wanted is None else wanted
            self._at, self._speed, self._following = self._goal, np.zeros(3), False
        else:
            self._aim(wanted, time)
            self._ease(elapsed)
        return self._shown()

    def _aim(self, wanted: NDArray[np.float64] | None, time: float) -> None:
        """Where to go: a new place only once the person has left the dead zone, then wherever they are until it is reached."""
        if wanted is None:
            if time - self._seen > _PATIENCE:
                self._goal = np.array([0.5, 0.5, 1.0])
            return
        off = np.abs(wanted - self._goal) / self._goal[2]
        self._following = self._following or bool(off[:2].max() > _DEAD_ZONE or off[2] > _DEAD_ZOOM)
        if self._following:
            self._goal = wanted
            self._following = bool(np.abs(self._goal - self._at).max() > _ARRIVED)

    def _ease(self, elapsed: float) -> None:
        """A critically damped spring, solved for the time that has passed, so that any rate gives the same way."""
        pull, away = 1 / _EASE, self._at - self._goal
        fade, drift = math.exp(-elapsed * pull), self._speed + away * pull
        self._at = self._goal + (away + drift * elapsed) * fade
        self._speed = (self._speed - drift * pull * elapsed) * fade

    def _shown(self) -> View:
        size = float(np.clip(self._at[2], self._smallest, 1))
        if size > 1 - _ARRIVED / 10:
            return WHOLE
        x, y = (float(np.clip(place, size / 2, 1 - size / 2)) for place in self._at[:2])
        return View(x, y, size)

    def _wanted(self, alpha: Alpha8) -> NDArray[np.float64] | None:
        """The view (x, y, size) that suits the person in the matte; None where there is nobody."""
        rows = max(round(_LOOKED_AT * alpha.shape[0] / alpha.shape[1]), 1)
        there = resized(alpha, (min(_LOOKED_AT, alpha.shape[1]), min(rows, alpha.shape[0]))) > _THERE
        if there.mean() < _LEAST_SHARE:
            return None
        left, right = _span(there.sum(axis=0), _STRAY)
        top, bottom = _span(there.sum(axis=1), 0)
        size = float(np.clip(max((bottom - top) / (1 - _HEADROOM), (right - left) * _BREADTH), self._smallest, 1))
        above = min(top - _HEADROOM * size, 1 - size)
        middle = np.clip([(left + right) / 2, above + size / 2], size / 2, 1 - size / 2)
        return np.array([*middle, size])


def _span(counts: NDArray[np.int_], stray: float) -> tuple[float, float]:
    """From where to where there is something, as shares of the length, without the share ``stray`` of it on either side."""
    along = np.cumsum(counts) / counts.sum()
    first, last = int(np.searchsorted(along, stray, side="right")), int(np.searchsorted(along, 1 - stray, side="left"))
    return first / len(counts), (last + 1) / len(counts)
