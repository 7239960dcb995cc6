"""Brightens the person, as a lamp in front of them would.

A tone curve raises dark luma most, and leaves black, white and the highlights in between nearly as they are, which evens out
shadows. Chroma grows in proportion to luma, so skin keeps its tone.

Measurement and motion are separate. :func:`measure_need` has no state; :class:`LightState` has it all, and needs no picture.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.compositing.tone_curve import MAX_STEPS, ToneCurve, tone_curve
from livebg.imaging.frame import Composite, Frame, Matte

_COLUMNS: Final = 160
"""Approximate width in pixels of the downscaled picture in which the face is measured."""
_PERSON: Final = 127
_INSIDE: Final = 250
"""Levels of alpha above which a pixel counts as part of the person, and as wholly so."""
_MIN_SHARE: Final = 0.005
"""Minimum size of a person as a share of the frame."""
_BRIGHT_SHARE: Final = 0.05
"""Share of the face's pixels that count as its highlights."""
_MEAN_TARGET: Final = 0.52
_HIGHLIGHT_TARGET: Final = 0.78
"""Levels, black 0 and white 1, that the mean and the highlights of a face are brightened to; the smaller gain counts. Dark skin
in good light has a low mean but bright highlights, and keeps its tone; a face in the dark has neither."""
_MAX_GAIN: Final = 2.1
"""Maximum gain of a face's mean. More shows the camera's noise."""
_INTERVAL_S: Final = 0.09
"""Minimum time between two measurements of the face."""
_EASE_S: Final = 1.5
"""Time constant with which the light follows the face's brightness."""
_DEAD_ZONE: Final = 0.04
_ARRIVAL_DISTANCE: Final = 0.005
"""As shares of the maximum strength: smaller differences are not followed, and followed ones until they are this small."""
_MAX_GAP_S: Final = 1.0
"""Time without a frame after which the light jumps to the strength that the face needs."""


class LightState(NamedTuple):
    """The strength of the light after a frame: plain numbers, and all that the next frame's strength depends on.

    ``time`` is the frame's, in seconds; None before the first face. ``needed`` is the strength that the face needed at
    ``measured_at``, and ``strength`` the one that it gets. ``following``: the strength is on its way to the needed one.
    """

    time: float | None = None
    measured_at: float = 0.0
    needed: float = 0.0
    strength: float = 0.0
    following: bool = False

    def is_due(self, time: float) -> bool:
        """Return whether the face has to be measured at ``time``."""
        return self.restarts(time) or time - self.measured_at > _INTERVAL_S

    def restarts(self, time: float) -> bool:
        """Return whether the light jumps at ``time``: at the start, after a gap, and after a step back in time."""
        return self.time is None or not 0 < time - self.time <= _MAX_GAP_S

    def advance(self, time: float, needed: float) -> "LightState":
        """Return the state after a frame at ``time`` whose face needs the strength ``needed``."""
        state = self._replace(needed=needed, measured_at=time)
        return state.move(time)

    def move(self, time: float) -> "LightState":
        """Return the state after a frame at ``time`` whose face was not measured."""
        strength, following = (self.needed, False) if self.restarts(time) else (self.strength, self.following)
        following = abs(self.needed - strength) > (_ARRIVAL_DISTANCE if following else _DEAD_ZONE)
        state = self._replace(strength=strength, following=following)
        return state._replace(time=time, strength=state.ease(time))

    def ease(self, time: float) -> float:
        """Return the strength at ``time``, without another measurement."""
        if not self.following or self.time is None:
            return self.strength
        return self.strength + (self.needed - self.strength) * (1 - math.exp(-(time - self.time) / _EASE_S))


class Light:
    """Decides how much light each frame's person gets: ``level``, 0..1, or more if ``auto`` finds that their face is dark.

    With ``auto`` the light follows the brightness of the face slowly, in seconds, so that frame rates make no difference. That is
    the only state; :meth:`reset`, in any thread, clears it. ``recorded`` replaces it by a light that is known in advance: the
    strength at a time in seconds. Raises ValueError for a level outside 0..1.
    """

    def __init__(self, level: float, *, auto: bool = False, recorded: Callable[[float], float] | None = None) -> None:
        if not 0 <= level <= 1:
            raise ValueError(f"A light level must be 0 to 1, got {level}.")
        self._level, self._auto, self._recorded = level, auto, recorded
        self._state = LightState()

    def curve(self, frame: Frame, matte: Matte) -> ToneCurve | None:
        """Return the tone curve for the person in ``frame``; None if they need no light. Frames come in order, unless the light
        is recorded."""
        steps = round(max(self._strength(frame, matte), self._level) * MAX_STEPS)
        return tone_curve(steps, frame.color.full_range) if steps else None

    def reset(self) -> None:
        """Forget the face's brightness: after a toggle, a seek, a change of format or a gap in time."""
        self._state = self._state._replace(time=None)

    def _strength(self, frame: Frame, matte: Matte) -> float:
        if self._recorded:
            return self._recorded(frame.time)
        if self._auto:
            self._follow(frame, matte)
        return self._state.strength

    def _follow(self, frame: Frame, matte: Matte) -> None:
        """Move the strength toward what the face needs. Without a face it stays."""
        if not self._state.is_due(frame.time):
            self._state = self._state.move(frame.time)
            return
        needed = measure_need(frame, matte)
        if needed is not None:
            self._state = self._state.advance(frame.time, needed)


def measure_need(frame: Frame, matte: Matte) -> float | None:
    """Return the strength of light, 0..1, that the face in ``frame`` needs; None without a face."""
    face = _face(frame, matte)
    return None if face is None else _needed_strength(face, frame.color.full_range)


@dataclass(frozen=True, slots=True, eq=False)
class LitEffect:
    """An effect whose person is lit: ``make`` turns a frame, its matte and the person's tone curve into a composite."""

    make: Callable[[Frame, Matte, ToneCurve | None], Composite]
    light: Light

    def __call__(self, frame: Frame, matte: Matte) -> Composite:
        return self.make(frame, matte, self.light.curve(frame, matte))

    def reset(self) -> None:
        """See :meth:`Light.reset`."""
        self.light.reset()


def _face(frame: Frame, matte: Matte) -> NDArray[np.uint8] | None:
    """Return the luma of the person's pixels in the upper third of their bounding box, in a downscaled picture; None without a
    person."""
    stride = max(frame.width // (2 * _COLUMNS), 1)
    # The first halving is computed for the matte anyway, and averages noise. Further ones take longer than all of this.
    luma = frame.pyramids[0].halved(1)[::stride, ::stride]
    alpha = np.ascontiguousarray(matte.alpha[:: 2 * stride, :: 2 * stride])
    person = (alpha > _PERSON).view(np.uint8)
    if cv2.countNonZero(person) < _MIN_SHARE * alpha.size:
        return None
    left, top, width, height = cv2.boundingRect(person)
    window = slice(top, top + math.ceil(height / 3)), slice(left, left + width)
    face: NDArray[np.uint8] = luma[window][alpha[window] > _INSIDE]
    return face if len(face) else None


def _needed_strength(face: NDArray[np.uint8], full_range: bool) -> float:
    """Return the strength, 0..1, that brings the luma of a face to its target."""
    counts = np.bincount(face, minlength=256)
    strengths, levels = _curves(full_range)
    plain = levels[0]
    mean = float(counts @ plain) / len(face)
    highlights = float(plain[np.searchsorted(np.cumsum(counts), (1 - _BRIGHT_SHARE) * len(face))])
    gain = min(_MEAN_TARGET / max(mean, 1e-3), _HIGHLIGHT_TARGET / max(highlights, 1e-3), _MAX_GAIN)
    return float(np.interp(gain * mean, levels @ counts / len(face), strengths))


@lru_cache(maxsize=2)
def _curves(full_range: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return strengths, and for each of them the curve's output, black 0 and white 1, by level of luma."""
    steps = np.linspace(0, MAX_STEPS, 33)
    black, white = (0, 255) if full_range else (16, 235)
    curves = np.stack([tone_curve(round(step), full_range).luma for step in steps]).astype(np.float64)
    return steps / MAX_STEPS, (curves - black) / (white - black)
