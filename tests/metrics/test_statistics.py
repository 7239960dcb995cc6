"""Means, their uncertainty, and comparisons."""

import math

import numpy as np
import pytest

from livebg.metrics.statistics import Measure, Score, Summary, clip_block, paired_difference, summarize


def known(summary: Summary | None) -> tuple[float, float, float, float]:
    assert summary is not None
    assert summary.standard_error is not None
    assert summary.low is not None
    assert summary.high is not None
    return summary.mean, summary.standard_error, summary.low, summary.high


def test_mean_and_standard_error() -> None:
    mean, error, low, high = known(summarize([1, 2, 3, 4]))
    assert mean == 2.5
    assert error == pytest.approx(0.6454972)  # the root of (2.25 + 0.25 + 0.25 + 2.25) / 3 / 4
    assert 1 <= low < 2.5 < high <= 4


def test_interval_matches_large_sample() -> None:
    values = np.random.default_rng(1).normal(10, 2, 400)
    mean, error, low, high = known(summarize(values))
    assert error == pytest.approx(0.1, rel=0.1)
    assert low - mean == pytest.approx(-1.96 * error, rel=0.1)
    assert high - mean == pytest.approx(1.96 * error, rel=0.1)


def test_missing_values_are_ignored() -> None:
    assert summarize([math.nan, 1, math.nan, 3]) == summarize([1, 3])
    assert summarize([]) is None
    assert summarize([math.nan]) is None


def test_single_value_has_no_error() -> None:
    assert summarize([7]) == Summary(7, None, None, None, 1)
    assert summarize([7, 9], block=2) == Summary(8, None, None, None, 2)


def test_interval_is_deterministic() -> None:
    values = [3.0, 1, 4, 1, 5, 9, 2, 6]
    assert summarize(values, 2) == summarize(values, 2)


def test_correlated_frames_widen_the_interval() -> None:
    slow = np.repeat(np.random.default_rng(2).normal(0, 1, 40), 10)
    _, naive, _, _ = known(summarize(slow))
    _, honest, _, _ = known(summarize(slow, clip_block(len(slow))))
    assert clip_block(len(slow)) == 20
    assert honest > 2 * naive


def test_paired_difference_is_more_precise_than_means() -> None:
    rng = np.random.default_rng(3)
    difficulty = rng.normal(50, 10, 100)
    ours, theirs = difficulty - 1 + rng.normal(0, 0.5, 100), difficulty + rng.normal(0, 0.5, 100)
    mean, error, low, high = known(paired_difference(ours, theirs))
    assert mean == pytest.approx(ours.mean() - theirs.mean())
    assert low < mean < high < 0
    assert error < known(summarize(ours))[1] / 5


def test_pairs_without_partner_are_ignored() -> None:
    assert paired_difference([1, math.nan, 3], [0, 5, math.nan]) == Summary(1, None, None, None, 1)
    with pytest.raises(ValueError, match="equal length"):
        paired_difference([1, 2], [1])


def test_score_is_converted_to_json_and_rows() -> None:
    measures = (Measure("a", "A x2", "the first"), Measure("b", "B", "the second"), Measure("c", "C", "of the whole"))
    values = {"a": np.array([1.0, 2, 3, 4]), "b": np.array([math.nan] * 4)}
    score = Score(measures, values, whole={"c": Summary(5, None, None, None, 4)})
    facts = score.facts()
    assert list(facts) == ["a", "b", "c"]
    assert (facts["a"]["mean"], facts["a"]["count"], facts["b"]) == (2.5, 4, None)
    assert facts["c"] == {"mean": 5, "standard_error": None, "low": None, "high": None, "count": 4}
    rows = score.rows()
    assert rows[0][:2] == ("A x2", "2.5 ± 0.65")
    assert rows[1] == ("B", "–", "", "the second")
    assert rows[2] == ("C", "5", "", "of the whole")
