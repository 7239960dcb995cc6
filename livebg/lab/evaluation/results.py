"""Evaluation results: a value for each network, measure and picture (or clip), statistics of them, and sheets of the worst."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from livebg.errors import SinkError
from livebg.imaging.frame import Alpha
from livebg.lab.evaluation.networks import Rgb
from livebg.metrics.statistics import Measure, Score, Summary, Values, paired_difference

WORST_SHARE: Final = 0.05
"""Share of pictures or clips that is reported separately and shown on contact sheets."""

_TILE_SIZE: Final = (224, 168)
_CAPTION_HEIGHT: Final = 16
_MAX_TILES: Final = 24
_MAGENTA: Final = np.array([255, 0, 255], np.float32)


@dataclass(frozen=True)
class Section:
    """The results of all networks on one set.

    ``name`` is the set, ``about`` a clause on how it was measured, ``unit`` the kind of item that has one value per measure.
    ``scores`` are by network, the evaluated one first. The values of every network are for the same ``units`` in the same order,
    NaN where a unit has no value.
    """

    name: str
    about: str
    unit: str
    units: tuple[str, ...]
    scores: Mapping[str, Score]

    @property
    def measures(self) -> tuple[Measure, ...]:
        return next(iter(self.scores.values())).measures

    @cached_property
    def differences(self) -> dict[str, dict[str, Summary | None]]:
        """The paired differences, evaluated network minus other, by the other's name and the measure's name."""
        (_, ours), *others = self.scores.items()
        return {
            name: {key: paired_difference(ours.values[key], other.values[key]) for key in other.values} for name, other in others
        }

    def worst(self, network: str) -> dict[str, float]:
        """Return the mean over the worst 5 % by measure name, without measures that have no values."""
        values = self.scores[network].values
        found = {each.name: worst(each, values[each.name], self.units) for each in self.measures}
        return {name: facts["worst_5_percent"] for name, facts in found.items() if facts}

    def facts(self) -> dict[str, Any]:
        """Return the results as JSON-compatible data."""
        return {
            "section": self.name,
            "about": self.about,
            "unit": self.unit,
            "count": len(self.units),
            "networks": {name: self._network_facts(score) for name, score in self.scores.items()},
            "differences": {
                name: {key: summary and asdict(summary) for key, summary in summaries.items()}
                for name, summaries in self.differences.items()
            },
        }

    def _network_facts(self, score: Score) -> dict[str, Any]:
        return {
            each.name: summary and asdict(summary) | worst(each, score.values[each.name], self.units)
            for each, summary in zip(score.measures, score.summaries.values(), strict=True)
        }


@dataclass(frozen=True, slots=True)
class Skipped:
    """A skipped section, with the reason as a clause."""

    name: str
    reason: str

    def facts(self) -> dict[str, Any]:
        return {"section": self.name, "skipped": self.reason}


def tabulate(
    name: str,
    about: str,
    unit: str,
    measures: Sequence[Measure],
    networks: Iterable[str],
    rows: Sequence[tuple[str, Mapping[str, Sequence[float]]]],
) -> Section:
    """Return a section from its ``rows``: a unit, and by network its values in the order of the measures."""
    scores = {}
    for network in networks:
        table = np.array([values[network] for _, values in rows], np.float64).reshape(len(rows), len(measures))
        scores[network] = Score(tuple(measures), {each.name: table[:, column] for column, each in enumerate(measures)})
    return Section(name, about, unit, tuple(unit_name for unit_name, _ in rows), scores)


def worst(measure: Measure, values: Values, units: Sequence[str]) -> dict[str, Any]:
    """Return the mean of the worst 5 % (at least one) and the worst value with its unit; empty if there are no values."""
    known = np.flatnonzero(~np.isnan(values))
    if not known.size:
        return {}
    badness = -values[known] if measure.higher_is_better else values[known]
    order = known[np.argsort(-badness, kind="stable")]
    tail = order[: worst_count(len(order))]
    return {"worst_5_percent": float(values[tail].mean()), "worst": float(values[order[0]]), "worst_unit": units[order[0]]}


def worst_count(count: int) -> int:
    """Return 5 % of ``count``, rounded up, at least 1."""
    return max(math.ceil(count * WORST_SHARE), 1)


class ContactSheet:
    """Collects the ``most`` worst pictures of a set, and writes them as a sheet to ``folder`` if there is one.

    Each row shows the picture, the ground truth, alpha and the cut-out on magenta side by side, the worst on top.
    """

    def __init__(self, folder: Path | None, name: str, most: int) -> None:
        stem = re.sub(r"[^\w.-]+", "-", name).strip("-")
        self._path = folder / f"{stem}.png" if folder else None
        self._capacity = min(most, _MAX_TILES)
        self._kept: list[tuple[float, NDArray[np.uint8]]] = []

    def add(self, badness: float, name: str, rgb: Rgb, truth: Alpha | None, alpha: Alpha) -> None:
        """Add a picture with its caption ``name``. A higher ``badness`` is worse; ``truth`` is None if there is no ground truth.

        All arrays have the same height and width.
        """
        if self._path is not None and not np.isnan(badness):
            self._kept.append((badness, _strip(f"{name}  {badness:.4g}", rgb, truth, alpha)))
            self._kept.sort(key=lambda kept: kept[0], reverse=True)
            del self._kept[self._capacity :]

    def write(self) -> None:
        """Write the sheet as a PNG. Raises :class:`~livebg.errors.SinkError` if it cannot be written."""
        if self._path is None or not self._kept:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.concatenate([strip for _, strip in self._kept])).save(self._path)
        except OSError as error:
            raise SinkError(
                f"Cannot write {self._path} ({error.strerror or error}).", "Choose another folder for the sheets."
            ) from error


def _strip(caption: str, rgb: Rgb, truth: Alpha | None, alpha: Alpha) -> NDArray[np.uint8]:
    weight = alpha[..., None]
    on_magenta = np.rint(rgb * weight + _MAGENTA * (1 - weight))
    grays = [np.rint(each * 255) for each in (truth, alpha) if each is not None]
    strip = Image.new("RGB", (4 * _TILE_SIZE[0], _CAPTION_HEIGHT + _TILE_SIZE[1]))
    ImageDraw.Draw(strip).text((4, 2), caption)
    for column, picture in enumerate((rgb, *grays, on_magenta)):
        tile = ImageOps.pad(Image.fromarray(picture.astype(np.uint8)), _TILE_SIZE, color="#282828")
        strip.paste(tile, (column * _TILE_SIZE[0], _CAPTION_HEIGHT))
    return np.asarray(strip)
