"""Synthetic objects that are no people: pictures on the wall, furniture, flags and curtains."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.lab.training.augmentation import Alpha, Random, outline_points, random_view
from livebg.lab.training.pixel_store import Picture, Size, Store

_OUTLINE_POINTS: Final = 9
_AT_EDGE: Final = 0.4
"""Share of the objects that the left or right edge of the frame cuts off, like flags and lamps."""
_FLOATING, _HANGING = 0.35, 0.3
"""Shares of the objects anywhere, like pictures, and of those that hang from the top, like curtains; the others stand."""
_AT_OUTLINE: Final = 0.5
"""Share of the objects behind people that are centered on their outline."""
_STRIPED: Final = 0.35
"""Share of the objects with stripes in folds, like flags and curtains."""
_CANTON: Final = 0.5
"""Share of the stripes that leave out a corner of another color, with dots, like those of flags with stars."""


def add_poster(room: Picture, photo: Picture, draw: Random) -> Picture:
    """Return the room with a framed photo or a screen: a picture of a person does not count as a person."""
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


def _add_clutter(room: Picture, other: Picture, draw: Random, center: tuple[float, float] | None) -> Picture:
    """Return the room with an object in front: a shape with the texture of another room, with stripes, or nearly one color.

    Composited people have an outline and a light of their own. With such objects in the rooms, these alone do not make a person.
    ``center`` is its (x, y) in pixels; None places it anywhere, or where furniture, flags and curtains are.
    """
    height, width = room.shape[:2]
    tall = height * float(np.exp(draw.uniform(np.log(0.25), np.log(1.2))))
    wide = tall * float(np.exp(draw.uniform(np.log(0.15), np.log(1.0))))
    x = draw.choice((0.0, 1.0)) + draw.normal(0, 0.04) if draw.random() < _AT_EDGE else draw.uniform(0.0, 1.0)
    half, kind = tall / height / 2, draw.random()
    y = draw.uniform(0.2, 1.0) if kind < _FLOATING else half if kind < _FLOATING + _HANGING else 1 - half
    outline = _turn(_random_outline(draw) * (wide / 2, tall / 2), draw.normal(0, 0.2))
    return _paste(room, other, outline + (center or (x * width, y * height)), draw)[0]


def paste_objects(picture: Picture, rooms: Store, draw: Random, most: int, people: Alpha | None = None) -> Picture:
    """Return the picture with one to ``most`` objects in front, with textures from rooms.

    With the alpha of ``people`` (h, w), half of the objects are centered on their outline: what is directly behind a head is not
    its hair or hat.
    """
    points = outline_points(people) if people is not None else ()
    for _ in range(int(draw.integers(1, most + 1))):
        center = None
        if len(points) and draw.random() < _AT_OUTLINE:
            y, x = points[int(draw.integers(len(points)))]
            center = float(x), float(y)
        picture = _add_clutter(picture, rooms[int(draw.integers(len(rooms)))], draw, center)
    return picture


def add_furniture(room: Picture, other: Picture, draw: Random, around: tuple[float, float, float]) -> tuple[Picture, Alpha]:
    """Return the room with a desk, a table or the back of a chair, which reaches down to the lower edge, and its alpha (h, w).

    ``around`` is the left and the right end and the height, in pixels, of what it must hide: the straight cut below a person.
    """
    left, right, y = around
    margin = (right - left) * draw.uniform(0.1, 1.5, 2)
    slope, above = draw.normal(0, 0.04) * (right - left), (right - left) * draw.uniform(0.04, 0.15)
    tilt = draw.uniform(-0.1, 0.3, 2) * (right - left)  # legs or perspective
    lowest = 1.2 * room.shape[0]
    top = ((left - margin[0], y - above - slope), (right + margin[1], y - above + slope))
    outline = np.array((*top, (right + margin[1] + tilt[1], lowest), (left - margin[0] - tilt[0], lowest)))
    return _paste(room, other, outline, draw)


def _paste(room: Picture, other: Picture, outline: NDArray[np.float64], draw: Random) -> tuple[Picture, Alpha]:
    """Return the room with a shape (points, 2) like another room, with stripes, or of nearly one color; and its alpha."""
    height, width = room.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), float(draw.uniform(0.3, 1.0))), np.uint8)
    is_striped, center = draw.random() < _STRIPED, outline.mean(axis=0)
    texture = _folded_stripes(draw, (width, height), center) if is_striped else random_view(other, draw, (width, height))
    texture = texture.astype(np.float32)
    if draw.random() < 0.5:
        texture = draw.uniform(0, 255, 3).astype(np.float32) + (texture - texture.mean(axis=(0, 1))) * draw.uniform(0.0, 0.5)
    alpha = mask[..., None] / np.float32(255)
    return np.asarray(np.clip(room + alpha * (texture - room), 0, 255), np.uint8), mask


def _folded_stripes(draw: Random, size: Size, corner: NDArray[np.float64]) -> Picture:
    """Return stripes of two or three colors, in any direction, on cloth with folds. RGB, uint8 (height, width, 3).

    Half of them are interrupted by a dark or light field with dots, which starts at ``corner`` (x, y).
    """
    width, height = size
    angle = draw.uniform(0, np.pi)
    y, x = np.mgrid[:height, :width].astype(np.float32) - corner[::-1, None, None].astype(np.float32)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    folds = np.sin(across / (height * draw.uniform(0.05, 0.3)) + draw.uniform(0, 2 * np.pi))
    stripe = height * np.exp(draw.uniform(np.log(0.02), np.log(0.3)))
    colors = draw.uniform(0, 255, (int(draw.integers(2, 4)), 3))
    numbers = np.floor(along / stripe + folds * draw.uniform(0, 0.8)).astype(int) % len(colors)
    if draw.random() < _CANTON:
        dots = np.cos(along / stripe * np.pi) + np.cos(across / stripe * np.pi) > draw.uniform(0.5, 2)
        colors = np.vstack((colors, draw.uniform(0, 255, (2, 3))))
        numbers = np.where((along > 0) & (across > 0), len(colors) - 2 + dots, numbers)
    shaded = colors[numbers] * (1 + draw.uniform(0, 0.35) * folds)[..., None]
    return np.asarray(np.clip(shaded, 0, 255), np.uint8)


def _random_outline(draw: Random) -> NDArray[np.float64]:
    """Return the points of a rectangle, an ellipse or an irregular shape within [-1, 1], slightly rotated. Shape (points, 2)."""
    angles = np.linspace(0, 2 * np.pi, 24 if draw.random() < 0.3 else _OUTLINE_POINTS, endpoint=False)
    points = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    kind = draw.random()
    if kind < 0.4:
        points = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * draw.uniform(0.6, 1, (4, 1) if draw.random() < 0.5 else (1, 1))
    elif kind < 0.8:
        points = points * draw.uniform(0.5, 1, (len(points), 1))
    return _turn(points, draw.normal(0, 0.15))


def _turn(points: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Rotate points (n, 2) about (0, 0) by an angle in radians."""
    return np.asarray(points @ np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))]))
