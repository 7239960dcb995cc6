"""Procedurally drawn people and rooms for tests without photos: not realistic, but with edges, texture and soft alpha."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.synthetic.layering import Cutout, Picture

_HEIGHT: Final = 320
_WIDTH: Final = 288

_SKIN_TONE: Final = np.array([1.0, 0.78, 0.63])
"""Relative red, green and blue of skin and hair."""


def blob_person(seed: int) -> Cutout:
    """Draw a textured head with hair, neck and shoulders, (320, 288), with soft edges and thin strands of hair."""
    draw = np.random.default_rng(seed)
    middle, chin = _WIDTH // 2, 175
    head = (int(draw.integers(48, 60)), int(draw.integers(64, 76)))
    skin, hair = ((draw.uniform(low, high) * _SKIN_TONE).tolist() for low, high in ((90, 240), (10, 110)))
    shirt = draw.integers(20, 235, 3).tolist()
    rgb = np.full((_HEIGHT, _WIDTH, 3), shirt, np.uint8)
    alpha = np.zeros((_HEIGHT, _WIDTH), np.uint8)
    top = (middle, chin - head[1])
    for angle in draw.uniform(-np.pi, 0, 220):  # strands of hair, thinner than a pixel of the frame
        reach = draw.uniform(1.05, 1.3)
        tip = (round(middle + head[0] * reach * np.cos(angle)), round(top[1] + head[1] * reach * np.sin(angle)))
        cv2.line(alpha, top, tip, 255, 1, cv2.LINE_AA)
        cv2.line(rgb, top, tip, hair, 3, cv2.LINE_AA)
    for picture, colors in ((rgb, (shirt, skin, hair, skin)), (alpha, (255, 255, 255, 255))):
        shoulders = (int(0.42 * _WIDTH), 100)
        cv2.ellipse(picture, (middle, _HEIGHT), shoulders, 0, 180, 360, colors[0], cv2.FILLED, cv2.LINE_AA)
        cv2.rectangle(picture, (middle - 24, chin - 20), (middle + 24, chin + 60), colors[1], cv2.FILLED)
        cv2.ellipse(picture, top, (head[0] + 4, head[1] + 4), 0, 180, 360, colors[2], cv2.FILLED, cv2.LINE_AA)
        cv2.ellipse(picture, (middle, top[1] + 8), head, 0, 0, 360, colors[3], cv2.FILLED, cv2.LINE_AA)
    cv2.ellipse(rgb, top, (head[0], head[1] - 4), 0, 190, 350, hair, cv2.FILLED, cv2.LINE_AA)
    for side in (-1, 1):
        cv2.circle(rgb, (middle + side * head[0] // 2, top[1] + 12), 5, (20, 20, 20), cv2.FILLED, cv2.LINE_AA)
    soft = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 1.2), np.uint8)
    return Cutout(_textured(rgb, 12, draw), soft)


def procedural_room(seed: int, size: tuple[int, int]) -> Picture:
    """Draw a wall, a floor and a dozen textured objects, RGB, uint8, at ``size`` (width, height)."""
    draw = np.random.default_rng(seed)
    width, height = size
    wall, floor = draw.integers(90, 240, 3), draw.integers(40, 160, 3)
    shade = np.linspace(0.8, 1.1, width)[None, :, None]
    room = np.broadcast_to(wall * shade, (height, width, 3)).clip(0, 255).astype(np.uint8)
    room[int(0.7 * height) :] = floor
    for _ in range(12):
        corner = draw.integers(0, width), draw.integers(0, height)
        far = corner[0] + draw.integers(width // 20, width // 4 + 2), corner[1] + draw.integers(height // 20, height // 3 + 2)
        color = draw.integers(0, 256, 3).tolist()
        cv2.rectangle(room, (int(corner[0]), int(corner[1])), (int(far[0]), int(far[1])), color, cv2.FILLED)
    return _textured(room, 8, draw)


def _textured(picture: NDArray[np.uint8], strength: float, draw: np.random.Generator) -> NDArray[np.uint8]:
    """Add noise at two scales, so that optical flow finds texture everywhere."""
    height, width = picture.shape[:2]
    coarse = draw.normal(0, strength, (max(height // 8, 1), max(width // 8, 1), 3)).astype(np.float32)
    noise = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR) + draw.normal(0, strength / 3, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)
