"""All sections one after another, each where its data is there."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import cv2

from livebg.errors import ConfigError
from livebg.evaluation.baselines import Candidate, Network
from livebg.evaluation.cost import measure_cost
from livebg.evaluation.pictures import measure_pictures
from livebg.evaluation.results import Skipped
from livebg.evaluation.sets import picture_sets
from livebg.evaluation.sheets import Sheets

SECTIONS: Final = ("pictures", "cost")
"""What can be measured, in the order in which it is."""


class Reported(Protocol):
    """What a section comes to: a Section, Costs or Skipped."""

    @property
    def name(self) -> str: ...
    def facts(self) -> dict[str, Any]:
        """As JSON has it."""
        ...


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured. ``data`` is the folder of the sets, or None; of pictures every ``step``-th is looked at."""

    data: Path | None = None
    sections: tuple[str, ...] = SECTIONS
    step: int = 1
    sheets: Sheets = field(default_factory=Sheets)


def evaluate(candidates: Sequence[Candidate], extent: Extent) -> Iterator[Reported]:
    """Measure the first of ``candidates`` beside the others, and give each section when it is done.

    Raises ConfigError when two networks have one name, :class:`~livebg.errors.ModelError` when one cannot be opened or fails,
    and :class:`~livebg.errors.SourceError` for data that cannot be read.
    """
    names = [each.name for each in candidates]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ConfigError(f"two networks are called {twice}: copy one to a file of another name, or name it once")
    with _one_thread():
        networks = {each.name: each.open() for each in candidates}
        if "pictures" in extent.sections:
            yield from _pictures(networks, extent)
        if "cost" in extent.sections:
            yield measure_cost(candidates, networks, names[1] if len(names) > 1 else names[0])


def _pictures(networks: Mapping[str, Network], extent: Extent) -> Iterator[Reported]:
    sets = picture_sets(extent.data, extent.step) if extent.data else []
    for each in sets:
        yield measure_pictures(networks, each, extent.sheets)
    if not sets:
        yield Skipped("pictures", "no folder with images and masks beside each other" if extent.data else _NO_DATA)


_NO_DATA: Final = "no --data folder is named"


@contextmanager
def _one_thread() -> Iterator[None]:
    """OpenCV's own threads would blur whose CPU time is whose."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
