"""Objects in a person's hand or on the head, drawn procedurally, with their own exact alpha: headset, microphone, cup, phone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from livebg.imaging.frame import Alpha8
from livebg.synthetic.layering import Box, Cutout, Picture, bounding_box

Color = tuple[int, int, int]
Point = tuple[float, float]

_HEAD_ASPECT: Final = 1.3
"""Height of a head by its width."""
_SUBPIXEL_BITS: Final = 4
_LIFT: Final = 0.6
"""How far below its highest place a hand holds an object at first, in head widths."""
_MARGIN: Final = 1.0
"""Space for the object on the left, the right and above, in head widths."""
_SOFTNESS: Final = 0.8
"""Standard deviation of the edges, in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A person with an object: ``cutout`` is both, ``alpha`` the visible part of the object, uint8, (height, width)."""

    cutout: Cutout
    alpha: Alpha8


class _Canvas:
    """Draws on the color and the alpha of a person, in head widths from the middle of the head, y down."""

    def __init__(self, person: Cutout) -> None:
        head = _head(person.alpha)
        self._unit = head[2] - head[0]
        margin = round(_MARGIN * self._unit)
        borders = margin, 0, margin, margin
        self.rgb = np.asarray(cv2.copyMakeBorder(person.rgb, *borders, cv2.BORDER_REPLICATE), np.uint8)
        self.person = np.asarray(cv2.copyMakeBorder(person.alpha, *borders, cv2.BORDER_CONSTANT, value=0), np.uint8)
        self.object = np.zeros_like(self.person)
        self._middle = (head[0] + head[2]) / 2 + margin, (head[1] + head[3]) / 2 + margin

    def line(self, points: list[Point], width: float, color: Color, *, held: bool = True) -> None:
        """Draw a polyline with round ends. The object hides what is behind it; a hand (not ``held``) hides the object."""
        for layer, value in self._layers(color, held):
            thickness = max(round(width * self._unit), 1)
            path = [np.array([self._at(point) for point in points], np.int32)]
            cv2.polylines(layer, path, False, value, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)

    def polygon(self, points: list[Point], color: Color, *, held: bool = True) -> None:
        for layer, value in self._layers(color, held):
            path = [np.array([self._at(point) for point in points], np.int32)]
            cv2.fillPoly(layer, path, value, cv2.LINE_AA, _SUBPIXEL_BITS)

    def ellipse(self, center: Point, radii: Point, color: Color, *, held: bool = True) -> None:
        turns = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        points = [(center[0] + radii[0] * np.cos(turn), center[1] + radii[1] * np.sin(turn)) for turn in turns]
        self.polygon(points, color, held=held)

    def arm(self, hand: Point, sleeve: Color, skin: Color) -> None:
        """Draw a hand and the forearm, from below the frame up to ``hand``."""
        elbow = hand[0] * 1.15, 4.0
        self.line([elbow, hand], 0.36, sleeve, held=False)
        self.line([hand, (hand[0] * 0.98, hand[1] - 0.02)], 0.4, skin, held=False)

    def held(self) -> Held:
        soft = [np.asarray(cv2.GaussianBlur(layer, (0, 0), _SOFTNESS), np.uint8) for layer in (self.person, self.object)]
        alpha = np.maximum(soft[0], soft[1])
        return Held(Cutout(self.rgb, alpha), soft[1])

    def _layers(self, color: Color, held: bool) -> "tuple[tuple[Picture | Alpha8, Color | int], ...]":
        return (self.rgb, color), (self.person, 255), (self.object, 255 if held else 0)

    def _at(self, point: Point) -> tuple[int, int]:
        scale = 1 << _SUBPIXEL_BITS
        x, y = (round((middle + part * self._unit) * scale) for middle, part in zip(self._middle, point, strict=True))
        return x, y


def hold(person: Cutout, name: str, seed: int, lifted: float = 1.0) -> Held:
    """Draw the object ``name``, a key of :data:`OBJECTS`, on the head or in a hand of ``person``, who faces the camera.

    The result is larger than ``person`` by a margin. Colors depend on ``seed``. ``lifted``, 0..1, is how far the hand has lifted
    the object; a headset stays on the head.
    Raises ValueError if the cut-out shows no person.
    """
    draw = np.random.default_rng(seed)
    canvas = _Canvas(person)
    _OBJECTS[name](canvas, draw, _LIFT * (1 - lifted))
    return canvas.held()


def _head(alpha: Alpha8) -> Box:
    """Return the box of the head: from the top, until it is as high as a head of that width is."""
    box = bounding_box(alpha)
    if box is None:
        raise ValueError("An object needs a person, but alpha is below one half everywhere.")
    for bottom in range(box[1] + 1, box[3]):
        part = bounding_box(alpha[:bottom])
        if part is not None and bottom - part[1] >= _HEAD_ASPECT * (part[2] - part[0]) and part[2] - part[0] > 4:
            return part
    return box


def _tone(draw: np.random.Generator) -> Color:
    red, green, blue = (int(value) for value in draw.integers(20, 235, 3))
    return red, green, blue


def _gray(level: int) -> Color:
    return level, level, level


def _skin(draw: np.random.Generator) -> Color:
    level = float(draw.uniform(110, 235))
    return round(level), round(level * 0.78), round(level * 0.63)


def _headset(canvas: _Canvas, draw: np.random.Generator, _low: float) -> None:
    shade = _gray(int(draw.integers(15, 70)))
    turns = np.linspace(np.pi, 2 * np.pi, 24)
    canvas.line([(0.6 * np.cos(turn), -0.05 + 0.74 * np.sin(turn)) for turn in turns], 0.09, shade)
    for side in (-1, 1):
        canvas.ellipse((0.57 * side, 0.02), (0.14, 0.24), shade)
    canvas.line([(-0.57, 0.15), (-0.6, 0.5), (-0.3, 0.6)], 0.05, shade)
    canvas.ellipse((-0.28, 0.6), (0.09, 0.06), shade)


def _microphone(canvas: _Canvas, draw: np.random.Generator, low: float) -> None:
    shade, skin, sleeve = _gray(int(draw.integers(30, 110))), _skin(draw), _tone(draw)
    canvas.line([(0.42, 0.52 + low), (0.85, 1.25 + low)], 0.15, shade)
    canvas.ellipse((0.4, 0.48 + low), (0.17, 0.17), _gray(150))
    canvas.arm((0.78, 1.15 + low), sleeve, skin)


def _cup(canvas: _Canvas, draw: np.random.Generator, low: float) -> None:
    body, skin, sleeve = _tone(draw), _skin(draw), _tone(draw)
    x, y = -0.95, 0.35 + low
    canvas.ellipse((x - 0.27, y), (0.16, 0.19), body)
    canvas.polygon([(x - 0.26, y - 0.32), (x + 0.26, y - 0.32), (x + 0.2, y + 0.36), (x - 0.2, y + 0.36)], body)
    canvas.ellipse((x, y - 0.32), (0.26, 0.06), _gray(240))
    canvas.arm((x + 0.05, y + 0.35), sleeve, skin)


def _phone(canvas: _Canvas, draw: np.random.Generator, low: float) -> None:
    back, skin, sleeve = _tone(draw), _skin(draw), _tone(draw)
    x, y = 0.95, 0.1 + low
    corners = [(x - 0.24, y - 0.46), (x + 0.24, y - 0.42), (x + 0.2, y + 0.5), (x - 0.28, y + 0.46)]
    canvas.polygon(corners, _gray(25))
    canvas.polygon([(x + 0.88 * (a - x), y + 0.92 * (b - y)) for a, b in corners], back)
    canvas.arm((x, y + 0.5), sleeve, skin)


_OBJECTS: Final[Mapping[str, Callable[[_Canvas, np.random.Generator, float], None]]] = {
    "headset": _headset,
    "microphone": _microphone,
    "cup": _cup,
    "phone": _phone,
}
OBJECTS: Final = tuple(_OBJECTS)
"""The names of all objects."""
