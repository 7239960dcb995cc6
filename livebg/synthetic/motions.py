"""Motions of people, camera and light. Each motion maps a time to a scene.

Lengths are fractions of the frame width and times are in seconds, so a motion does not depend on size and frame rate. ``chance``
is eight random numbers between 0 and 1 per clip: phases by which clips of one motion differ.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

Gain = tuple[float, float, float]
Chance = tuple[float, ...]

_FULL_TURN: Final = 2 * math.pi
_EXPOSURE_S: Final = 1 / 60
"""A 180-degree shutter at 30 frames per second."""

FAST: Final = 12 * 30 / 512
"""Frame widths per second: 12 pixels per frame at a width of 512 and 30 frames per second."""

_LIGHTS: Final[tuple[Gain, ...]] = ((1, 1, 1), (0.55, 0.5, 0.42), (1.12, 1.18, 1.3), (0.8, 0.85, 1))
"""Color gains: unchanged, lamp light at dusk, sun on a cold day, light of a screen."""


@dataclass(frozen=True, slots=True)
class Pose:
    """A person's position: center at ``x`` (0 left, 1 right), feet below the frame; ``scale`` 1 = typical webcam distance."""

    x: float = 0.5
    scale: float = 1.0
    degrees: float = 0.0


@dataclass(frozen=True, slots=True)
class View:
    """The camera's view of the whole scene: shifted by fractions of the width, and rotated about the center."""

    x: float = 0.0
    y: float = 0.0
    degrees: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One instant: people from back to front, the camera view, and the light's gain for red, green and blue."""

    poses: tuple[Pose, ...]
    view: View = View()
    gain: Gain = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Motion:
    """A named motion: its scene at any time, the exposure time in seconds (0 = no blur), and whether timestamps are uneven."""

    name: str
    scene: Callable[[float, Chance], Scene]
    exposure: float = 0.0
    uneven: bool = False


def wave(time: float, period: float, phase: float) -> float:
    """Return a sine, -1..1."""
    return math.sin(_FULL_TURN * (time / period + phase))


def zigzag(time: float, period: float, phase: float) -> float:
    """Return a triangle wave, -1..1: constant speed, four units per period."""
    return 4 * abs((time / period + phase) % 1 - 0.5) - 1


def _sway(time: float, chance: Chance) -> Pose:
    """Sway at about 1 to 2 pixels per frame at a width of 512, also toward and away from the camera."""
    offset = 0.5 + 0.07 * wave(time, 4.1, chance[0]) + 0.015 * wave(time, 1.7, chance[1])
    return Pose(offset, 1 + 0.05 * wave(time, 6.3, chance[2]), 1.5 * wave(time, 5.2, chance[3]))


def _still(time: float, chance: Chance) -> Scene:  # noqa: ARG001 - does not depend on time
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
    """Leave the frame to one side, stay away for a second or more, and return: five seconds in total."""
    side = 1 if chance[0] < 0.5 else -1
    away = 0.5 - 0.5 * math.cos(_FULL_TURN * time / 5)
    return Scene((Pose(0.5 + side * 1.1 * away),))


def _two(time: float, chance: Chance) -> Scene:
    """Move two people past each other, the nearer one slightly larger."""
    offset = 0.27 * zigzag(time, 4, chance[0])
    return Scene((Pose(0.5 - offset, 0.85, wave(time, 3.7, chance[1])), Pose(0.5 + offset, 1, wave(time, 4.3, chance[2]))))


def _blink(time: float, chance: Chance) -> Scene:
    """Change the light every 0.7 seconds, within one or two frames at 30 frames per second."""
    elapsed = time / 0.7 + 0.5 * chance[4]
    number = math.floor(elapsed)
    before, now = (_LIGHTS[index % len(_LIGHTS)] for index in (number - 1, number))
    share = min((elapsed - number) * 0.7 / 0.04, 1)
    red, green, blue = (old + share * (new - old) for old, new in zip(before, now, strict=True))
    return Scene((_sway(time, chance),), gain=(red, green, blue))


MOTIONS: Final[Mapping[str, Motion]] = {
    motion.name: motion
    for motion in (
        Motion("still", _still),
        Motion("slow", _slow),
        Motion("fast", _fast, _EXPOSURE_S),
        Motion("shake", _shake),
        Motion("in_out", _in_out, _EXPOSURE_S),
        Motion("two", _two, _EXPOSURE_S),
        Motion("blink", _blink),
        Motion("vfr", _slow, uneven=True),
    )
}
"""All motions by name."""
