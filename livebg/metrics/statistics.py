"""Aggregates the frames' values: mean, uncertainty and paired differences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
"""One number per frame or picture, shape (count,), NaN if a frame has none."""

_RESAMPLES: Final = 2000
_BATCH: Final = 100
_SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric: its ``name`` in JSON, its ``label`` in tables (including the scale), and one line on its meaning."""

    name: str
    label: str
    meaning: str
    higher_is_better: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """The mean of ``count`` numbers, its standard error, and a bootstrap 95 % interval ``low``..``high``.

    The latter three are None if there are too few numbers.
    """

    mean: float
    standard_error: float | None
    low: float | None
    high: float | None
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.4g}" if self.standard_error is None else f"{self.mean:.4g} ± {self.standard_error:.2g}"


def summarize(values: Sequence[float] | Values, block: int = 1) -> Summary | None:
    """Summarize numbers in their order. NaNs do not count; returns None if there are no numbers.

    ``block`` is the number of neighbors to resample together. Independent pictures are resampled one by one (1, the plain
    bootstrap). The frames of a clip are correlated: resampling them one by one would underestimate the error, so whole blocks are
    resampled, which may wrap around the end (the circular block bootstrap: Politis and Romano, "A Circular Block-Resampling
    Procedure for Stationary Data", 1992).
    """
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if not known.size:
        return None
    mean = float(known.mean())
    if known.size <= max(block, 1):
        return Summary(mean, None, None, None, known.size)
    means = _resampled_means(known, block)
    low, high = np.quantile(means, [0.025, 0.975])
    error = known.std(ddof=1) / math.sqrt(known.size) if block == 1 else means.std(ddof=1)
    return Summary(mean, float(error), float(low), float(high), known.size)


def paired_difference(first: Sequence[float] | Values, second: Sequence[float] | Values) -> Summary | None:
    """Summarize ``first - second`` over the same pictures or clips: much tighter than comparing two independent means.

    Raises ValueError if the lengths differ; returns None if no pair is complete.
    """
    ours, theirs = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if ours.shape != theirs.shape:
        raise ValueError(f"Pairs need two series of equal length, got {ours.shape} and {theirs.shape}.")
    return summarize(ours - theirs)


def clip_block(frames: int) -> int:
    """Return the block length for a clip of the given number of frames: about its square root."""
    return max(1, math.isqrt(frames))


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """The measured values.

    ``values`` has one number per frame for each metric that has one; ``whole`` has the summaries of metrics of a clip as a whole;
    ``summaries`` has all of them by metric name. ``block`` is passed to :func:`summarize`.
    """

    measures: tuple[Measure, ...]
    values: Mapping[str, Values]
    block: int = 1
    whole: Mapping[str, Summary | None] = field(default_factory=dict)

    @property
    def summaries(self) -> dict[str, Summary | None]:
        """By metric name, in their order; None for a metric without numbers."""
        return {
            each.name: self.whole[each.name] if each.name in self.whole else summarize(self.values[each.name], self.block)
            for each in self.measures
        }

    def facts(self) -> dict[str, Any]:
        """Return the summaries for JSON: an object or null by metric name."""
        return {name: None if summary is None else asdict(summary) for name, summary in self.summaries.items()}

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return table rows: label, mean and standard error, 95 % interval, meaning."""
        summaries = self.summaries
        return [(each.label, *_cells(summaries[each.name]), each.meaning) for each in self.measures]


def _cells(summary: Summary | None) -> tuple[str, str]:
    if summary is None:
        return "–", ""
    return str(summary), "" if summary.low is None else f"{summary.low:.4g} .. {summary.high:.4g}"


def _resampled_means(values: Values, block: int) -> Values:
    """Return the means of bootstrap resamples. With blocks that wrap around, these are means of a moving average."""
    wrapped = np.concatenate([values, values[: block - 1]])
    sums = np.concatenate([[0.0], np.cumsum(wrapped)])
    averages = (sums[block:] - sums[:-block]) / block
    rng = np.random.default_rng(_SEED)
    draws = math.ceil(values.size / block)
    return np.concatenate(
        [averages[rng.integers(0, values.size, (_BATCH, draws))].mean(axis=1) for _ in range(_RESAMPLES // _BATCH)]
    )
