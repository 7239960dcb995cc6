"""Runs all sections in order and skips those without data."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livebg.clock import one_opencv_thread
from livebg.errors import ConfigError
from livebg.lab.evaluation.clips import measure_moving, measure_real
from livebg.lab.evaluation.cost import Costs, measure_cost
from livebg.lab.evaluation.datasets import clips, picture_sets, require_folder, rooms_aside
from livebg.lab.evaluation.networks import Candidate, Network
from livebg.lab.evaluation.results import Section, Skipped
from livebg.lab.evaluation.stills import measure_pictures, measure_rooms
from livebg.lab.evaluation.subjects import subjects
from livebg.synthetic import MOTIONS

SECTIONS: Final = ("pictures", "rooms", "moving", "real", "cost")
"""All sections, in the order of evaluation."""

MOTIONS_MEASURED: Final = ("slow", "fast")
"""The default motions."""

_REAL_FRAMES: Final = 90
"""Frames per real clip."""
_NO_DATA: Final = "no --data folder given"


SectionResult = Section | Costs | Skipped


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """What to evaluate.

    - ``data``: folder of the data sets; None limits the evaluation to moving procedural people and the cost.
    - ``sections``: names from :data:`SECTIONS`; ``motions``: names from :data:`livebg.synthetic.MOTIONS`.
    - ``step``: use every ``step``-th picture and room.
    - ``clips``, ``frames``: moving clips per motion and frames per clip.
    - ``all_clips``: use all real clips, not only the hold-out.
    - ``teacher``: matting network whose alpha is the reference for real clips; ``sheets``: folder of the contact sheets.
    """

    data: Path | None = None
    sections: Collection[str] = SECTIONS
    motions: Sequence[str] = MOTIONS_MEASURED
    step: int = 1
    clips: int = 8
    frames: int = 30
    all_clips: bool = False
    teacher: Candidate | None = None
    sheets: Path | None = None


def evaluate(candidates: Sequence[Candidate], config: EvaluationConfig) -> Iterator[SectionResult]:
    """Compare the first of ``candidates`` with the others and yield each section when it is done.

    Raises :class:`~livebg.errors.ConfigError` for unknown sections or motions and for duplicate network names,
    :class:`~livebg.errors.ModelError` if a network cannot be opened or fails, :class:`~livebg.errors.SourceError` if data cannot
    be read and :class:`~livebg.errors.SinkError` if a sheet cannot be written.
    """
    names = [each.name for each in candidates]
    duplicate = next((name for name in names if names.count(name) > 1), None)
    if duplicate:
        raise ConfigError(f"Two networks have the name {duplicate}.", "Rename one of the files or list it only once.")
    _require_known("section", config.sections, SECTIONS)
    _require_known("motion", config.motions, tuple(MOTIONS))
    if config.data:
        require_folder(config.data)
    measured: Mapping[str, Callable[[Mapping[str, Network], EvaluationConfig], Iterator[SectionResult]]] = {
        "pictures": _pictures,
        "rooms": _rooms,
        "moving": _moving,
        "real": _real,
    }
    with one_opencv_thread():
        networks = {each.name: each.open() for each in candidates}
        for section in SECTIONS[:-1]:
            if section in config.sections:
                yield from measured[section](networks, config)
        if "cost" in config.sections:
            yield measure_cost(candidates, networks, names[1] if len(names) > 1 else names[0])


def _require_known(kind: str, requested: Collection[str], known: Sequence[str]) -> None:
    for name in requested:
        if name not in known:
            raise ConfigError(f"Unknown {kind} {name!r}.", f"Choose from {', '.join(known)}.")


def _pictures(networks: Mapping[str, Network], config: EvaluationConfig) -> Iterator[SectionResult]:
    sets = picture_sets(config.data, config.step) if config.data else []
    for each in sets:
        yield measure_pictures(networks, each, config.sheets)
    if not sets:
        yield Skipped("pictures", f"no folders with images and masks in {config.data}" if config.data else _NO_DATA)


def _rooms(networks: Mapping[str, Network], config: EvaluationConfig) -> Iterator[SectionResult]:
    rooms = rooms_aside(config.data, config.step) if config.data else []
    if rooms:
        yield measure_rooms(networks, rooms, config.sheets)
    else:
        yield Skipped("empty rooms", f"no pictures in {config.data}/backgrounds" if config.data else _NO_DATA)


def _moving(networks: Mapping[str, Network], config: EvaluationConfig) -> Iterator[SectionResult]:
    actors = subjects(config.data, config.clips)
    for motion in config.motions:
        yield measure_moving(networks, actors, motion, config.clips, config.frames, config.sheets)


def _real(networks: Mapping[str, Network], config: EvaluationConfig) -> Iterator[SectionResult]:
    found = clips(config.data, all_of_them=config.all_clips) if config.data else []
    if found:
        teacher = config.teacher.open() if config.teacher else None
        yield measure_real(networks, found, _REAL_FRAMES, teacher, config.sheets)
    else:
        kind = "clips" if config.all_clips else "held-out clips"
        yield Skipped("real clips", f"no {kind} in {config.data}/video" if config.data else _NO_DATA)
