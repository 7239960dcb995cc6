"""All sections one after another, each where its data is there."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from livebg.clock import one_opencv_thread
from livebg.errors import ConfigError
from livebg.lab.evaluation.contact_sheets import Sheets
from livebg.lab.evaluation.cost import measure_cost
from livebg.lab.evaluation.datasets import clips, picture_sets, require_folder, rooms_aside
from livebg.lab.evaluation.empty_rooms import measure_rooms
from livebg.lab.evaluation.moving import measure_moving
from livebg.lab.evaluation.networks import Candidate, Network
from livebg.lab.evaluation.pictures import measure_pictures
from livebg.lab.evaluation.real_clips import measure_real
from livebg.lab.evaluation.results import Skipped
from livebg.lab.evaluation.subjects import subjects
from livebg.synthetic import MOTIONS

SECTIONS: Final = ("pictures", "rooms", "moving", "real", "cost")
"""What can be measured, in the order in which it is."""

MOTIONS_MEASURED: Final = ("slow", "fast")
"""The motions that are measured unless others are asked for."""

_NO_DATA: Final = "no --data folder is named"


class SectionResult(Protocol):
    """What a section comes to: a Section, Costs or Skipped."""

    @property
    def name(self) -> str: ...
    def facts(self) -> dict[str, Any]:
        """As JSON has it."""
        ...


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """How much is measured.

    - ``data``: the folder of the sets; None leaves moving made-up people and the cost.
    - ``sections``: of :data:`SECTIONS`; ``motions``: of :data:`livebg.synthetic.MOTIONS`.
    - ``step``: of pictures and rooms every one in so many.
    - ``clips``, ``frames``: how many moving clips of each motion, and of how many frames.
    - ``real_frames``: how many frames of each real clip; ``all_clips``: not only of those that are kept aside.
    - ``teacher``: the matting network against which real clips are held.
    """

    data: Path | None = None
    sections: Collection[str] = SECTIONS
    motions: Sequence[str] = MOTIONS_MEASURED
    step: int = 1
    clips: int = 8
    frames: int = 30
    real_frames: int = 90
    all_clips: bool = False
    teacher: Candidate | None = None
    sheets: Sheets = field(default_factory=Sheets)


def evaluate(candidates: Sequence[Candidate], extent: EvaluationConfig) -> Iterator[SectionResult]:
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
    measured: Mapping[str, Callable[[Mapping[str, Network], EvaluationConfig], Iterator[SectionResult]]] = {
        "pictures": _pictures,
        "rooms": _rooms,
        "moving": _moving,
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


def _pictures(networks: Mapping[str, Network], extent: EvaluationConfig) -> Iterator[SectionResult]:
    sets = picture_sets(extent.data, extent.step) if extent.data else []
    for each in sets:
        yield measure_pictures(networks, each, extent.sheets)
    if not sets:
        yield Skipped("pictures", f"no images with masks beside them are in {extent.data}" if extent.data else _NO_DATA)


def _rooms(networks: Mapping[str, Network], extent: EvaluationConfig) -> Iterator[SectionResult]:
    rooms = rooms_aside(extent.data, extent.step) if extent.data else []
    if rooms:
        yield measure_rooms(networks, rooms, extent.sheets)
    else:
        yield Skipped("empty rooms", f"there are no pictures in {extent.data}/backgrounds" if extent.data else _NO_DATA)


def _moving(networks: Mapping[str, Network], extent: EvaluationConfig) -> Iterator[SectionResult]:
    actors = subjects(extent.data, extent.clips)
    for motion in extent.motions:
        yield measure_moving(networks, actors, motion, extent.clips, extent.frames, extent.sheets)


def _real(networks: Mapping[str, Network], extent: EvaluationConfig) -> Iterator[SectionResult]:
    found = clips(extent.data, all_of_them=extent.all_clips) if extent.data else []
    if found:
        teacher = extent.teacher.open() if extent.teacher else None
        yield measure_real(networks, found, extent.real_frames, teacher, extent.sheets)
    else:
        kept = "clips" if extent.all_clips else "clips that are kept aside"
        yield Skipped("real clips", f"there are no {kept} in {extent.data}/video" if extent.data else _NO_DATA)
