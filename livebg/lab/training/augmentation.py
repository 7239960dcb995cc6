"""Data augmentation: light, color and camera defects."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.lab.training.pixel_store import Picture, Size
from livebg.synthetic import Cutout

Alpha = NDArray[np.uint8]
Random = np.random.Generator

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
