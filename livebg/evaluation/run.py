"""All sections one after another, each where its data is there."""

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Protocol

from livebg.clock import one_opencv_thread
from livebg.errors import ConfigError
from livebg.evaluation.baselines import Candidate, Network
from livebg.evaluation.cast import cast
from livebg.evaluation.cost import measure_cost
from livebg.evaluation.moving import measure_moving
from livebg.evaluation.pictures import measure_pictures
from livebg.evaluation.prior import Cut, measure_prior
from livebg.evaluation.real import measure_real
from livebg.evaluation.results import Skipped
from livebg.evaluation.rooms import measure_rooms
from livebg.evaluation.sets import clips, evenly, picture_sets, require_folder, rooms_aside
from livebg.evaluation.sheets import Sheets
from livebg.rendering.photo import Photo
from livebg.synthetic import MOTIONS, clip

SECTIONS: Final = ("pictures", "rooms", "moving", "prior", "real", "cost")
"""What can be measured, in the order in which it is."""

MOTIONS_MEASURED: Final = ("slow", "fast")
"""The motions that are measured unless others are asked for."""

_NO_DATA: Final = "no --data folder is named"
_PICTURES_BEFORE_ROOM: Final = 4
_MADE_UP_PAIRS: Final = 20
_MADE_UP_PICTURE: Final = (480, 360)


class Reported(Protocol):
    """What a section comes to: a Section, Costs or Skipped."""

    @property
    def name(self) -> str: ...
    def facts(self) -> dict[str, Any]:
        """As JSON has it."""
        ...


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured.

    - ``data``: the folder of the sets; None leaves moving made-up people, pairs of made-up pictures, and the cost.
    - ``sections``: of :data:`SECTIONS`; ``motions``: of :data:`livebg.synthetic.MOTIONS`.
    - ``step``: of pictures and rooms every one in so many.
    - ``clips``, ``frames``: how many moving clips of each motion, and of how many frames; ``pairs``: how many cuts.
    - ``real_frames``: how many frames of each real clip; ``all_clips``: not only of those that are kept aside.
    - ``teacher``: the matting network against which real clips are held.
    """

    data: Path | None = None
    sections: Collection[str] = SECTIONS
    motions: Sequence[str] = MOTIONS_MEASURED
    step: int = 1
    clips: int = 8
    frames: int = 30
    pairs: int = 100
    real_frames: int = 90
    all_clips: bool = False
    teacher: Candidate | None = None
    sheets: Sheets = field(default_factory=Sheets)


def evaluate(candidates: Sequence[Candidate], extent: Extent) -> Iterator[Reported]:
    """Measure the first of ``candidates`` beside the others, and give each section when it is done.

    Raises :class:`~livebg.errors.ConfigError` for what is not known, and when two networks have one name,
    :class:`~livebg.errors.ModelError` when one cannot be opened or fails, :class:`~livebg.errors.SourceError` for data that
    cannot be read and :class:`~livebg.errors.SinkError` for sheets that cannot be written.
    """
    names = [each.name for each in candidates]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ConfigError(f"two networks are called {twice}: copy one to a file of another name, or name it once")
    _require_known("section", extent.sections, SECTIONS)
    _require_known("motion", extent.motions, tuple(MOTIONS))
    if extent.data:
        require_folder(extent.data)
    measured: Mapping[str, Callable[[Mapping[str, Network], Extent], Iterator[Reported]]] = {
        "pictures": _pictures,
        "rooms": _rooms,
        "moving": _moving,
        "prior": _prior,
        "real": _real,
    }
    with one_opencv_thread():
        networks = {each.name: each.open() for each in candidates}
        for section in SECTIONS[:-1]:
            if section in extent.sections:
                yield from measured[section](networks, extent)
        if "cost" in extent.sections:
            yield measure_cost(candidates, networks, names[1] if len(names) > 1 else names[0])


def _require_known(kind: str, asked: Collection[str], known: Sequence[str]) -> None:
    for name in asked:
        if name not in known:
            raise ConfigError(f"there is no {kind} {name!r}: choose of {', '.join(known)}")


def _pictures(networks: Mapping[str, Network], extent: Extent) -> Iterator[Reported]:
    sets = picture_sets(extent.data, extent.step) if extent.data else []
    for each in sets:
        yield measure_pictures(networks, each, extent.sheets)
    if not sets:
        yield Skipped("pictures", f"no images with masks beside them are in {extent.data}" if extent.data else _NO_DATA)


def _rooms(networks: Mapping[str, Network], extent: Extent) -> Iterator[Reported]:
    rooms = rooms_aside(extent.data, extent.step) if extent.data else []
    if rooms:
        yield measure_rooms(networks, rooms, extent.sheets)
    else:
        yield Skipped("empty rooms", f"there are no pictures in {extent.data}/backgrounds" if extent.data else _NO_DATA)


def _moving(networks: Mapping[str, Network], extent: Extent) -> Iterator[Reported]:
    actors = cast(extent.data, extent.clips)
    for motion in extent.motions:
        yield measure_moving(networks, actors, motion, extent.clips, extent.frames, extent.sheets)


def _prior(networks: Mapping[str, Network], extent: Extent) -> Iterator[Reported]:
    taking = {name: network for name, network in networks.items() if network.takes_prior}
    if next(iter(networks)) not in taking:
        yield Skipped("a wrong prior", f"{next(iter(networks))} takes none")
        return
    pictures = _mixed_pictures(extent)
    count = len(pictures) - 1 if pictures else min(extent.pairs, _MADE_UP_PAIRS)
    about = "a picture after another, of all sets and empty rooms" if pictures else "made-up people in made-up rooms"
    cuts = _cuts(pictures) if pictures else _made_up_cuts(count)
    yield measure_prior(taking, cuts, count, about, extent.sheets)


def _mixed_pictures(extent: Extent) -> list[Path]:
    """One more than there are to be pairs, people of all sets in turn, a room after every fourth."""
    if extent.data is None:
        return []
    people = [pair.picture for each in picture_sets(extent.data) for pair in each.pairs]
    rooms = rooms_aside(extent.data)
    share = _PICTURES_BEFORE_ROOM / (_PICTURES_BEFORE_ROOM + 1) if rooms else 1.0
    mixed = evenly(people, round((extent.pairs + 1) * share)) + evenly(rooms, round((extent.pairs + 1) * (1 - share)))
    random.Random(7).shuffle(mixed)
    return mixed


def _cuts(pictures: Sequence[Path]) -> Iterator[Cut]:
    for before, after in pairwise(pictures):
        yield Cut(f"{before.stem} to {after.stem}", Photo(before).rgb, Photo(after).rgb)


def _made_up_cuts(count: int) -> Iterator[Cut]:
    actors = cast(None, count)
    motion = MOTIONS["slow"]
    scenes = (
        next(clip(motion, [actors.actor(number)], actors.room(number), _MADE_UP_PICTURE, frames=1, seed=number))
        for number in range(count + 1)
    )
    for number, (before, after) in enumerate(pairwise(scenes)):
        yield Cut(f"made-up {number} to {number + 1}", before.rgb, after.rgb)


def _real(networks: Mapping[str, Network], extent: Extent) -> Iterator[Reported]:
    found = clips(extent.data, all_of_them=extent.all_clips) if extent.data else []
    if found:
        teacher = extent.teacher.open() if extent.teacher else None
        yield measure_real(networks, found, extent.real_frames, teacher, extent.sheets)
    else:
        kept = "clips" if extent.all_clips else "clips that are kept aside"
        yield Skipped("real clips", f"there are no {kept} in {extent.data}/video" if extent.data else _NO_DATA)
