"""Auto-framing: follows the person with a smoothly moving crop window, based on the matte."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha8
from livebg.imaging.pyramid import resize

_MATTE_COLUMNS: Final = 160
"""Width in pixels of the downscaled matte in which the person is located."""
_THRESHOLD: Final = 127
_MIN_SHARE: Final = 0.005
"""Minimum size of a person as a share of the frame."""
_TRIM: Final = 0.02
"""Share of the person's pixels ignored on either side, so that an outstretched arm does not move the crop."""
_HEADROOM: Final = 0.14
"""Space above the head as a share of the crop's height."""
_MIN_PERSON_WIDTHS: Final = 1.5
"""Minimum width of the crop in widths of the person."""
_DEAD_ZONE: Final = 0.06
"""As a share of the crop's width: smaller movements are not followed."""
_DEAD_ZOOM: Final = 0.1
"""The same for changes of size, as a share of the crop's size."""
_ARRIVAL_DISTANCE: Final = 0.005
"""As a share of the frame's width: closer than this the target is reached, and the dead zone applies again."""
_EASE_S: Final = 0.35
"""Time constant of the critically damped motion towards the target."""
_ABSENCE_TIMEOUT_S: Final = 2.0
"""Time without a person after which the full frame is shown."""
_MAX_OVERSAMPLING: Final = 2.0
"""Four times the pixels. Linear interpolation averages up to two samples, so it shrinks the full frame without aliasing."""
_MAX_GAP_S: Final = 1.0
"""Time without a frame after which the crop jumps to its target."""


@dataclass(frozen=True, slots=True)
class CropWindow:
    """A crop window in shares of the frame's width and height: the center (x, y), and ``size``, 0..1, of both sides."""

    x: float = 0.5
    y: float = 0.5
    size: float = 1.0

    @property
    def is_full_frame(self) -> bool:
        return self.size == 1.0

    def crop(self, plane: NDArray[np.uint8], size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """Crop a plane, (height, width), and scale the crop, with subpixel precision for smooth slow moves.

        ``size`` (width, height) is that of the result, at least half the plane's; by default the plane's. Chroma samples are
        assumed to be centered in their four pixels, as everywhere in livebg.
        """
        height, width = plane.shape
        size = size or (width, height)
        if self.is_full_frame:
            return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        left, top = (self.x - self.size / 2) * width, (self.y - self.size / 2) * height
        across, down = self.size * (width / size[0]), self.size * (height / size[1])
        # The center of the first visible pixel is half a pixel of the result inside the window.
        transform = np.array([[across, 0, left + (across - 1) / 2], [0, down, top + (down - 1) / 2]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(plane, transform, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)


FULL_FRAME: Final = CropWindow()


class AutoFraming:
    """Computes the crop window: it moves when the person leaves a dead zone, and eases to their position.

    ``zoom`` is the maximum enlargement, at least 1 (the full frame). ``output_size`` (width, height) is that of the cropped
    picture, by default the frame's. Constants are in seconds and in shares of the frame, so that frame rate and size make no
    difference. Raises ValueError for a zoom below 1.
    """

    def __init__(self, zoom: float, output_size: tuple[int, int] | None = None) -> None:
        if not zoom >= 1:
            raise ValueError(f"A zoom must be at least 1, got {zoom}.")
        self.output_size = output_size
        self.oversampling = min(zoom, _MAX_OVERSAMPLING) if output_size else 1.0
        """Frames of up to so many times the output's width and height are cropped without enlarging their pixels."""
        self._min_size = 1 / zoom
        self._last_time: float | None = None
        self._last_seen = -math.inf
        self._target = self._position = np.array([0.5, 0.5, 1.0])
        self._speed = np.zeros(3)
        self._following = False

    def view(self, alpha: Alpha8, time: float) -> CropWindow:
        """Returns the crop window at ``time`` (seconds) for the matte ``alpha``, uint8 (height, width)."""
        ideal = self._ideal(alpha)
        elapsed = math.inf if self._last_time is None else time - self._last_time
        self._last_time = time
        if ideal is not None:
            self._last_seen = time
        if not 0 < elapsed <= _MAX_GAP_S:
            self._target = np.array([0.5, 0.5, 1.0]) if ideal is None else ideal
            self._position, self._speed, self._following = self._target, np.zeros(3), False
        else:
            self._update_target(ideal, time)
            self._ease(elapsed)
        return self._window()

    def _update_target(self, ideal: NDArray[np.float64] | None, time: float) -> None:
        """Update the target: only after the person has left the dead zone, then continuously until it is reached."""
        if ideal is None:
            if time - self._last_seen > _ABSENCE_TIMEOUT_S:
                self._target = np.array([0.5, 0.5, 1.0])
            return
        distance = np.abs(ideal - self._target) / self._target[2]
        self._following = self._following or bool(distance[:2].max() > _DEAD_ZONE or distance[2] > _DEAD_ZOOM)
        if self._following:
            self._target = ideal
            self._following = bool(np.abs(self._target - self._position).max() > _ARRIVAL_DISTANCE)

    def _ease(self, elapsed: float) -> None:
        """Solve a critically damped spring for the elapsed time, so that the path is the same at any frame rate."""
        pull, away = 1 / _EASE_S, self._position - self._target
        fade, drift = math.exp(-elapsed * pull), self._speed + away * pull
        self._position = self._target + (away + drift * elapsed) * fade
        self._speed = (self._speed - drift * pull * elapsed) * fade

    def _window(self) -> CropWindow:
        size = float(np.clip(self._position[2], self._min_size, 1))
        if size > 1 - _ARRIVAL_DISTANCE / 10:
            return FULL_FRAME
        x, y = (float(np.clip(coordinate, size / 2, 1 - size / 2)) for coordinate in self._position[:2])
        return CropWindow(x, y, size)

    def _ideal(self, alpha: Alpha8) -> NDArray[np.float64] | None:
        """Returns the ideal window (x, y, size) for the person in the matte; None if there is none."""
        rows = max(round(_MATTE_COLUMNS * alpha.shape[0] / alpha.shape[1]), 1)
        person = resize(alpha, (min(_MATTE_COLUMNS, alpha.shape[1]), min(rows, alpha.shape[0]))) > _THRESHOLD
        if person.mean() < _MIN_SHARE:
            return None
        left, right = _span(person.sum(axis=0), _TRIM)
        top, bottom = _span(person.sum(axis=1), 0)
        size = float(np.clip(max((bottom - top) / (1 - _HEADROOM), (right - left) * _MIN_PERSON_WIDTHS), self._min_size, 1))
        above = min(top - _HEADROOM * size, 1 - size)
        center = np.clip([(left + right) / 2, above + size / 2], size / 2, 1 - size / 2)
        return np.array([*center, size])


def _span(counts: NDArray[np.int_], stray: float) -> tuple[float, float]:
    """Returns the first and last nonzero position, as shares of the length, after removing the share ``stray`` at either end."""
    cumulative = np.cumsum(counts) / counts.sum()
    first, last = int(np.searchsorted(cumulative, stray, side="right")), int(np.searchsorted(cumulative, 1 - stray, side="left"))
    return first / len(counts), (last + 1) / len(counts)
