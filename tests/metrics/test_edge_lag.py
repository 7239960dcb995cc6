"""The edge lag measures known delays."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from livebg.imaging.frame import Alpha
from livebg.metrics.edge_lag import EARLIEST, LATEST, EdgeLag
from livebg.metrics.statistics import Summary
from tests.support.moving_person import picture, true_alpha

FRAMES = 70
PICTURES = [picture(time).astype(np.float32) for time in range(FRAMES)]
TRUTHS = [true_alpha(time) for time in range(FRAMES)]


def delayed(by: float) -> list[Alpha]:
    return [true_alpha(time - by) for time in range(FRAMES)]


def filtered(alphas: Sequence[Alpha], kept: float) -> list[Alpha]:
    """An exponential filter that keeps a share of the previous value."""
    state, out = alphas[0], []
    for alpha in alphas:
        state = np.asarray(kept * state + (1 - kept) * alpha, np.float32)
        out.append(state)
    return out


def lag(alphas: Sequence[Alpha], pictures: Sequence[Alpha] = PICTURES) -> Summary | None:
    meter = EdgeLag()
    for alpha, seen in zip(alphas, pictures, strict=True):
        meter.add(alpha, seen)
    return meter.summary()


def known(summary: Summary | None) -> Summary:
    assert summary is not None
    return summary


@pytest.mark.parametrize("delay", [-1, 0, 0.5, 1, 2.3, 6])
def test_a_delay_is_told(delay: float) -> None:
    assert known(lag(delayed(delay))).mean == pytest.approx(delay, abs=0.12)


@pytest.mark.parametrize("delay", [-1, 0, 0.5, 2.3])
def test_a_delay_is_told_against_the_truth(delay: float) -> None:
    assert known(lag(delayed(delay), [truth * 255 for truth in TRUTHS])).mean == pytest.approx(delay, abs=0.12)


@pytest.mark.parametrize("kept", [0.5, 0.7, 0.8])
def test_an_exponential_filter_is_told_by_the_delay_of_its_half(kept: float) -> None:
    # After n frames 1 - kept ** n of a new value is reached; each frame counts from its center.
    half = math.log(0.5) / math.log(kept) - 0.5
    assert known(lag(filtered(TRUTHS, kept))).mean == pytest.approx(half, abs=0.2)


def test_a_soft_or_a_too_large_alpha_is_not_late() -> None:
    soft = [np.clip(alpha * 0.6 + 0.25, 0, 1).astype(np.float32) for alpha in TRUTHS]
    assert known(lag(soft)).mean == pytest.approx(0, abs=0.12)


def test_noise_of_the_camera_does_not_move_it() -> None:
    noisy = [picture(time, noise=8).astype(np.float32) for time in range(FRAMES)]
    assert known(lag(delayed(2), noisy)).mean == pytest.approx(2, abs=0.15)


def test_light_that_changes_does_not_move_it() -> None:
    blinking = [seen * (1 + 0.2 * math.sin(number)) for number, seen in enumerate(PICTURES)]
    assert known(lag(delayed(2), [np.asarray(each, np.float32) for each in blinking])).mean == pytest.approx(2, abs=0.15)


def test_where_nothing_moves_there_is_none() -> None:
    still = [picture(time, still=True).astype(np.float32) for time in range(FRAMES)]
    assert lag([true_alpha(0)] * FRAMES, still) is None


def test_an_alpha_that_follows_nothing_has_none() -> None:
    assert lag([true_alpha(0)] * FRAMES) is None


def test_an_alpha_that_is_nowhere_has_none() -> None:
    assert lag([np.zeros_like(TRUTHS[0])] * FRAMES) is None


def test_what_is_later_than_all_is_told_as_the_latest() -> None:
    assert known(lag(delayed(LATEST + 3))).mean == LATEST


def test_too_few_frames_tell_nothing() -> None:
    window = LATEST - EARLIEST
    assert lag(TRUTHS[:window], PICTURES[:window]) is None
    assert known(lag(TRUTHS[: window + 1], PICTURES[: window + 1])).count == 1


def test_the_interval_holds_the_lag_and_is_narrow() -> None:
    found = known(lag(delayed(1)))
    assert found.count == FRAMES - (LATEST - EARLIEST)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.mean <= found.high
    assert found.high - found.low < 0.3


def test_clips_are_told_together_but_not_across() -> None:
    meter = EdgeLag()
    for _ in range(2):
        meter.begin()
        for alpha, seen in zip(delayed(1), PICTURES, strict=True):
            meter.add(alpha, seen)
    found, one = known(meter.summary()), known(lag(delayed(1)))
    assert found.count == 2 * one.count
    assert found.mean == pytest.approx(one.mean, abs=1e-9)
