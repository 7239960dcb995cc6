"""Draws training samples from stores: frames like those of webcams, phones and conference cameras, with their alpha.

Most samples are photos with their own background, light and edges, at all scales. The others are people composited over rooms,
near and far, single and in groups, and rooms without people.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from livebg.lab.training import framing
from livebg.lab.training.augmentation import Alpha, Random, camouflage, jitter_color, random_view, simulate_camera
from livebg.lab.training.objects import add_furniture, add_poster, paste_objects
from livebg.lab.training.pixel_store import Picture, Size, Store
from livebg.lab.training.prepare import CUTOUTS, GRAY_SETS, NEGATIVES, PHOTOS, ROOMS, SMALL_SETS, SQUARED_SETS
from livebg.lab.training.pseudo_labels import foreground
from livebg.synthetic import Box, Cutout, bounding_box, over, place, similarity

_COUNT_POWER: Final = 0.7
"""Sets are sampled in proportion to this power of their size, so that pictures of small sets appear more often."""
_SET_WEIGHTS: Final = {
    "streets": 3.0,
    "portraits": 3.0,
    "roboflow_human_v2": 2.5,
    "detr_facemask": 1.5,
    "zoom_behaviour": 4.0,
    "camera_samples": 3.0,
}
"""Sets whose alphas are drawn by hand appear more often than those labeled by other networks, and so do people at all distances,
in groups, and in video calls."""
_MAX_SMALL_FRAME_SIDE: Final = 144
"""Frames up to this many pixels wide and high may show pictures of the small sets."""
_BESIDE_PEOPLE: Final = 0.5
"""Share of the replaced backgrounds that are taken from other photos: rooms show no leaves, sky or streets."""
_NEGATIVE: Final = 0.35
"""Share of the frames without people that show a pet, a chair or another object that a network may take for a person."""
_UNSQUARE_STRETCH: Final = (1.25, 1.5)
"""Range of the horizontal stretch for pictures that were squeezed into a square."""


@dataclass(frozen=True)
class Mix:
    """The shares of photos and of frames without people (the rest are composites), and how they are varied.

    ``whole`` and ``zoomed_out`` are shares of the photos: shown whole in any frame shape, and surrounded by their reflection,
    unless their top edge cuts off a person; the others are cropped. ``bulged`` is the share of the photos with a locally larger
    outline, ``replaced`` of those with another background, and ``behind`` of the others with pasted objects behind the people.
    ``camouflaged`` is the share of replaced backgrounds and composites in which the background has the person's color. ``far`` is
    the share of composites with distant people, ``poster`` the share of rooms with a photo on the wall, which does not count as a
    person, ``clutter`` the share of rooms with pasted objects. ``close`` is the share of samples that are a quarter of a frame
    twice as wide and high: small frames then show the details of larger ones. ``augmentation_strength`` scales the simulated
    camera defects.
    """

    photos: float = 0.7
    empty: float = 0.12
    whole: float = 0.5
    zoomed_out: float = 0.12
    bulged: float = 0.3
    replaced: float = 0.2
    behind: float = 0.3
    camouflaged: float = 0.3
    far: float = 0.35
    poster: float = 0.06
    clutter: float = 0.35
    close: float = 0.0
    augmentation_strength: float = 0.7


@dataclass(frozen=True)
class Sample:
    """``picture``, RGB (height, width, 3), and its ``alpha`` (height, width), both uint8."""

    picture: Picture
    alpha: Alpha


class Samples:
    """Draws samples from the stores in a folder, except the sets in ``left_out``.

    Raises FileNotFoundError if there are no prepared pictures.
    """

    def __init__(self, folder: Path, mix: Mix, left_out: frozenset[str] = frozenset()) -> None:
        found = {path.name: Store(path) for path in sorted(folder.iterdir()) if (path / "index.json").exists()}
        stores = {name: store for name, store in found.items() if len(store) and name.partition(".")[2] not in left_out}
        self._photos = {name: store for name, store in stores.items() if name.startswith(PHOTOS)}
        self._cutouts = {name: store for name, store in stores.items() if name.startswith(CUTOUTS)}
        self._rooms, self._negatives = stores.get(ROOMS), stores.get(NEGATIVES)
        self._mix = mix
        self._boxes: dict[tuple[str, int], Box] = {}
        if not self._photos and not (self._rooms and self._cutouts):
            raise FileNotFoundError(f"No prepared pictures in {folder}. Run the prepare command first.")

    def draw(self, draw: Random, size: Size) -> Sample:
        """Return a random sample of ``size`` (width, height)."""
        if draw.random() < self._mix.close:
            sample, gray = self._frame(draw, (2 * size[0], 2 * size[1]))
            window = framing.part(draw, sample.alpha, size)
            sample = Sample(sample.picture[window], sample.alpha[window])
        else:
            sample, gray = self._frame(draw, size)
        step = -1 if draw.random() < 0.5 else 1
        picture, alpha = np.ascontiguousarray(sample.picture[:, ::step]), np.ascontiguousarray(sample.alpha[:, ::step])
        return Sample(simulate_camera(picture, draw, self._mix.augmentation_strength, gray=gray), alpha)

    def _frame(self, draw: Random, size: Size) -> tuple[Sample, bool]:
        """Return a frame without camera defects, and whether it comes from a gray photo."""
        chance = draw.random()
        if self._photos and (self._rooms is None or chance < self._mix.photos):
            name, index = self._pick(self._photos, draw, size)
            return self._photo(name, index, draw, size), name.partition(".")[2] in GRAY_SETS
        assert self._rooms is not None
        if self._cutouts and chance <= 1 - self._mix.empty:
            return self._composite(self._room(self._rooms, draw, size), draw), False
        shown = self._negatives if self._negatives and draw.random() < _NEGATIVE else self._rooms
        room = self._room(shown, draw, size)
        return Sample(room, np.zeros(room.shape[:2], np.uint8)), False

    def _pick(self, stores: dict[str, Store], draw: Random, size: Size) -> tuple[str, int]:
        names = [
            name for name in stores if max(size) <= _MAX_SMALL_FRAME_SIDE or name.partition(".")[2] not in SMALL_SETS
        ] or list(stores)
        weights = np.array([len(stores[name]) ** _COUNT_POWER * _SET_WEIGHTS.get(name.partition(".")[2], 1.0) for name in names])
        name = str(draw.choice(names, p=weights / weights.sum()))
        return name, int(draw.choice(len(stores[name]), p=stores[name].chances))

    def _photo(self, name: str, index: int, draw: Random, size: Size) -> Sample:
        """Return a photo, cropped, whole or surrounded by its reflection, with its own background or another one."""
        stretch = (
            draw.uniform(*_UNSQUARE_STRETCH) if name.partition(".")[2] in SQUARED_SETS else float(np.exp(draw.normal(0, 0.1)))
        )
        box, photo = self._box(self._photos, name, index), self._photos[name][index]
        for _ in range(framing.ATTEMPTS):
            kind, rgba = draw.random(), photo
            if kind < self._mix.whole:
                matrix = framing.whole_map(draw, rgba.shape, size)
            elif kind < self._mix.whole + self._mix.zoomed_out and not framing.is_cut_at_top(rgba):
                rgba = framing.extend_top(rgba)
                matrix = framing.zoomed_out_map(draw, rgba.shape, stretch, size)
            else:
                matrix = framing.crop_map(draw, rgba.shape, box, stretch, size)
            warped = framing.warp(rgba, framing.rotate_map(matrix, draw.normal(0, 4), size), size)
            if framing.is_well_filled(warped[..., 3]):
                break
        if draw.random() < self._mix.bulged:
            warped = framing.bulge(warped, draw)
        sample = Sample(warped[..., :3], warped[..., 3])
        if draw.random() < self._mix.replaced:
            return self._with_other_background(sample, draw, size)
        return self._with_objects_behind(sample, draw) if draw.random() < self._mix.behind else sample

    def _with_other_background(self, sample: Sample, draw: Random, size: Size) -> Sample:
        """Replace the background by a room, or by what is beside the people in another photo, for example outdoors."""
        side = None
        if self._rooms is None or draw.random() < _BESIDE_PEOPLE:
            name, index = self._pick(self._photos, draw, size)
            side = framing.empty_side(self._photos[name][index], self._box(self._photos, name, index))
        if side is not None:
            background = random_view(side, draw, size)
        elif self._rooms is not None:
            background = self._room(self._rooms, draw, size)
        else:
            return sample
        person = Cutout(jitter_color(foreground(sample.picture, sample.alpha), draw, 0.7), sample.alpha)
        return Sample(over(self._camouflaged(background, person, draw), person)[0], sample.alpha)

    def _with_objects_behind(self, sample: Sample, draw: Random) -> Sample:
        """Paste one or two objects between the people and their background."""
        if self._rooms is None:
            return sample
        person = Cutout(foreground(sample.picture, sample.alpha), sample.alpha)
        return Sample(over(paste_objects(sample.picture, self._rooms, draw, 2, sample.alpha), person)[0], sample.alpha)

    def _composite(self, room: Picture, draw: Random) -> Sample:
        """Composite one to five people over a room: near, or at a distance."""
        far = draw.random() < self._mix.far
        count = int(draw.choice((1, 2, 3, 4, 5), p=(0.4, 0.25, 0.15, 0.1, 0.1) if far else (0.8, 0.2, 0, 0, 0)))
        people = []
        for number in range(count):
            room, person = self._person(room, draw, far=far, beside=number > 0)
            people.append(person)
        return Sample(*over(self._camouflaged(room, people[0], draw), *reversed(people)))

    def _camouflaged(self, background: Picture, person: Cutout, draw: Random) -> Picture:
        return camouflage(background, person, draw) if draw.random() < self._mix.camouflaged else background

    def _person(self, room: Picture, draw: Random, *, far: bool, beside: bool) -> tuple[Picture, Cutout]:
        """Return the room and a person in it, in different light: cut off by the lower edge of the frame, standing, or behind
        furniture."""
        size = room.shape[1], room.shape[0]
        name, index = self._pick(self._cutouts, draw, size)
        rgba = self._cutouts[name][index]
        left, top, right, bottom = self._box(self._cutouts, name, index)
        standing = far and draw.random() < 0.6
        shown = (bottom - top) * (1 if standing else draw.uniform(0.4 if name == f"{CUTOUTS}streets" else 0.7, 1.0))
        share = float(np.exp(draw.uniform(np.log(0.18), np.log(0.6)))) if far else draw.uniform(0.45, 1.1)
        scale = min(size[1] * share / shown * (draw.uniform(0.6, 1.0) if beside else 1), 1.3 * size[0] / max(right - left, 1))
        anywhere = far or beside or draw.random() < 0.15
        x = draw.uniform(0.0, 1.0) if anywhere else float(np.clip(draw.normal(0.5, 0.16), -0.05, 1.05))
        foot = size[1] * (
            draw.uniform(max(share, 0.45), 1.0) if standing else 1 if draw.random() < 0.9 else draw.uniform(1.0, 1.3)
        )
        low = top + shown if foot >= size[1] else bottom
        matrix = similarity(scale, float(draw.normal(0, 4)), ((left + right) / 2, low), (x * size[0], foot))
        color, alpha = jitter_color(np.ascontiguousarray(rgba[..., :3]), draw, 0.7), np.ascontiguousarray(rgba[..., 3])
        person = place(Cutout(color, alpha), matrix, size)
        if self._rooms is None or foot >= size[1] or not framing.is_cut_at_bottom(rgba):
            return room, person
        half = scale * (right - left) / 2
        other = self._rooms[int(draw.integers(len(self._rooms)))]
        room, hidden = add_furniture(room, other, draw, (x * size[0] - half, x * size[0] + half, foot))
        return room, Cutout(person.rgb, np.asarray(cv2.multiply(person.alpha, 255 - hidden, scale=1 / 255), np.uint8))

    def _room(self, rooms: Store, draw: Random, size: Size) -> Picture:
        room = random_view(rooms[int(draw.integers(len(rooms)))], draw, size)
        if draw.random() < self._mix.clutter:
            room = paste_objects(room, rooms, draw, most=3)
        if not self._photos or draw.random() >= self._mix.poster:
            return room
        name, index = self._pick(self._photos, draw, size)
        return add_poster(room, self._photos[name][index][..., :3], draw)

    def _box(self, stores: dict[str, Store], name: str, index: int) -> Box:
        """Return the bounding box of the people in a picture. Cached."""
        if (name, index) not in self._boxes:
            alpha = stores[name][index][..., 3]
            self._boxes[name, index] = bounding_box(alpha) or (0, 0, alpha.shape[1], alpha.shape[0])
        return self._boxes[name, index]
