"""Data augmentation: light, color, camera defects, and in rooms without people pictures on the wall and objects."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.lab.training.pixel_store import Picture, Size, Store
from livebg.synthetic import Cutout

Alpha = NDArray[np.uint8]
Random = np.random.Generator

_OUTLINE_POINTS: Final = 9
_AT_EDGE: Final = 0.4
"""Share of the objects that the left or right edge of the frame cuts off, like flags and lamps."""
_FLOATING, _HANGING = 0.35, 0.3
"""Shares of the objects anywhere, like pictures, and of those that hang from the top, like curtains; the others stand."""
_AT_OUTLINE: Final = 0.5
"""Share of the objects behind people that are centered on their outline."""
_STRIPED: Final = 0.35
"""Share of the objects with stripes in folds, like flags and curtains."""
_DARKEST: Final = 8
"""Added to both colors of a ratio, so that noise in the dark does not decide it."""
_CAMOUFLAGE_GAINS: Final = 0.2, 4.0
"""Range of the change of light. Higher gains would turn a dark room into steps of gray."""


def _tone_curve(draw: Random, strength: float) -> NDArray[np.uint8]:
    """Return a random tone curve per channel (1, 256, 3): exposure, gamma, contrast and white balance."""
    levels = np.linspace(0, 1, 256)
    curve = levels ** np.exp(draw.normal(0, 0.3 * strength))
    curve = (curve - 0.5) * np.exp(draw.normal(0, 0.2 * strength)) + 0.5 + draw.normal(0, 0.06 * strength)
    gains = np.exp(draw.normal(0, 0.22 * strength)) * np.exp(draw.normal(0, 0.09 * strength, 3))
    table: NDArray[np.uint8] = np.clip(np.rint(curve[:, None] * gains * 255), 0, 255).astype(np.uint8)
    return table[None]


def jitter_color(picture: Picture, draw: Random, strength: float = 1.0) -> Picture:
    """Apply a random change of light and color."""
    return np.asarray(cv2.LUT(picture, _tone_curve(draw, strength)), np.uint8)


def _add_noise(picture: Picture, draw: Random) -> Picture:
    height, width = picture.shape[:2]
    noise = np.empty((height, width, 3), np.int16)
    cv2.setRNGSeed(int(draw.integers(2**31 - 1)))
    cv2.randn(noise, np.zeros(3), np.full(3, draw.gamma(2, 3.5)))
    if draw.random() < 0.5:  # coarse, as in denoised video
        noise = np.asarray(cv2.blur(noise, (2, 2)), np.int16) * 2
    return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)


def _compress_jpeg(picture: Picture, draw: Random) -> Picture:
    _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(draw.integers(15, 85))])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def _blur(picture: Picture, draw: Random) -> Picture:
    """Apply defocus, motion blur or upscaling from a lower resolution."""
    height, width = picture.shape[:2]
    kind = draw.integers(3)
    if kind == 0:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), float(draw.uniform(0.4, 1.6))), np.uint8)
    if kind == 1:
        kernel = np.zeros((7, 7), np.float32)
        reach = draw.uniform(1, 3) * np.array([1, draw.uniform(-1, 1)])
        cv2.line(kernel, tuple(np.rint(3 - reach).astype(int).tolist()), tuple(np.rint(3 + reach).astype(int).tolist()), 1)
        return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.uint8)
    scale = draw.uniform(0.4, 0.8)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def simulate_camera(picture: Picture, draw: Random, strength: float = 1.0, *, gray: bool = False) -> Picture:
    """Simulate a webcam on a picture (h, w, 3): light, color, blur, noise, compression.

    ``strength`` (0..1) scales the light changes and the probability of the other effects. ``gray`` removes all color.
    """
    picture = jitter_color(picture, draw, strength=strength * draw.choice((0.3, 0.8, 1.3)))
    if gray or draw.random() < 0.06 * strength:
        picture = np.asarray(cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)
    if draw.random() < 0.2 * strength:
        picture = _blur(picture, draw)
    if draw.random() < 0.06 * strength:  # low light: a weak signal, amplified together with its noise
        dark = np.asarray(cv2.convertScaleAbs(picture, alpha=0.25), np.uint8)
        picture = np.asarray(cv2.convertScaleAbs(_add_noise(dark, draw), alpha=3.0), np.uint8)
    if draw.random() < 0.4 * strength:
        picture = _add_noise(picture, draw)
    if draw.random() < 0.25 * strength:
        picture = _compress_jpeg(picture, draw)
    return picture


def outline_points(people: Alpha) -> NDArray[np.int64]:
    """Return the (row, column) of the pixels on the outline of people, from top to bottom. Shape (points, 2)."""
    return np.argwhere(cv2.Canny(people, 100, 200))


def random_view(room: Picture, draw: Random, size: Size) -> Picture:
    """Return a random crop of a room at the frame's size, in different light, sometimes out of focus."""
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


def camouflage(background: Picture, person: Cutout, draw: Random) -> Picture:
    """Return the background in light that gives it the person's color, at one place of the outline.

    Dark hair in a dark room and a white shirt before a white wall are difficult, and rare by chance.
    """
    points = outline_points(person.alpha)
    if not len(points):
        return background
    reach = min(person.alpha.shape) // 10
    y, x = points[int(draw.integers(len(points)))]
    place = slice(max(y - reach, 0), y + reach + 1), slice(max(x - reach, 0), x + reach + 1)
    color = np.average(person.rgb[place], axis=(0, 1), weights=np.stack([person.alpha[place]] * 3, axis=2) + 1e-3)
    gains = ((color + _DARKEST) / (background[place].mean(axis=(0, 1)) + _DARKEST)) ** draw.uniform(0.5, 1.0)
    curve = np.arange(256)[:, None] * np.clip(gains, *_CAMOUFLAGE_GAINS)
    return np.asarray(cv2.LUT(background, np.clip(np.rint(curve), 0, 255).astype(np.uint8)[None]), np.uint8)


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
    outline = _random_outline(draw) * (wide / 2, tall / 2) + (center or (x * width, y * height))
    return _paste(room, other, outline, draw)[0]


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
    texture = _folded_stripes(draw, (width, height)) if draw.random() < _STRIPED else random_view(other, draw, (width, height))
    texture = texture.astype(np.float32)
    if draw.random() < 0.5:
        texture = draw.uniform(0, 255, 3).astype(np.float32) + (texture - texture.mean(axis=(0, 1))) * draw.uniform(0.0, 0.5)
    alpha = mask[..., None] / np.float32(255)
    return np.asarray(np.clip(room + alpha * (texture - room), 0, 255), np.uint8), mask


def _folded_stripes(draw: Random, size: Size) -> Picture:
    """Return stripes of two or three colors, in any direction, on cloth with folds. RGB, uint8 (height, width, 3)."""
    width, height = size
    angle = draw.uniform(0, np.pi)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    folds = np.sin(across / (height * draw.uniform(0.05, 0.3)) + draw.uniform(0, 2 * np.pi))
    stripe = height * np.exp(draw.uniform(np.log(0.02), np.log(0.3)))
    colors = draw.uniform(0, 255, (int(draw.integers(2, 4)), 3))
    numbers = np.floor(along / stripe + folds * draw.uniform(0, 0.8)).astype(int)
    shaded = colors[numbers % len(colors)] * (1 + draw.uniform(0, 0.35) * folds)[..., None]
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
    turn = draw.normal(0, 0.15)
    return np.asarray(points @ np.array([(np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))]))
