"""Shrinking and growing the matte: softly, and by at most a hundredth of the frame's height."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livebg.imaging.frame import Alpha8
from livebg.segmentation.edge_shift import MAX_SHIFT, max_steps, shift_edge
from tests.support.masks import widened

SIZES = [(1280, 720), (640, 360), (320, 180), (50, 38)]


def head_and_shoulders(width: int, height: int) -> Alpha8:
    """A person with a soft edge, cut off by the lower border."""
    y, x = np.mgrid[:height, :width] / height
    head = 0.17 - np.hypot(x - width / height / 2, y - 0.35)
    body = 0.4 - np.hypot(x - width / height / 2, y - 1)
    return np.asarray(np.rint(np.clip(np.maximum(head, body) * height / 2 + 0.5, 0, 1) * 255), np.uint8)


@pytest.mark.parametrize("size", SIZES)
def test_zero_returns_matte_itself(size: tuple[int, int]) -> None:
    alpha = head_and_shoulders(*size)
    assert shift_edge(alpha, 0.0) is alpha


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("edge", [0.1, 0.5, 0.77, 1.0])
def test_growth_stays_within_a_hundredth_of_the_height(size: tuple[int, int], edge: float) -> None:
    alpha = head_and_shoulders(*size)
    grown = shift_edge(alpha, edge)
    assert (grown >= alpha).all()
    assert not grown[widened(alpha > 0, MAX_SHIFT) == 0].any()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("edge", [-0.1, -0.5, -0.77, -1.0])
def test_shrinking_stays_within_a_hundredth_of_the_height(size: tuple[int, int], edge: float) -> None:
    alpha = head_and_shoulders(*size)
    shrunk = shift_edge(alpha, edge)
    assert (shrunk <= alpha).all()
    assert (shrunk[widened(alpha < 255, MAX_SHIFT) == 0] == 255).all()


@given(
    size=st.tuples(st.integers(8, 150), st.integers(90, 400)),
    edge=st.floats(-1, 1),
    blocks=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_matte_changes_only_near_its_edge(size: tuple[int, int], edge: float, blocks: int, seed: int) -> None:
    width, height = size
    coarse = np.random.default_rng(seed).choice(
        np.array([0, 0, 255, 255, 80], np.uint8), (-(-height // blocks), -(-width // blocks))
    )
    alpha = coarse.repeat(blocks, 0).repeat(blocks, 1)[:height, :width].copy()
    before = alpha.copy()
    shifted = shift_edge(alpha, edge)
    assert (alpha == before).all()
    assert not shifted[widened(alpha > 0, MAX_SHIFT) == 0].any()
    assert (shifted[widened(alpha < 255, MAX_SHIFT) == 0] == 255).all()


@pytest.mark.parametrize("edge", [-1.0, -0.62, -0.2, 0.2, 0.62, 1.0])
@pytest.mark.parametrize("slope", [0.0, 0.4, 1.0])
def test_soft_edge_moves_evenly_at_any_slope(edge: float, slope: float) -> None:
    """The area changes by the distance times the length of the edge; the softness of the edge stays."""
    y, x = np.mgrid[:720, :1280]
    distance = (x - 300 - slope * y) / np.hypot(1, slope)
    alpha = np.rint(np.clip(0.5 - distance / 4, 0, 1) * 255).astype(np.uint8)
    shifted = shift_edge(alpha, edge)
    moved = (shifted[50:-50].astype(float) - alpha[50:-50]).sum(axis=1).mean() / 255 / np.hypot(1, slope)
    assert moved == pytest.approx(edge * max_steps(720), abs=1.0)
    mixed = [((each > 10) & (each < 245)).mean() for each in (alpha, shifted)]
    assert mixed[1] < 1.5 * mixed[0]


def test_steps_of_edge_are_even() -> None:
    alpha = head_and_shoulders(1280, 720)
    areas = [shift_edge(alpha, edge).mean() for edge in np.linspace(-1, 1, 41)]
    steps = np.diff(areas)
    assert (steps > 0).all()
    assert steps.max() < 2 * steps.min()


def test_border_of_picture_is_not_shrunk() -> None:
    alpha = head_and_shoulders(1280, 720)
    assert (shift_edge(alpha, -1.0)[-1, 600:680] == 255).all()
    whole = np.full((720, 1280), 255, np.uint8)
    assert (shift_edge(whole, -1.0) == 255).all()
    assert not shift_edge(np.zeros((720, 1280), np.uint8), 1.0).any()


@pytest.mark.parametrize("height", [2, 38, 90, 99, 100, 180, 360, 480, 720, 1080, 2160])
def test_number_of_steps_fits_the_distance(height: int) -> None:
    steps = max_steps(height)
    assert np.hypot(steps, steps // 2) <= MAX_SHIFT * height
    assert steps >= int(0.8 * MAX_SHIFT * height)
