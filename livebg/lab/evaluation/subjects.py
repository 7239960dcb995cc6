"""Actors and rooms for the moving clips: held-out people and rooms, or procedural ones if there is no data."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from livebg.errors import SourceError
from livebg.imaging.frame import Alpha8
from livebg.lab.evaluation.datasets import SPLIT_SETS, EmptyRoom, LabeledPicture, clips, every_nth, folder_sets, rooms_aside
from livebg.lab.evaluation.holdout import is_held_out
from livebg.lab.evaluation.networks import Rgb
from livebg.sources.file import FileSource
from livebg.synthetic import Actor, Cutout, blob_person, cut_green, procedural_room

SCREENS: Final = "talking"
"""The subfolder of ``video`` with green-screen clips."""

_FULL_LENGTH_SHARE: Final = 0.45
"""The part of a full-length photo that a webcam would show."""

_SCREEN_EVERY: Final = 4
"""Every n-th actor comes from a green-screen clip, if there are any."""

_KEYED_FRAMES: Final = 40
_EDGE_SIGMA: Final = 0.8
_ROOM_SIZE: Final = (640, 360)


@dataclass(frozen=True)
class Subjects:
    """Sources of actors and rooms, read on demand.

    ``people`` are pictures with masks of whole people, ``screens`` green-screen clips, ``rooms`` pictures. Without data, people
    or rooms are procedural.
    """

    people: tuple[LabeledPicture, ...]
    screens: tuple[Path, ...]
    rooms: tuple[EmptyRoom, ...]

    @property
    def about(self) -> str:
        """A description of actors and rooms, as a clause."""
        people = "people cut out of pictures and green-screen clips" if self.people or self.screens else "procedural people"
        return f"{people} over {'rooms' if self.rooms else 'procedural rooms'}"

    def actor(self, number: int) -> Actor:
        """Return actor ``number``, any integer from 0. Raises SourceError if a file cannot be read."""
        if self.screens and (number % _SCREEN_EVERY == 0 or not self.people):
            turn = number // _SCREEN_EVERY
            return _keyed(self.screens[turn % len(self.screens)], turn)
        if self.people:
            return Actor([_cut_out(*self.people[number % len(self.people)].read())], share=_FULL_LENGTH_SHARE)
        return Actor([blob_person(number)])

    def room(self, number: int) -> Rgb:
        """Return room ``number``, any integer from 0, as RGB. Raises SourceError if its file cannot be read."""
        return self.rooms[number % len(self.rooms)].read() if self.rooms else procedural_room(number, _ROOM_SIZE)


def subjects(data: Path | None, count: int) -> Subjects:
    """Return about ``count`` held-out people and rooms, evenly spaced. Raises SourceError if ``data`` is not a folder."""
    if data is None:
        return Subjects((), (), ())
    people = [pair for each in folder_sets(data) if Path(each.name).name in SPLIT_SETS for pair in each.pairs]
    screens = [path for path in clips(data) if path.parent.name == SCREENS and is_held_out(path)]
    rooms = rooms_aside(data)
    # Spacing the files evenly takes some from every set.
    return Subjects(tuple(every_nth(people, count)), tuple(screens), tuple(every_nth(rooms, count)))


def _cut_out(rgb: Rgb, mask: Alpha8) -> Cutout:
    """Cut out a person by a binary mask, eroded by one pixel, because edge pixels contain room colors, and softened."""
    inner = cv2.erode(mask, np.ones((3, 3), np.uint8))
    return Cutout(rgb, np.asarray(cv2.GaussianBlur(inner, (0, 0), _EDGE_SIGMA), np.uint8))


def _keyed(path: Path, turn: int) -> Actor:
    """Key a section of a green-screen clip, a different one each ``turn`` until the clip is used up."""
    with FileSource(path, threads=1) as source:
        rate, size = float(source.format.frame_rate), (source.format.width, source.format.height)
        windows = max((source.frame_estimate or 0) // _KEYED_FRAMES, 1)
        begin = turn % windows * _KEYED_FRAMES
        frames = islice(source, begin, begin + _KEYED_FRAMES)
        try:
            return Actor([cut_green(frame.rgb(size)) for frame in frames], rate=rate)
        except ValueError as error:
            raise SourceError(f"Cannot key a person out of {path}.", f"Put only green-screen clips into {SCREENS}.") from error
