"""Edges come from the full-resolution luma, probabilities become alpha."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livebg.matting import EdgeUpsampler


@pytest.mark.parametrize("size", [(1280, 720), (64, 48), (8, 8), (1918, 1078)])
@pytest.mark.parametrize(("value", "expected"), [(0.0, 0), (0.1, 0), (0.5, 128), (0.9, 255), (1.0, 255)])
def test_an_even_alpha_is_steepened_at_any_size(size: tuple[int, int], value: float, expected: int) -> None:
    luma = np.random.default_rng(1).integers(0, 256, (size[1], size[0]), np.uint8)
    matte = EdgeUpsampler().upsample(np.full((144, 256), value, np.float32), luma)
    assert matte.shape == luma.shape
    assert matte.dtype == np.uint8
    assert np.abs(matte.astype(int) - expected).max() <= 1


def test_the_edge_lands_where_the_picture_has_it() -> None:
    """A slanted edge between a dark person and a bright room, its alpha known at full size and shrunk four times."""
    x, y = np.meshgrid(np.arange(640), np.arange(360))
    truth = ((x - 200 - 0.4 * y) > 0).astype(np.float32)
    luma = np.where(truth > 0, 60, 190).astype(np.uint8)
    small = cv2.resize(truth, (160, 90), interpolation=cv2.INTER_AREA)
    blurred = np.asarray(cv2.blur(small, (3, 3)), np.float32)
    guided = EdgeUpsampler().upsample(blurred, luma) / 255
    plain = np.clip((cv2.resize(blurred, (640, 360)) - 0.2) / 0.6, 0, 1)
    assert np.abs(guided - truth).mean() < np.abs(plain - truth).mean() / 3


def test_texture_inside_the_person_makes_no_holes() -> None:
    luma = (np.indices((360, 640)).sum(axis=0) // 8 % 2 * 200).astype(np.uint8)
    alpha = np.zeros((90, 160), np.float32)
    alpha[20:, 40:120] = 1
    matte = EdgeUpsampler().upsample(alpha, luma)
    assert (matte[120:, 200:440] == 255).all()
    assert (matte[:40] == 0).all()


@given(st.integers(0, 2**32 - 1))
def test_the_inputs_are_left_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    alpha, luma = rng.random((9, 16), np.float32), rng.integers(0, 256, (36, 64), np.uint8)
    before = alpha.copy(), luma.copy()
    EdgeUpsampler().upsample(alpha, luma)
    assert (alpha == before[0]).all()
    assert (luma == before[1]).all()


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (0.8, 0.2), (-0.1, 0.5), (0.5, 1.1)])
def test_low_and_high_are_ordered_probabilities(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="low < high"):
        EdgeUpsampler(low=low, high=high)
