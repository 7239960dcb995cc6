"""Renders a motion: people over a room, frame by frame, with the exact alpha of each frame."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha8
from livebg.imaging.pyramid import resize
from livebg.synthetic.layering import Box, Cutout, Matrix, Picture, bounding_box, over, place, similarity
from livebg.synthetic.motions import Chance, Motion, Pose, Scene, View

Size = tuple[int, int]

_HEADROOM: Final = 0.18
"""Share of the frame's height above the head at scale 1."""

_OVERHANG: Final = 0.1
"""Share of the person's visible height below the frame, so that no sway or shake moves the cut edge into it."""

_MAX_WIDTH: Final = 0.9
"""A person's maximum width as a share of the frame's, at scale 1."""

_ROOM_MARGIN: Final = 1.12
"""The room is larger than the frame by this factor, so that the camera can move."""

_MAX_EXPOSURE_SAMPLES: Final = 12

_GAP_S: Final = 0.5
"""Length of the gap in the middle of a clip with uneven timestamps."""


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """A person over time: cut-outs of one size, played back and forth at ``rate`` per second. A still is a single cut-out.

    ``share`` is the part of the person, from the top, that the frame shows: 1 for head and shoulders, about 0.45 for a
    full-length photo. ``box`` (left, top, right, bottom) bounds the person in all cut-outs. Raises ValueError if there are no
    cut-outs, if their sizes differ or if they show no person.
    """

    cutouts: Sequence[Cutout]
    rate: float = 30.0
    share: float = 1.0
    box: Box = field(init=False)

    def __post_init__(self) -> None:
        shapes = {cutout.alpha.shape for cutout in self.cutouts}
        if len(shapes) != 1:
            raise ValueError(f"Actor needs cut-outs of one size, got {sorted(shapes)}.")
        if not (self.rate > 0 and 0 < self.share <= 1):
            raise ValueError(f"Actor needs a positive rate and a share in 0..1, got {self.rate} and {self.share}.")
        box = bounding_box(np.maximum.reduce([cutout.alpha for cutout in self.cutouts]))
        if box is None:
            raise ValueError("Actor needs a visible person, but alpha is below one half everywhere.")
        object.__setattr__(self, "box", box)

    def at(self, time: float) -> Cutout:
        """Return the cut-out at ``time``, in seconds."""
        last = len(self.cutouts) - 1
        if not last:
            return self.cutouts[0]
        step = math.floor(time * self.rate + 1e-6) % (2 * last)  # times are multiples of 1 / rate, up to rounding
        return self.cutouts[min(step, 2 * last - step)]


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A frame of a clip: RGB, uint8, (height, width, 3); its exact alpha, uint8, (height, width); its time in seconds."""

    rgb: Picture
    alpha: Alpha8
    time: float


def standing(box: Box, pose: Pose, size: Size, share: float = 1.0) -> Matrix:
    """Return the map that places a person in a frame of ``size`` (width, height), head inside, cut off by the lower edge.

    ``box`` (left, top, right, bottom) bounds the person in the cut-out; its upper ``share`` is visible.
    """
    left, top, right, bottom = box
    width, height = size
    shown = (bottom - top) * share * (1 - _OVERHANG)
    fit = min((1 - _HEADROOM) * height / shown, _MAX_WIDTH * width / (right - left))
    return similarity(fit * pose.scale, pose.degrees, ((left + right) / 2, top + shown), (pose.x * width, float(height)))


def clip(
    motion: Motion,
    actors: Sequence[Actor],
    background: Picture,
    size: Size,
    *,
    frames: int,
    rate: float = 30.0,
    seed: int = 0,
    start: float = 0.0,
) -> Iterator[Moment]:
    """Yield ``frames`` frames of a motion at ``size`` (width, height). Deterministic for given arguments.

    - ``actors``: assigned to the motion's poses in order, cyclically; without actors the room is empty.
    - ``background``: RGB, uint8, any size; cropped to cover the frame plus a margin for camera motion.
    - ``rate``: frames per second, the mean if the motion has uneven timestamps.
    - ``start``: time of the first frame in seconds, to render a section from the middle of a motion.
    """
    draw = np.random.default_rng(seed)
    chance: Chance = tuple(draw.random(8).tolist())
    room = _cover(background, size, float(draw.random()), float(draw.random()))
    for elapsed in _times(motion, frames, rate, draw):
        time = start + elapsed
        rgb, alpha = _render_exposure(motion, actors, room, size, time, chance)
        yield Moment(rgb, alpha, time)


def _times(motion: Motion, frames: int, rate: float, draw: np.random.Generator) -> list[float]:
    """Return times in seconds from 0; uneven ones are 0.4 to 1.6 frame intervals apart, with one gap."""
    if not motion.uneven:
        return [number / rate for number in range(frames)]
    steps = draw.uniform(0.4, 1.6, frames) / rate
    steps[frames // 2] = _GAP_S
    steps[0] = 0
    times: list[float] = np.cumsum(steps).tolist()
    return times


def _render_exposure(
    motion: Motion, actors: Sequence[Actor], room: Picture, size: Size, time: float, chance: Chance
) -> tuple[Picture, Alpha8]:
    """Return the mean RGB and alpha over the exposure, with one sample per pixel of movement."""
    first, last = (motion.scene(time + part * motion.exposure, chance) for part in (-0.5, 0.5))
    count = min(max(math.ceil(_max_movement(first, last) * size[0]), 1), _MAX_EXPOSURE_SAMPLES)
    sums = np.zeros((size[1], size[0], 4), np.float32)
    for number in range(count):
        instant = time + ((number + 0.5) / count - 0.5) * motion.exposure
        rgb, alpha = _render_instant(motion.scene(instant, chance), actors, room, size, instant)
        if count == 1:
            return rgb, alpha
        sums += cv2.merge([*cv2.split(rgb), alpha])
    mean = np.rint(sums / count).astype(np.uint8)
    return np.ascontiguousarray(mean[..., :3]), np.ascontiguousarray(mean[..., 3])


def _max_movement(first: Scene, last: Scene) -> float:
    """Return the largest horizontal movement of a person between two scenes, in frame widths."""
    return max((abs(a.x - b.x) for a, b in zip(first.poses, last.poses, strict=True)), default=0.0)


def _render_instant(scene: Scene, actors: Sequence[Actor], room: Picture, size: Size, time: float) -> tuple[Picture, Alpha8]:
    """Render one instant, without motion blur."""
    camera = _camera(scene.view, size)
    layers = []
    for number, pose in enumerate(scene.poses if actors else ()):
        actor = actors[number % len(actors)]
        placement = standing(actor.box, pose, size, actor.share)
        layers.append(place(actor.at(time), camera[:2] @ np.vstack([placement, [0, 0, 1]]), size))
    rgb, alpha = over(_visible_room(room, camera, size), *layers)
    if scene.gain != (1.0, 1.0, 1.0):
        table = np.clip(np.rint(np.arange(256)[:, None] * np.array(scene.gain)), 0, 255).astype(np.uint8)
        rgb = np.asarray(cv2.LUT(rgb, table[None]), np.uint8)
    return rgb, alpha


def _camera(view: View, size: Size) -> NDArray[np.float64]:
    """Return the 3x3 map from the frame of a camera at rest to the frame of this view."""
    middle = size[0] / 2, size[1] / 2
    target = middle[0] + view.x * size[0], middle[1] + view.y * size[0]
    return np.vstack([similarity(1.0, view.degrees, middle, target), [0, 0, 1]])


def _visible_room(room: Picture, camera: NDArray[np.float64], size: Size) -> Picture:
    """Return the visible part of the room. A camera at rest sees its center, unscaled."""
    left, top = (room.shape[1] - size[0]) // 2, (room.shape[0] - size[1]) // 2
    if np.array_equal(camera, np.eye(3)):
        return room[top : top + size[1], left : left + size[0]]
    shift = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]])
    # The room is large enough for every built-in motion; stronger shaking shows its reflection, never black.
    warped = cv2.warpAffine(room, (camera @ shift)[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(warped, np.uint8)


def _cover(background: Picture, size: Size, across: float, down: float) -> Picture:
    """Return the background at the frame's size plus a margin, cropped at ``across`` and ``down`` (0..1), never stretched."""
    height, width = background.shape[:2]
    wanted = math.ceil(size[0] * _ROOM_MARGIN), math.ceil(size[1] * _ROOM_MARGIN)
    scale = min(width / wanted[0], height / wanted[1])
    crop = max(round(wanted[0] * scale), 1), max(round(wanted[1] * scale), 1)
    left, top = round((width - crop[0]) * across), round((height - crop[1]) * down)
    return resize(background[top : top + crop[1], left : left + crop[0]], wanted)
