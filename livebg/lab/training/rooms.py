"""Rooms without people, and the hard negatives in them: pictures of people on the wall, and objects with sharp outlines."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.lab.training.augmentation import Random, jitter_color
from livebg.lab.training.pixel_store import Picture, Size

_OUTLINE_POINTS: Final = 9
_AT_EDGE: Final = 0.4
"""Share of the objects that the left or right edge of the frame cuts off, like flags and lamps."""


def random_view(room: Picture, draw: Random, size: Size) -> Picture:
    """Returns a random crop of a room at the frame's size, in different light, sometimes out of focus."""
    height, width = room.shape[:2]
    aspect = size[0] / size[1] * np.exp(draw.normal(0, 0.1))
    across = min(width, height * aspect) * draw.uniform(0.55, 1)
    down = across / aspect
    left, top = draw.uniform(0, width - across), draw.uniform(0, max(height - down, 0))
    part = room[int(top) : int(top + down) + 1, int(left) : int(left + across) + 1]
    view = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    if draw.random() < 0.3:
        view = np.asarray(cv2.GaussianBlur(view, (0, 0), float(draw.uniform(0.6, 4))), np.uint8)
    return jitter_color(view, draw, 0.7)


def add_poster(room: Picture, photo: Picture, draw: Random) -> Picture:
    """Returns the room with a framed photo or a screen: a picture of a person does not count as a person."""
    height, width = room.shape[:2]
    tall = max(int(height * draw.uniform(0.2, 0.45)), 8)
    wide = min(max(int(tall * photo.shape[1] / photo.shape[0]), 8), width // 2)
    edge = max(int(tall * draw.uniform(0.04, 0.1)), 1)
    small = cv2.resize(photo, (wide, tall), interpolation=cv2.INTER_AREA)
    tone = [float(draw.choice((15, 60, 230)))] * 3
    framed = cv2.copyMakeBorder(small, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=tone)
    left = int(draw.integers(0, max(width - framed.shape[1], 1)))
    top = int(draw.integers(0, max(height - framed.shape[0], 1) * 2 // 3 + 1))
    result = room.copy()
    part = result[top : top + framed.shape[0], left : left + framed.shape[1]]
    part[:] = framed[: part.shape[0], : part.shape[1]]
    return result


def add_clutter(room: Picture, other: Picture, draw: Random) -> Picture:
    """Returns the room with an object in front: a shape with the texture of another room, or nearly one color.

    Composited people have an outline and a light of their own. With such objects in the rooms, these alone do not make a person.
    """
    height, width = room.shape[:2]
    tall = height * float(np.exp(draw.uniform(np.log(0.25), np.log(1.2))))
    wide = tall * float(np.exp(draw.uniform(np.log(0.15), np.log(1.0))))
    x = draw.choice((0.0, 1.0)) + draw.normal(0, 0.04) if draw.random() < _AT_EDGE else draw.uniform(0.0, 1.0)
    y = draw.uniform(0.2, 1.0) if draw.random() < 0.4 else 1 - tall / height / 2
    outline = _random_outline(draw) * (wide / 2, tall / 2) + (x * width, y * height)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    alpha = cv2.GaussianBlur(mask, (0, 0), float(draw.uniform(0.3, 1.0)))[..., None] / np.float32(255)
    texture = random_view(other, draw, (width, height)).astype(np.float32)
    if draw.random() < 0.5:
        texture = draw.uniform(0, 255, 3).astype(np.float32) + (texture - texture.mean(axis=(0, 1))) * draw.uniform(0.0, 0.5)
    return np.asarray(np.clip(room + alpha * (texture - room), 0, 255), np.uint8)


def _random_outline(draw: Random) -> NDArray[np.float64]:
    """Returns the points of a rectangle, an ellipse or an irregular shape within [-1, 1], slightly rotated. Shape (points, 2)."""
    angles = np.linspace(0, 2 * np.pi, 24 if draw.random() < 0.3 else _OUTLINE_POINTS, endpoint=False)
    points = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    kind = draw.random()
    if kind < 0.4:
        points = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * draw.uniform(0.6, 1, (4, 1) if draw.random() < 0.5 else (1, 1))
    elif kind < 0.8:
        points = points * draw.uniform(0.5, 1, (len(points), 1))
    turn = draw.normal(0, 0.15)
    return np.asarray(points @ np.array([(np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))]))
