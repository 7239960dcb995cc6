"""Auto-framing: follows the person with a smoothly moving crop window, based on the matte.

Measurement and motion are separate. :func:`locate_person` has no state; :class:`FramingState` has it all, and needs no picture.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha8
from livebg.imaging.pyramid import Number, resize

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

Place = tuple[float, float, float]
"""Center and size of a window, (x, y, size), in shares of the frame; or their speeds, per second."""


@dataclass(frozen=True, slots=True)
class CropWindow:
    """A crop window in shares of the frame's width and height: the center (x, y), and ``size``, 0..1, of both sides."""

    x: float = 0.5
    y: float = 0.5
    size: float = 1.0

    @property
    def is_full_frame(self) -> bool:
        return self.size == 1.0

    def crop(self, plane: NDArray[Number], size: tuple[int, int] | None = None) -> NDArray[Number]:
        """Crop a plane, (height, width), and scale the crop, with subpixel precision for smooth slow moves.

        ``size`` (width, height) is that of the result, at least half the plane's; by default the plane's. Chroma samples are
        assumed to be centered in their four pixels, as everywhere in livebg.
        """
        height, width = plane.shape
        size = size or (width, height)
        if self.is_full_frame:
            return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), plane.dtype)
        left, top = (self.x - self.size / 2) * width, (self.y - self.size / 2) * height
        across, down = self.size * (width / size[0]), self.size * (height / size[1])
        # The center of the first visible pixel is half a pixel of the result inside the window.
        transform = np.array([[across, 0, left + (across - 1) / 2], [0, down, top + (down - 1) / 2]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(plane, transform, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), plane.dtype)


FULL_FRAME: Final = CropWindow()

_WHOLE: Final[Place] = (0.5, 0.5, 1.0)
_STILL: Final[Place] = (0.0, 0.0, 0.0)


class PersonBox(NamedTuple):
    """Where a person is, in cells of a grid of ``columns`` and ``rows`` over the frame, without ``right`` and ``bottom``."""

    left: int
    right: int
    top: int
    bottom: int
    columns: int
    rows: int

    def ideal(self, zoom: float) -> Place:
        """Return the window that shows the person best, enlarged by at most ``zoom``."""
        left, right = self.left / self.columns, self.right / self.columns
        top, bottom = self.top / self.rows, self.bottom / self.rows
        size = _clip(max((bottom - top) / (1 - _HEADROOM), (right - left) * _MIN_PERSON_WIDTHS), 1 / zoom, 1.0)
        above = min(top - _HEADROOM * size, 1 - size)
        x, y = (_clip(middle, size / 2, 1 - size / 2) for middle in ((left + right) / 2, above + size / 2))
        return x, y, size


def locate_person(alpha: Alpha8) -> PersonBox | None:
    """Return where the person in a matte, uint8 (height, width), is; None if there is none."""
    height, width = alpha.shape
    rows = max(round(_MATTE_COLUMNS * height / width), 1)
    person = resize(alpha, (min(_MATTE_COLUMNS, width), min(rows, height))) > _THRESHOLD
    if person.mean() < _MIN_SHARE:
        return None
    across, down = _span(person.sum(axis=0), _TRIM), _span(person.sum(axis=1), 0)
    return PersonBox(*across, *down, person.shape[1], person.shape[0])


class FramingState(NamedTuple):
    """The motion of the crop window after a frame: plain numbers, and all that the next frame's window depends on.

    ``time`` is the frame's, in seconds; None before the first one. ``last_seen`` is when a person was seen last. ``following``:
    the target follows the person, who has left the dead zone.
    """

    time: float | None = None
    last_seen: float = 0.0
    target: Place = _WHOLE
    position: Place = _WHOLE
    speed: Place = _STILL
    following: bool = False

    def advance(self, ideal: Place | None, time: float) -> "FramingState":
        """Return the state after a frame at ``time`` whose person needs the window ``ideal``; None: no person is there."""
        last_seen = self.last_seen if ideal is None else time
        if self.restarts(time):
            target = _WHOLE if ideal is None else ideal
            return FramingState(time, last_seen, target, target)
        target, following = self.target, self.following
        if ideal is not None:
            across, down, zoom = (abs(one - other) / target[2] for one, other in zip(ideal, target, strict=True))
            if following or max(across, down) > _DEAD_ZONE or zoom > _DEAD_ZOOM:
                distance = max(abs(one - other) for one, other in zip(ideal, self.position, strict=True))
                target, following = ideal, distance > _ARRIVAL_DISTANCE
        elif time - last_seen > _ABSENCE_TIMEOUT_S:
            target = _WHOLE
        return FramingState(time, last_seen, target, *self.ease(target, time), following)

    def restarts(self, time: float) -> bool:
        """Return whether the window jumps at ``time``: at the start, after a gap, and after a step back in time."""
        return self.time is None or not 0 < time - self.time <= _MAX_GAP_S

    def ease(self, target: Place, time: float) -> tuple[Place, Place]:
        """Return position and speed at ``time`` on the way to ``target``.

        This is the exact motion of a critically damped spring, so that the path is the same at any frame rate.
        """
        elapsed = 0.0 if self.time is None else time - self.time
        pull = 1 / _EASE_S
        fade = math.exp(-elapsed * pull)
        away = [one - other for one, other in zip(self.position, target, strict=True)]
        drift = [speed + distance * pull for speed, distance in zip(self.speed, away, strict=True)]
        x, y, size = (goal + (a + d * elapsed) * fade for goal, a, d in zip(target, away, drift, strict=True))
        across, down, zoom = ((speed - d * pull * elapsed) * fade for speed, d in zip(self.speed, drift, strict=True))
        return (x, y, size), (across, down, zoom)


def visible_window(position: Place, zoom: float) -> CropWindow:
    """Return the window at ``position``, kept inside the frame and enlarged by at most ``zoom``; close to it, the full frame."""
    size = _clip(position[2], 1 / zoom, 1.0)
    if size > 1 - _ARRIVAL_DISTANCE / 10:
        return FULL_FRAME
    x, y = (_clip(middle, size / 2, 1 - size / 2) for middle in position[:2])
    return CropWindow(x, y, size)


class Framing(Protocol):
    """Decides which part of each frame is shown.

    Frames of up to ``oversampling`` times the output's width and height are cropped without enlarging their pixels.
    ``output_size`` (width, height) is that of the cropped picture; None: the frame's.
    """

    @property
    def output_size(self) -> tuple[int, int] | None: ...
    @property
    def oversampling(self) -> float: ...

    def view(self, alpha: Alpha8, time: float) -> CropWindow:
        """Return the crop window at ``time`` (seconds) for the matte ``alpha``, uint8 (height, width)."""
        ...


class AutoFraming:
    """Computes the crop window: it moves when the person leaves a dead zone, and eases to their position. A :class:`Framing`.

    ``zoom`` is the maximum enlargement, at least 1 (the full frame). ``output_size`` (width, height) is that of the cropped
    picture, by default the frame's. Constants are in seconds and in shares of the frame, so that frame rate and size make no
    difference. Raises ValueError for a zoom below 1.
    """

    def __init__(self, zoom: float, output_size: tuple[int, int] | None = None) -> None:
        if not zoom >= 1:
            raise ValueError(f"A zoom must be at least 1, got {zoom}.")
        self.output_size = output_size
        self.oversampling = min(zoom, _MAX_OVERSAMPLING) if output_size else 1.0
        self._zoom = zoom
        self._state = FramingState()

    def view(self, alpha: Alpha8, time: float) -> CropWindow:
        """See :meth:`Framing.view`. Frames come in order."""
        person = locate_person(alpha)
        self._state = self._state.advance(person.ideal(self._zoom) if person else None, time)
        return visible_window(self._state.position, self._zoom)


class RecordedFraming:
    """Shows windows that are known in advance: ``window`` returns the one at a time in seconds. A :class:`Framing`."""

    output_size = None
    oversampling = 1.0

    def __init__(self, window: Callable[[float], CropWindow]) -> None:
        self._window = window

    def view(self, alpha: Alpha8, time: float) -> CropWindow:  # noqa: ARG002
        """See :meth:`Framing.view`. Frames come in any order."""
        return self._window(time)


def _clip(value: float, least: float, most: float) -> float:
    return min(max(value, least), most)


def _span(counts: NDArray[np.int_], stray: float) -> tuple[int, int]:
    """Return the first nonzero position and the one after the last, after removing the share ``stray`` at either end."""
    cumulative = np.cumsum(counts) / counts.sum()
    first, last = int(np.searchsorted(cumulative, stray, side="right")), int(np.searchsorted(cumulative, 1 - stray, side="left"))
    return first, last + 1
