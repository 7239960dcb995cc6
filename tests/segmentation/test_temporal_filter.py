"""Temporal filter: stabilizes static parts, does not delay motion, restarts at a cut, and measures time in seconds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha
from livebg.imaging.optical_flow import FlowField
from livebg.segmentation.temporal_filter import TemporalFilter
from livebg.synthetic import procedural_room
from tests.support.moving_person import HEIGHT, WIDTH, true_alpha
from tests.support.moving_person import picture as swaying

RISING = 2.5
"""Factor by which alpha rises faster than it falls."""
MISSED = 0.2
"""Factor by which alpha falls more slowly where the network has seen a person lately and now sees none."""


SETTLED = 4.0
"""Seconds after which the warm-up of the filter is over."""


def alpha(value: float) -> Alpha:
    return np.full((12, 16), value, np.float32)


def picture(level: int = 100) -> NDArray[np.uint8]:
    return np.full((12, 16, 3), level, np.uint8)


def seen(number: int) -> NDArray[np.uint8]:
    """Picture ``number`` of the swaying shape at 30 frames per second, in gray."""
    return np.repeat(swaying(number)[..., None], 3, axis=2)


def after_step(smoother: TemporalFilter, fps: float, seconds: float, to: float) -> float:
    """Alpha of a still picture ``seconds`` after the network's result changes from 1 - ``to`` to ``to``."""
    for number in range(round(SETTLED * fps)):
        smoother.smooth(alpha(1 - to), picture(), number / fps - SETTLED)
    steps = round(seconds * fps)
    return float([smoother.smooth(alpha(to), picture(), number / fps) for number in range(steps)][-1].mean())


@pytest.mark.parametrize("fps", [15, 30, 60])
def test_time_constant_is_in_seconds_at_any_rate(fps: float) -> None:
    assert after_step(TemporalFilter(0.2), fps, 0.2, to=0) == pytest.approx(np.exp(-MISSED), abs=1e-3)
    assert after_step(TemporalFilter(0.2), fps, 0.2, to=1) == pytest.approx(1 - np.exp(-RISING), abs=1e-3)


@pytest.mark.parametrize("value", [0.3, 0.5, 0.8])
def test_uncertain_alpha_is_followed_equally_at_any_rate(value: float) -> None:
    levels = [after_step_to(value, fps) for fps in (15, 30, 60)]
    assert max(levels) - min(levels) < 1e-3
    assert levels[0] > value + (1 - value) * np.exp(-1), "slower than a confident one"


def after_step_to(value: float, fps: int) -> float:
    smoother = TemporalFilter(0.2)
    for number in range(round(SETTLED * fps)):
        smoother.smooth(alpha(1), picture(), number / fps - SETTLED)
    return float([smoother.smooth(alpha(value), picture(), number / fps) for number in range(round(0.2 * fps))][-1].mean())


def test_flicker_in_static_scene_is_damped() -> None:
    smoother = TemporalFilter(0.25)
    out = [float(smoother.smooth(alpha(number % 2), picture(), number / 30).mean()) for number in range(60)]
    assert max(np.abs(np.diff(out[30:]))) < 0.25


def test_flicker_on_moving_person_is_damped_without_trail() -> None:
    """Every second network result misses half of the shape."""
    smoother, changes, raw_changes, errors = TemporalFilter(0.25), [], [], []
    before = raw_before = None
    for number in range(24):
        truth = true_alpha(number)
        raw = truth * np.float32(0.5 if number % 2 else 1)
        out = smoother.smooth(raw, seen(number), number / 30)
        middle = truth == 1
        errors.append(np.abs(out - truth)[truth == 0].mean())
        if before is not None and raw_before is not None:
            changes.append(np.abs(out - before)[middle].mean())
            raw_changes.append(np.abs(raw - raw_before)[middle].mean())
        before, raw_before = out, raw
    assert np.mean(changes[6:]) < 0.4 * np.mean(raw_changes[6:])
    assert np.mean(errors) < 0.02, "no ghost where the shape was"


def test_missed_part_is_kept_for_half_a_second_and_then_fades() -> None:
    """The part moves with the person, who is seen all the time."""
    smoother, levels = TemporalFilter(), []
    for number in range(150):
        truth = true_alpha(number)
        raw, part = truth.copy(), slice(60, HEIGHT)
        raw[part] *= np.float32(number < 45)
        out = smoother.smooth(raw, seen(number), number / 30)
        levels.append(float(out[part][truth[part] == 1].mean()))
    assert min(levels[20:60]) > 0.5
    assert levels[60 + 45] < 0.25
    assert levels[-1] < 0.05


def test_false_person_of_few_frames_is_not_kept() -> None:
    smoother = TemporalFilter(0.2)
    for number in range(60):
        smoother.smooth(alpha(0), picture(), number / 30)
    peak = [float(smoother.smooth(alpha(1), picture(), (60 + number) / 30).mean()) for number in range(4)][-1]
    after = [float(smoother.smooth(alpha(0), picture(), (64 + number) / 30).mean()) for number in range(6)]
    assert after == pytest.approx([peak * np.exp(-(number + 1) / 30 / 0.2) for number in range(6)], abs=1e-3)


def test_error_in_first_frame_decays_quickly() -> None:
    """It counts for a few frames, less than an alpha observed for a while."""
    smoother = TemporalFilter(0.35)
    out = [float(smoother.smooth(alpha(1 if number == 0 else 0), picture(), number / 30).mean()) for number in range(6)]
    assert out[0] == 1
    assert 0.3 < out[3] < 0.6
    assert out[5] < 0.45
    assert np.exp(-5 / 30 / 0.35) > 0.6, "the share kept after a long time"


def test_moving_area_is_followed_immediately() -> None:
    """A tenth of the picture changes at once: too little for a cut, and not explained by the previous picture."""
    smoother = TemporalFilter(0.25)
    room = procedural_room(1, (256, 144))
    nobody = np.zeros((144, 256), np.float32)
    smoother.smooth(nobody, room, 0.0)
    hand, there = room.copy(), nobody.copy()
    part = slice(40, 90), slice(100, 160)
    hand[part] = np.random.default_rng(1).integers(0, 256, (50, 60, 3), np.uint8)
    there[part] = 1
    out = smoother.smooth(there, hand, 1 / 30)
    assert out[44:86, 104:156].mean() > 0.95
    gone = smoother.smooth(nobody, room, 2 / 30)
    assert gone[44:86, 104:156].mean() < 0.05


def test_cut_restarts_filter() -> None:
    smoother = TemporalFilter(0.25)
    for number in range(3):
        smoother.smooth(np.ones((144, 256), np.float32), procedural_room(1, (256, 144)), number / 30)
    raw = np.random.default_rng(2).random((144, 256), np.float32)
    np.testing.assert_array_equal(smoother.smooth(raw, procedural_room(2, (256, 144)), 3 / 30), raw)


@pytest.mark.parametrize("time", [0.6, 0.0, -1.0])
def test_time_gap_or_step_back_restarts_filter(time: float) -> None:
    smoother = TemporalFilter(0.25)
    smoother.smooth(alpha(1), picture(), 0.0)
    assert (smoother.smooth(alpha(0), picture(), time) == 0).all()
    other = TemporalFilter(0.25)
    other.smooth(alpha(1), picture(), 0.0)
    assert (other.smooth(alpha(0), picture(), 0.5) > 0).all(), "half a second is not a gap"


def test_reset_and_new_size_restart_filter() -> None:
    smoother = TemporalFilter(0.25)
    smoother.smooth(alpha(1), picture(), 0.0)
    smoother.reset()
    assert (smoother.smooth(alpha(0), picture(), 1 / 30) == 0).all()
    bigger = np.ones((24, 16), np.float32)
    assert (smoother.smooth(bigger, np.zeros((24, 16, 3), np.uint8), 2 / 30) == 1).all()


def test_zero_time_constant_disables_filter() -> None:
    smoother = TemporalFilter(0.0)
    smoother.smooth(alpha(0), picture(), 0.0)
    assert (smoother.smooth(alpha(1), picture(), 1 / 30) == 1).all()


def test_given_flow_replaces_flow_estimation() -> None:
    """Three frames between two alphas: with the given motion the previous alpha is aligned with the shape."""
    smoother = TemporalFilter(0.25)
    smoother.smooth(true_alpha(0), seen(0), 0.0)
    shift = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    shift[..., 0] = -18 * np.sin(3 / 8)
    moved = smoother.smooth(true_alpha(3), seen(3), 0.1, FlowField(shift))
    assert np.abs(moved - true_alpha(3)).mean() < 0.01
    after = smoother.smooth(true_alpha(4), seen(4), 4 / 30)
    assert np.abs(after - true_alpha(4)).mean() < 0.01, "it continues from there with its own flow"


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(0, 255)), min_size=1, max_size=8))
def test_result_stays_within_range_of_inputs(steps: list[tuple[float, int]]) -> None:
    smoother = TemporalFilter(0.15)
    for number, (value, level) in enumerate(steps):
        out = smoother.smooth(alpha(value), picture(level), number / 30)
    values = [value for value, _ in steps]
    assert min(values) - 1e-6 <= float(out.min()) <= float(out.max()) <= max(values) + 1e-6


def test_result_is_owned_by_caller() -> None:
    smoother = TemporalFilter(0.15)
    first = smoother.smooth(alpha(0.5), picture(), 0.0)
    first[:] = 0
    assert smoother.smooth(alpha(0.5), picture(), 1 / 30).min() == pytest.approx(0.5)


def test_negative_time_constant_is_rejected() -> None:
    with pytest.raises(ValueError, match="at least 0 seconds"):
        TemporalFilter(-1)
