"""Look-ahead over a few frames: each picture leaves once, in order, with its own alpha, filtered by those that follow."""

import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha
from livebg.segmentation.fixed_lag import MAX_DELAY_S, FixedLagFilter, delay_s
from livebg.segmentation.temporal_filter import TemporalFilter
from tests.support.moving_person import picture, true_alpha

TIME_CONSTANT = 0.4


def seen(number: int) -> NDArray[np.uint8]:
    """Picture ``number`` of the swaying shape at 30 frames per second, in gray."""
    return np.repeat(picture(number)[..., None], 3, axis=2)


def schedule(frames: int, times: list[float]) -> list[int | None]:
    """For each picture, the number of the one that leaves after it."""
    lag = FixedLagFilter[int](frames, TIME_CONSTANT)
    pushed = [lag.push(number, true_alpha(0), seen(0), time) for number, time in enumerate(times)]
    for number, released in enumerate(pushed):
        assert released is None or released.pictures_ago == number - released.item
    return [None if released is None else released.item for released in pushed]


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_picture_leaves_after_later_ones_and_first_at_once(frames: int) -> None:
    wait = [None] * frames
    assert schedule(frames, [number / 30 for number in range(8)]) == [0, *wait, *range(1, 8 - frames)]


@pytest.mark.parametrize(("rate", "frames"), [(60, 3), (20.5, 3), (15, 2), (10, 1), (5, 0)])
def test_delay_shrinks_at_low_frame_rates(rate: float, frames: int) -> None:
    """Otherwise the placeholder would appear while pictures are collected."""
    left = schedule(3, [number / rate for number in range(12)])
    assert left[-1] == 11 - frames
    assert delay_s(3, 1 / rate) == pytest.approx(frames / rate)
    waits = [number for number, item in enumerate(left) if item is not None]
    assert max(np.diff(waits)) / rate < MAX_DELAY_S + 1 / rate


@pytest.mark.parametrize("then", [1.0, 0.05, -1.0])
def test_time_gap_or_step_back_drops_held_pictures(then: float) -> None:
    """The first picture after it leaves at once, as after a start."""
    assert schedule(2, [0.0, 1 / 30, 0.1, then, then + 1 / 30, then + 2 / 30, then + 0.1]) == [0, None, None, 3, None, None, 4]


def test_reset_drops_held_pictures() -> None:
    lag = FixedLagFilter[int](1, TIME_CONSTANT)
    lag.push(0, true_alpha(0), seen(0), 0.0)
    lag.push(1, true_alpha(1), seen(1), 1 / 30)
    lag.reset()
    released = lag.push(2, true_alpha(2), seen(2), 2 / 30)
    assert released is not None
    assert released.item == 2
    np.testing.assert_array_equal(released.alpha, true_alpha(2))


def errors(frames: int, missed: tuple[int, ...] = ()) -> list[float]:
    """Mean error of each picture's alpha; the network misses the shape in some."""
    causal, found = TemporalFilter(), dict[int, Alpha]()
    lag = FixedLagFilter[int](frames, TIME_CONSTANT) if frames else None
    for number in range(24):
        raw = true_alpha(number) * np.float32(0 if number in missed else 1)
        alpha = causal.smooth(raw, seen(number), number / 30)
        if lag is None:
            found[number] = alpha
        elif (released := lag.push(number, alpha, seen(number), number / 30)) is not None:
            found[released.item] = released.alpha
    return [float(np.abs(found[number] - true_alpha(number)).mean()) for number in sorted(found) if number >= 8]


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_missed_detection_is_filled_from_later_pictures(frames: int) -> None:
    missed = (12, 13, 14, 15)
    assert max(errors(frames, missed)) < max(errors(0, missed))
    assert max(errors(frames)) < 0.02, "each alpha belongs to its own picture"


def test_cut_is_not_crossed() -> None:
    lag = FixedLagFilter[int](1, TIME_CONSTANT)
    other = np.random.default_rng(1).integers(0, 256, seen(0).shape, np.uint8)
    for number, (alpha, image) in enumerate([(true_alpha(0), seen(0)), (true_alpha(1), seen(1))]):
        lag.push(number, alpha, image, number / 30)
    released = lag.push(2, np.zeros_like(true_alpha(0)), other, 2 / 30)
    assert released is not None
    np.testing.assert_array_equal(released.alpha, true_alpha(1))


@pytest.mark.parametrize(("frames", "time_constant"), [(0, 0.4), (4, 0.4), (2, 0.0)])
def test_values_out_of_range_are_rejected(frames: int, time_constant: float) -> None:
    with pytest.raises(ValueError, match=r"The delay must be 1\.\.3 frames"):
        FixedLagFilter[int](frames, time_constant)
