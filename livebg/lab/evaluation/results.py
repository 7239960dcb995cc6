"""Evaluation results: a value for each network, measure and picture (or clip), and statistics of them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from livebg.metrics.statistics import Measure, Score, Summary, Values, paired_difference

WORST_SHARE: Final = 0.05
"""Share of pictures or clips that is reported separately and shown on contact sheets."""


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
        """Returns the paired differences, evaluated network minus other, by the other's name and the measure's name."""
        (_, ours), *others = self.scores.items()
        return {
            name: {key: paired_difference(ours.values[key], other.values[key]) for key in other.values} for name, other in others
        }

    def worst(self, network: str) -> dict[str, float]:
        """Returns the mean over the worst 5 % by measure name, without measures that have no values."""
        values = self.scores[network].values
        found = {each.name: worst(each, values[each.name], self.units) for each in self.measures}
        return {name: facts["worst_5_percent"] for name, facts in found.items() if facts}

    def facts(self) -> dict[str, Any]:
        """Returns the results as JSON-compatible data."""
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
    """Returns a section from its ``rows``: a unit, and by network its values in the order of the measures."""
    scores = {}
    for network in networks:
        table = np.array([values[network] for _, values in rows], np.float64).reshape(len(rows), len(measures))
        scores[network] = Score(tuple(measures), {each.name: table[:, column] for column, each in enumerate(measures)})
    return Section(name, about, unit, tuple(unit_name for unit_name, _ in rows), scores)


def worst(measure: Measure, values: Values, units: Sequence[str]) -> dict[str, Any]:
    """Returns the mean of the worst 5 % (at least one) and the worst value with its unit; empty if there are no values."""
    known = np.flatnonzero(~np.isnan(values))
    if not known.size:
        return {}
    badness = -values[known] if measure.higher_is_better else values[known]
    order = known[np.argsort(-badness, kind="stable")]
    tail = order[: worst_count(len(order))]
    return {"worst_5_percent": float(values[tail].mean()), "worst": float(values[order[0]]), "worst_unit": units[order[0]]}


def worst_count(count: int) -> int:
    """Returns 5 % of ``count``, rounded up, at least 1."""
    return max(math.ceil(count * WORST_SHARE), 1)
