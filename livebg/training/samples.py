"""From stores to training samples: two neighbouring frames of what a webcam might see, with the true alpha of the second.

Half of the samples are photos as they are (their own rooms, light and edges); the others are people laid over rooms, in the
framings of video calls; some show nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.synthetic import Cutout, Matrix, over, place, similarity
from livebg.training.distort import Alpha, Random, as_filmed, lit
from livebg.training.store import Picture, Store

Size = tuple[int, int]

FLAT: Mapping[str, float] = {"portraits": 0.62, "streets": 0.25, "clips": 0.13}
"""Stores whose pictures are used with their own rooms, and how often each is chosen."""
SHARES: Mapping[str, tuple[float, float]] = {
    "heads": (0.75, 1.0),
    "halfbody": (0.5, 1.0),
    "figures": (0.2, 0.8),
    "talking": (0.85, 1.0),
}
"""Stores of cut-outs, and the part of the person, from the top, that the frame may show."""
PEOPLE: Mapping[str, float] = {"heads": 0.37, "halfbody": 0.22, "figures": 0.33, "talking": 0.08}
ROOMS = "rooms"


@dataclass(frozen=True)
class Mix:
    """How often a sample is a photo as it is, and how often nobody is in it (the others are composites)."""

    flat: float = 0.5
    empty: float = 0.1
    squashed: float = 0.4
    """Of the photos as they are: those shown whole, whatever the frame's shape."""
    harm: float = 1.0
    """How much the camera spoils: see `as_filmed`."""
    step: float = 0.02
    """Standard deviation of the shift between the two frames, in widths."""


@dataclass(frozen=True)
class Sample:
    """`before` and `picture` (h, w, 3) are neighbouring frames; `alpha_before` and `alpha` (h, w) are true. All uint8.

    `photo`: it was taken as it is, with its own room.
    """

    before: Picture
    picture: Picture
    alpha_before: Alpha
    alpha: Alpha
    photo: bool


class Samples:
    """Draws samples from the stores under a folder. Raises FileNotFoundError where there are none."""

    def __init__(self, folder: Path, mix: Mix) -> None:
        self._stores = {path.name: Store(path) for path in sorted(folder.iterdir()) if (path / "index.json").exists()}
        self._mix = mix
        self._boxes: dict[tuple[str, int], tuple[int, int, int, int]] = {}
        if not any(name in self._stores for name in FLAT) and not (
            ROOMS in self._stores and any(n in self._stores for n in PEOPLE)
        ):
            raise FileNotFoundError(f"no prepared pictures in {folder}")

    def draw(self, draw: Random, size: Size) -> Sample:
        """One sample of `size` (width, height)."""
        chance = draw.random()
        photo = ROOMS not in self._stores or (chance < self._mix.flat and any(name in self._stores for name in FLAT))
        sample = self._photo(draw, size) if photo else self._scene(draw, size, nobody=chance > 1 - self._mix.empty)
        if draw.random() < 0.5:
            frames = (sample.before, sample.picture, sample.alpha_before, sample.alpha)
            before, picture, alpha_before, alpha = (frame[:, ::-1] for frame in frames)
            sample = Sample(before, picture, alpha_before, alpha, photo)
        seed = int(draw.integers(2**31))  # both frames come from the same camera: same light, same flaws
        first, second = (
            as_filmed(np.ascontiguousarray(frame), np.random.default_rng(seed), self._mix.harm)
            for frame in (sample.before, sample.picture)
        )
        return Sample(first, second, np.ascontiguousarray(sample.alpha_before), np.ascontiguousarray(sample.alpha), photo)

    def _pick(self, draw: Random, weights: Mapping[str, float]) -> tuple[str, int]:
        names = [name for name in weights if name in self._stores and len(self._stores[name])]
        chances = np.array([weights[name] for name in names])
        name = str(draw.choice(names, p=chances / chances.sum()))
        return name, int(draw.integers(len(self._stores[name])))

    def _photo(self, draw: Random, size: Size) -> Sample:
        name, index = self._pick(draw, FLAT)
        rgba = self._stores[name][index]
        height, width = rgba.shape[:2]
        matrix = self._whole(draw, (width, height), size) if draw.random() < self._mix.squashed else self._crop(draw, rgba, size)
        frames = []
        for view in (_nudged(matrix, draw, size, self._mix.step), matrix):
            shrink = np.sqrt(abs(np.linalg.det(view[:, :2])))
            source = cv2.GaussianBlur(rgba, (0, 0), 0.45 / shrink) if shrink < 0.75 else rgba
            frames.append(
                np.asarray(
                    cv2.warpAffine(source, view, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), np.uint8
                )
            )
        before, now = frames
        return Sample(before[..., :3], now[..., :3], before[..., 3], now[..., 3], photo=True)

    def _whole(self, draw: Random, source: Size, size: Size) -> Matrix:
        """The whole photo, or nearly, pressed into the frame."""
        left, top, right, bottom = (draw.random(4) ** 2) * 0.12 * draw.choice((0, 1))
        scale_x, scale_y = size[0] / (source[0] * (1 - left - right)), size[1] / (source[1] * (1 - top - bottom))
        stretch = np.array([[scale_x, 0, -left * source[0] * scale_x], [0, scale_y, -top * source[1] * scale_y]])
        return _turned(stretch, draw.normal(0, 3), size)

    def _crop(self, draw: Random, rgba: Picture, size: Size) -> Matrix:
        """A part of the photo nearly in the frame's shape, with most of the person's head (the upper part of the alpha) in it."""
        height, width = rgba.shape[:2]
        rows = np.flatnonzero(cv2.reduce(rgba[::4, ::4, 3], 1, cv2.REDUCE_MAX)[:, 0] > 127) * 4
        head = float(rows[0]) if rows.size else 0.0
        aspect = size[0] / size[1] * np.exp(draw.normal(0, 0.15))
        across = width * draw.uniform(0.75, 1.3)
        down = across / aspect
        left = draw.uniform(min(0, width - across), max(0, width - across))
        lowest = max(height - down, 0)
        top = max(head - down * draw.uniform(0.02, 0.3), 0) if draw.random() < 0.8 else draw.uniform(0, lowest)
        scale_x, scale_y = size[0] / across, size[1] / down
        return _turned(np.array([[scale_x, 0, -left * scale_x], [0, scale_y, -top * scale_y]]), draw.normal(0, 6), size)

    def _scene(self, draw: Random, size: Size, *, nobody: bool) -> Sample:
        store = self._stores[ROOMS]
        room = _view(store[int(draw.integers(len(store)))], draw, size)
        still = draw.random() < 0.6
        rooms = (room if still else _shaken(room, draw), room)
        layers: tuple[list[Cutout], list[Cutout]] = ([], [])
        for number in range(0 if nobody else int(draw.choice((1, 2), p=(0.85, 0.15)))):
            cutout, matrix = self._person(draw, size, second=number > 0)
            for into, view in zip(layers, (_nudged(matrix, draw, size, self._mix.step), matrix), strict=True):
                into.insert(0, place(cutout, view, size))
        (before, alpha_before), (now, alpha) = (over(behind, *people) for behind, people in zip(rooms, layers, strict=True))
        return Sample(before, now, alpha_before, alpha, photo=False)

    def _person(self, draw: Random, size: Size, *, second: bool) -> tuple[Cutout, Matrix]:
        """Somebody cut off by the frame's lower edge, somewhere in the frame, under a light of their own."""
        name, index = self._pick(draw, PEOPLE)
        rgba = self._stores[name][index]
        left, top, right, bottom = self._box(name, index)
        shown = (bottom - top) * draw.uniform(*SHARES[name])
        scale = size[1] * draw.uniform(0.45, 1.1) / shown * (draw.uniform(0.5, 0.9) if second else 1)
        widest = 1.3 * size[0] / max(right - left, 1)
        scale = min(scale, widest)
        place_x = (
            draw.uniform(0.0, 1.0) if second or draw.random() < 0.15 else float(np.clip(draw.normal(0.5, 0.16), -0.05, 1.05))
        )
        foot = size[1] * (1 if draw.random() < 0.9 else draw.uniform(0.85, 1.3))
        matrix = similarity(scale, float(draw.normal(0, 5)), ((left + right) / 2, top + shown), (place_x * size[0], foot))
        stretch = float(np.exp(draw.normal(0, 0.15)))
        matrix[0] *= stretch
        matrix[0, 2] += place_x * size[0] * (1 - stretch)
        return Cutout(lit(np.ascontiguousarray(rgba[..., :3]), draw, 0.7), np.ascontiguousarray(rgba[..., 3])), matrix

    def _box(self, name: str, index: int) -> tuple[int, int, int, int]:
        """Where the person is in a cut-out: left, top, right, bottom. Looked up once."""
        if (name, index) not in self._boxes:
            seen = self._stores[name][index][..., 3] > 127
            columns, rows = np.flatnonzero(seen.any(axis=0)), np.flatnonzero(seen.any(axis=1))
            height, width = seen.shape
            found = (
                (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1) if rows.size else (0, 0, width, height)
            )
            self._boxes[name, index] = found
        return self._boxes[name, index]


def _turned(matrix: NDArray[np.float64], degrees: float, size: Size) -> Matrix:
    """The map followed by a turn about the frame's middle."""
    turn = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), degrees, 1)
    return np.asarray(turn @ np.vstack((matrix, (0, 0, 1))))


def _nudged(matrix: Matrix, draw: Random, size: Size, step: float) -> Matrix:
    """The map of the frame before: a little shift, zoom and turn away."""
    nudge = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), draw.normal(0, 1), float(np.exp(draw.normal(0, 0.01))))
    nudge[:, 2] = nudge[:, 2] + draw.normal(0, step * size[0], 2)
    return np.asarray(nudge @ np.vstack((matrix, (0, 0, 1))))


def _view(room: Picture, draw: Random, size: Size) -> Picture:
    """A part of a room at the frame's size, sometimes out of focus, in a light of its own."""
    height, width = room.shape[:2]
    aspect = size[0] / size[1] * np.exp(draw.normal(0, 0.1))
    across = min(width, height * aspect) * draw.uniform(0.55, 1)
    down = across / aspect
    left, top = draw.uniform(0, width - across), draw.uniform(0, max(height - down, 0))
    part = room[int(top) : int(top + down) + 1, int(left) : int(left + across) + 1]
    part = part[:, ::-1] if draw.random() < 0.5 else part
    seen = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    if draw.random() < 0.3:
        seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), float(draw.uniform(0.6, 4))), np.uint8)
    return lit(seen, draw, 0.7)


def _shaken(room: Picture, draw: Random) -> Picture:
    height, width = room.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), draw.normal(0, 0.7), float(np.exp(draw.normal(0.01, 0.01))))
    matrix[:, 2] = matrix[:, 2] + draw.normal(0, 0.01 * width, 2)
    return np.asarray(cv2.warpAffine(room, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101), np.uint8)
