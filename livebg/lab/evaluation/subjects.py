"""Who plays in the moving clips, and where: people and rooms that were kept aside, or made-up ones where there is no data."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from livebg.errors import SourceError
from livebg.imaging.frame import Alpha8
from livebg.lab.evaluation.datasets import SPLIT_SETS, EmptyRoom, LabeledPicture, clips, every_nth, picture_sets, rooms_aside
from livebg.lab.evaluation.networks import Rgb
from livebg.lab.evaluation.split import is_held_out
from livebg.sources.file import FileSource
from livebg.synthetic import Actor, Cutout, blob_person, cut_green, procedural_room

SCREENS: Final = "talking"
"""The folder of ``video`` whose clips were taken in front of a green screen."""

_FROM_HEAD_TO_FOOT: Final = 0.45
"""Of somebody who was photographed whole, the part that a webcam shows."""

_SCREEN_EVERY: Final = 4
"""One actor in so many comes from a green screen, where there are such clips."""

_KEYED_FRAMES: Final = 40
_SOFTNESS: Final = 0.8
_MADE_UP_ROOM: Final = (640, 360)


@dataclass(frozen=True)
class Subjects:
    """Where actors and rooms come from. All of it is read when it is asked for.

    ``people`` are pictures with masks of whole people, ``screens`` green-screen clips, ``rooms`` pictures; ``made_up`` says that
    people or rooms are drawn, because there are none.
    """

    people: tuple[LabeledPicture, ...]
    screens: tuple[Path, ...]
    rooms: tuple[EmptyRoom, ...]

    @property
    def made_up(self) -> bool:
        return not self.rooms or not (self.people or self.screens)

    @property
    def about(self) -> str:
        """Who and where, as a clause."""
        people = "people cut out of pictures and green-screen clips" if self.people or self.screens else "made-up people"
        return f"{people} over {'rooms' if self.rooms else 'made-up rooms'}"

    def actor(self, number: int) -> Actor:
        """The actor of that number; there is one for any number. Raises SourceError when a file cannot be read."""
        if self.screens and (number % _SCREEN_EVERY == 0 or not self.people):
            turn = number // _SCREEN_EVERY
            return _keyed(self.screens[turn % len(self.screens)], turn)
        if self.people:
            return Actor([_cut_out(*self.people[number % len(self.people)].read())], share=_FROM_HEAD_TO_FOOT)
        return Actor([blob_person(number)])

    def room(self, number: int) -> Rgb:
        """The room of that number, RGB; there is one for any number. Raises SourceError when its file cannot be read."""
        return self.rooms[number % len(self.rooms)].read() if self.rooms else procedural_room(number, _MADE_UP_ROOM)


def subjects(data: Path | None, count: int) -> Subjects:
    """About ``count`` people and rooms that were kept aside, evenly drawn. Raises SourceError when ``data`` is no folder."""
    if data is None:
        return Subjects((), (), ())
    people = [pair for each in picture_sets(data) if Path(each.name).name in SPLIT_SETS for pair in each.pairs]
    screens = [path for path in clips(data) if path.parent.name == SCREENS and is_held_out(path)]
    rooms = rooms_aside(data)
    # Some files of each: they alternate with the sets.
    return Subjects(tuple(every_nth(people, count)), tuple(screens), tuple(every_nth(rooms, count)))


def _cut_out(rgb: Rgb, mask: Alpha8) -> Cutout:
    """A person by a mask of hard edges: a pixel less, since the outermost hold the room's colours, and softened."""
    inner = cv2.erode(mask, np.ones((3, 3), np.uint8))
    return Cutout(rgb, np.asarray(cv2.GaussianBlur(inner, (0, 0), _SOFTNESS), np.uint8))


def _keyed(path: Path, turn: int) -> Actor:
    """A stretch of a green-screen clip, another one each turn as long as there are more."""
    with FileSource(path, threads=1) as source:
        rate, size = float(source.format.frame_rate), (source.format.width, source.format.height)
        windows = max((source.frame_estimate or 0) // _KEYED_FRAMES, 1)
        begin = turn % windows * _KEYED_FRAMES
        frames = islice(source, begin, begin + _KEYED_FRAMES)
        try:
            return Actor([cut_green(frame.rgb(size)) for frame in frames], rate=rate)
        except ValueError as error:
            raise SourceError(f"nobody can be cut out of {path}: put clips in front of a green screen into {SCREENS}") from error
