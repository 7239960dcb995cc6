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
def test_delay_is_measured(delay: float) -> None:
    assert known(lag(delayed(delay))).mean == pytest.approx(delay, abs=0.12)


@pytest.mark.parametrize("delay", [-1, 0, 0.5, 2.3])
def test_delay_is_measured_against_reference(delay: float) -> None:
    assert known(lag(delayed(delay), [truth * 255 for truth in TRUTHS])).mean == pytest.approx(delay, abs=0.12)


@pytest.mark.parametrize("kept", [0.5, 0.7, 0.8])
def test_exponential_filter_lag_is_its_half_life(kept: float) -> None:
    # After n frames 1 - kept ** n of a new value is reached; each frame counts from its center.
    half = math.log(0.5) / math.log(kept) - 0.5
    assert known(lag(filtered(TRUTHS, kept))).mean == pytest.approx(half, abs=0.2)


def test_soft_or_enlarged_alpha_has_no_lag() -> None:
    soft = [np.clip(alpha * 0.6 + 0.25, 0, 1).astype(np.float32) for alpha in TRUTHS]
    assert known(lag(soft)).mean == pytest.approx(0, abs=0.12)


def test_camera_noise_does_not_change_lag() -> None:
    noisy = [picture(time, noise=8).astype(np.float32) for time in range(FRAMES)]
    assert known(lag(delayed(2), noisy)).mean == pytest.approx(2, abs=0.15)


def test_changing_light_does_not_change_lag() -> None:
    blinking = [seen * (1 + 0.2 * math.sin(number)) for number, seen in enumerate(PICTURES)]
    assert known(lag(delayed(2), [np.asarray(each, np.float32) for each in blinking])).mean == pytest.approx(2, abs=0.15)


def test_static_picture_has_no_lag() -> None:
    still = [picture(time, still=True).astype(np.float32) for time in range(FRAMES)]
    assert lag([true_alpha(0)] * FRAMES, still) is None


def test_static_alpha_has_no_lag() -> None:
    assert lag([true_alpha(0)] * FRAMES) is None


def test_empty_alpha_has_no_lag() -> None:
    assert lag([np.zeros_like(TRUTHS[0])] * FRAMES) is None


def test_lag_is_limited_to_latest() -> None:
    assert known(lag(delayed(LATEST + 3))).mean == LATEST


def test_too_few_frames_have_no_lag() -> None:
    window = LATEST - EARLIEST
    assert lag(TRUTHS[:window], PICTURES[:window]) is None
    assert known(lag(TRUTHS[: window + 1], PICTURES[: window + 1])).count == 1


def test_confidence_interval_is_narrow() -> None:
    found = known(lag(delayed(1)))
    assert found.count == FRAMES - (LATEST - EARLIEST)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.mean <= found.high
    assert found.high - found.low < 0.3


def test_clips_are_combined_but_not_joined() -> None:
    meter = EdgeLag()
    for _ in range(2):
        meter.begin()
        for alpha, seen in zip(delayed(1), PICTURES, strict=True):
            meter.add(alpha, seen)
    found, one = known(meter.summary()), known(lag(delayed(1)))
    assert found.count == 2 * one.count
    assert found.mean == pytest.approx(one.mean, abs=1e-9)
