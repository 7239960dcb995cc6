"""Still parts are steadied, moving parts are not held back, and time is counted in seconds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from livebg.frame import Alpha
from livebg.smoothing import AlphaSmoother


def alpha(value: float) -> Alpha:
    return np.full((12, 16), value, np.float32)


def picture(level: int = 100) -> NDArray[np.uint8]:
    return np.full((12, 16, 3), level, np.uint8)


def after_step(smoother: AlphaSmoother, fps: float, seconds: float) -> float:
    """Alpha of a still picture ``seconds`` after the network changed its mind from 0 to 1."""
    smoother.smooth(alpha(0), picture(), 0.0)
    steps = round(seconds * fps)
    return float([smoother.smooth(alpha(1), picture(), number / fps) for number in range(1, steps + 1)][-1].mean())


@pytest.mark.parametrize("fps", [15, 30, 60])
def test_the_time_constant_is_in_seconds_at_any_rate(fps: float) -> None:
    assert after_step(AlphaSmoother(0.2), fps, 0.2) == pytest.approx(1 - np.exp(-1), abs=1e-3)


def test_flicker_on_a_still_picture_is_damped() -> None:
    smoother = AlphaSmoother(0.15)
    out = [float(smoother.smooth(alpha(number % 2), picture(), number / 30).mean()) for number in range(60)]
    assert max(np.abs(np.diff(out[30:]))) < 0.25


def test_what_moves_is_taken_as_it_comes() -> None:
    smoother = AlphaSmoother(0.15)
    smoother.smooth(alpha(0), picture(50), 0.0)
    assert (smoother.smooth(alpha(1), picture(200), 1 / 30) == 1).all()


def test_motion_in_one_corner_leaves_the_rest_still() -> None:
    smoother = AlphaSmoother(0.15)
    smoother.smooth(alpha(0), picture(), 0.0)
    moved = picture()
    moved[:3, :3] = 250
    out = smoother.smooth(alpha(1), moved, 1 / 30)
    assert out[0, 0] == 1
    assert out[-1, -1] == pytest.approx(1 - np.exp(-1 / 30 / 0.15), abs=1e-5)


def test_the_past_is_what_was_made_last_as_long_as_it_says_anything() -> None:
    smoother = AlphaSmoother(0.15)
    assert smoother.past(0.0, (12, 16)) is None
    smoother.smooth(alpha(0), picture(), 1.0)
    steady = smoother.smooth(alpha(1), picture(), 1.1)
    assert 0.1 < steady.mean() < 0.9
    for time in (1.2, 1.6):
        past = smoother.past(time, (12, 16))
        assert past is not None
        np.testing.assert_array_equal(past, steady)
    for time in (1.61, 1.1, 1.0):
        assert smoother.past(time, (12, 16)) is None
    assert smoother.past(1.2, (16, 12)) is None
    smoother.reset()
    assert smoother.past(1.2, (12, 16)) is None


@pytest.mark.parametrize("time", [0.6, 0.0, -1.0])
def test_a_gap_or_a_step_back_in_time_begins_anew(time: float) -> None:
    smoother = AlphaSmoother(0.15)
    smoother.smooth(alpha(0), picture(), 0.0)
    assert (smoother.smooth(alpha(1), picture(), time) == 1).all()


def test_reset_and_another_size_begin_anew() -> None:
    smoother = AlphaSmoother(0.15)
    smoother.smooth(alpha(0), picture(), 0.0)
    smoother.reset()
    assert (smoother.smooth(alpha(1), picture(), 1 / 30) == 1).all()
    bigger = np.zeros((24, 16), np.float32)
    assert smoother.smooth(bigger, np.zeros((24, 16, 3), np.uint8), 2 / 30).shape == (24, 16)


def test_no_time_constant_is_no_filter() -> None:
    smoother = AlphaSmoother(0.0)
    smoother.smooth(alpha(0), picture(), 0.0)
    assert (smoother.smooth(alpha(1), picture(), 1 / 30) == 1).all()


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(0, 255)), min_size=1, max_size=8))
def test_the_result_stays_between_the_alphas_given_so_far(steps: list[tuple[float, int]]) -> None:
    smoother = AlphaSmoother(0.15)
    for number, (value, level) in enumerate(steps):
        out = smoother.smooth(alpha(value), picture(level), number / 30)
    seen = [value for value, _ in steps]
    assert min(seen) - 1e-6 <= float(out.min()) <= float(out.max()) <= max(seen) + 1e-6


def test_the_result_is_the_callers_own() -> None:
    smoother = AlphaSmoother(0.15)
    first = smoother.smooth(alpha(0.5), picture(), 0.0)
    first[:] = 0
    assert (smoother.smooth(alpha(0.5), picture(), 1 / 30) == 0.5).all()


def test_a_negative_time_constant_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0 seconds"):
        AlphaSmoother(-1)
