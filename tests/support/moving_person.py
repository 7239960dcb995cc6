"""A textured shape swaying in front of a textured room; its alpha is known at any time, including between frames."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 160, 96


def true_alpha(time: float, still: bool = False) -> NDArray[np.float32]:
    """The shape's alpha at ``time`` in frames: (HEIGHT, WIDTH), with edges one pixel soft."""
    middle = _middle(0 if still else time)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    head = (1 - np.hypot((columns - middle) / 14, (rows - 34) / 18)) * 15
    body = (1 - np.hypot((columns - middle) / 32, (rows - 100) / 40)) * 34
    return np.asarray(np.clip(np.maximum(head, body) + 0.5, 0, 1), np.float32)


def picture(time: int, still: bool = False, noise: float = 2.0) -> NDArray[np.uint8]:
    """Luma of the shape, which moves with its texture, in front of the room, with camera noise: (HEIGHT, WIDTH)."""
    alpha = true_alpha(time, still)
    person = _texture(1, 160)
    shift = np.array([[1, 0, _middle(0 if still else time) - WIDTH / 2], [0, 1, 0]])
    moved = cv2.warpAffine(person, shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    grain = np.random.default_rng(time + 100).normal(0, noise, (HEIGHT, WIDTH))
    return np.asarray(np.clip(moved * alpha + _texture(2, 100) * (1 - alpha) + grain, 0, 255), np.uint8)


def _middle(time: float) -> float:
    return WIDTH / 2 + 18 * math.sin(time / 8)


def _texture(seed: int, mean: float) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    layers = [cv2.resize(rng.random((HEIGHT // step, WIDTH // step), np.float32), (WIDTH, HEIGHT)) - 0.5 for step in (4, 16, 32)]
    return np.asarray(mean + 50 * sum(layers), np.float32)
