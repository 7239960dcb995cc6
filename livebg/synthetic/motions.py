"""How people, camera and light move: each motion tells for any time what is where.

Lengths are fractions of the frame's width and times are seconds, so a motion is the same at any size and frame rate.
``chance`` is eight numbers between 0 and 1, drawn once a clip: the phases that make two clips of one motion differ.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

Gain = tuple[float, float, float]
Chance = tuple[float, ...]

_TURN: Final = 2 * math.pi
_EXPOSURE: Final = 1 / 60
"""Seconds: a shutter that is open for half of a frame at 30 frames a second."""

FAST: Final = 12 * 30 / 512
"""Widths a second: 12 pixels a frame at a width of 512 and 30 frames a second."""

_LIGHTS: Final[tuple[Gain, ...]] = ((1, 1, 1), (0.55, 0.5, 0.42), (1.12, 1.18, 1.3), (0.8, 0.85, 1))
"""As it was, lamp light at dusk, the sun on a cold day, a screen's light."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a person stands: the middle at ``x`` (0 left, 1 right), feet below the frame, ``scale`` 1 = as before a webcam."""

    x: float = 0.5
    scale: float = 1.0
    degrees: float = 0.0


@dataclass(frozen=True, slots=True)
class View:
    """How the camera sees the room and all in it: shifted by fractions of the width, enlarged and turned about the middle."""

    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0
    degrees: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One instant: the people from back to front, the camera, and what the light does to red, green and blue."""

    poses: tuple[Pose, ...]
    view: View = View()
    gain: Gain = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Motion:
    """A named motion: the scene at a time, the exposure of a frame in seconds (0 = none), and whether times are uneven."""

    name: str
    scene: Callable[[float, Chance], Scene]
    exposure: float = 0.0
    uneven: bool = False


def wave(time: float, period: float, phase: float) -> float:
    """A sine, -1..1."""
    return math.sin(_TURN * (time / period + phase))


def zigzag(time: float, period: float, phase: float) -> float:
    """To and fro at constant speed, -1..1: four units a period."""
    return 4 * abs((time / period + phase) % 1 - 0.5) - 1


def _sway(time: float, chance: Chance, x: float = 0.5) -> Pose:
    """About 1 to 2 pixels a frame at a width of 512, with breathing room to and from the camera."""
    aside = x + 0.07 * wave(time, 4.1, chance[0]) + 0.015 * wave(time, 1.7, chance[1])
    return Pose(aside, 1 + 0.05 * wave(time, 6.3, chance[2]), 1.5 * wave(time, 5.2, chance[3]))


def _still(time: float, chance: Chance) -> Scene:  # noqa: ARG001 - a still scene is the same at any time
    return Scene((Pose(0.42 + 0.16 * chance[0]),))


def _slow(time: float, chance: Chance) -> Scene:
    return Scene((_sway(time, chance),))


def _fast(time: float, chance: Chance) -> Scene:
    reach = 0.22
    return Scene((Pose(0.5 + reach * zigzag(time, 4 * reach / FAST, chance[0])),))


def _shake(time: float, chance: Chance) -> Scene:
    view = View(
        x=0.010 * wave(time, 0.9, chance[0]) + 0.004 * wave(time, 0.31, chance[1]),
        y=0.008 * wave(time, 1.1, chance[2]) + 0.003 * wave(time, 0.27, chance[3]),
        degrees=0.5 * wave(time, 1.3, chance[4]),
    )
    return Scene((Pose(0.42 + 0.16 * chance[5]),), view)


def _in_out(time: float, chance: Chance) -> Scene:
    """Inside at first, out to one side, away for a second or more, and back: five seconds in all."""
    side = 1 if chance[0] < 0.5 else -1
    gone = 0.5 - 0.5 * math.cos(_TURN * time / 5)
    return Scene((Pose(0.5 + side * 1.1 * gone),))


def _two(time: float, chance: Chance) -> Scene:
    """Past each other, the nearer one a little larger."""
    aside = 0.27 * zigzag(time, 4, chance[0])
    return Scene((Pose(0.5 - aside, 0.85, wave(time, 3.7, chance[1])), Pose(0.5 + aside, 1, wave(time, 4.3, chance[2]))))


def _blink(time: float, chance: Chance) -> Scene:
    """Every 0.7 seconds another light, which comes within one or two frames of 30 a second."""
    passed = time / 0.7 + 0.5 * chance[4]
    number = math.floor(passed)
    before, now = (_LIGHTS[index % len(_LIGHTS)] for index in (number - 1, number))
    share = min((passed - number) * 0.7 / 0.04, 1)
    red, green, blue = (old + share * (new - old) for old, new in zip(before, now, strict=True))
    return Scene((_sway(time, chance),), gain=(red, green, blue))


MOTIONS: Final[Mapping[str, Motion]] = {
    motion.name: motion
    for motion in (
        Motion("still", _still),
        Motion("slow", _slow),
        Motion("fast", _fast, _EXPOSURE),
        Motion("shake", _shake),
        Motion("in_out", _in_out, _EXPOSURE),
        Motion("two", _two, _EXPOSURE),
        Motion("blink", _blink),
        Motion("vfr", _slow, uneven=True),
    )
}
"""Every motion by its name."""
