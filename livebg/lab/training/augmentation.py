"""Data augmentation: light, color and camera defects."""

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.lab.training.pixel_store import Picture

Alpha = NDArray[np.uint8]
Random = np.random.Generator


def _tone_curve(draw: Random, strength: float) -> NDArray[np.uint8]:
    """Returns a random tone curve per channel (1, 256, 3): exposure, gamma, contrast and white balance."""
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
