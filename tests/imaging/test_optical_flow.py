"""Optical flow: warps an alpha with the picture, over several frames, at any size, and better than an unchanged alpha."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha
from livebg.imaging.optical_flow import FlowEstimator, FlowField
from livebg.imaging.pyramid import Pyramid
from tests.support.moving_person import picture, true_alpha


def room(width: int, height: int, seed: int = 3) -> NDArray[np.uint8]:
    """A picture with detail at several scales."""
    rng = np.random.default_rng(seed)
    layers = [cv2.resize(rng.random((height // step, width // step)), (width, height)) for step in (4, 9, 20)]
    return np.asarray(np.clip(80 * np.sum(layers, axis=0), 0, 255), np.uint8)


def soft_disc(width: int, height: int, x: float, y: float) -> Alpha:
    rows, columns = np.mgrid[:height, :width]
    return np.asarray(np.clip(height / 5 - np.hypot(columns - x, rows - y) + 0.5, 0, 1), np.float32)


def iou(alpha: Alpha, truth: Alpha) -> float:
    inside, true = alpha >= 0.5, truth >= 0.5
    return float((inside & true).sum() / (inside | true).sum())


def test_first_frame_and_new_size_return_none() -> None:
    carrier = FlowEstimator()
    assert carrier.update(Pyramid(room(320, 180))) is None
    assert carrier.update(Pyramid(room(320, 180))) is not None
    assert carrier.update(Pyramid(room(180, 320))) is None
    carrier.reset()
    assert carrier.update(Pyramid(room(180, 320))) is None


def test_static_picture_leaves_alpha_in_place() -> None:
    carrier = FlowEstimator()
    carrier.update(Pyramid(room(512, 288)))
    motion = carrier.update(Pyramid(room(512, 288)))
    assert motion is not None
    alpha = soft_disc(256, 144, 120, 70)
    np.testing.assert_allclose(motion.warp(alpha), alpha, atol=0.02)


@pytest.mark.parametrize("size", [(256, 144), (97, 131), (34, 153)])
def test_warp_equals_that_of_separate_maps(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    width, height = size
    flow, alpha = rng.normal(0, 4, (height, width, 2)).astype(np.float32), rng.random((height, width), dtype=np.float32)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    maps = np.ascontiguousarray(columns + flow[..., 0]), np.ascontiguousarray(rows + flow[..., 1])
    expected = cv2.remap(alpha, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    assert np.array_equal(FlowField(flow).warp(alpha), expected)


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (720, 1280)])
@pytest.mark.parametrize("mask", [1.0, 0.5])
def test_warp_follows_motion_at_any_size(size: tuple[int, int], mask: float) -> None:
    """The mask's size may differ from the grid of the flow."""
    width, height = size
    shift = (width // 64, -height // 90)
    before = room(width, height)
    after = np.roll(before, (shift[1], shift[0]), (0, 1))
    carrier = FlowEstimator()
    carrier.update(Pyramid(before))
    motion = carrier.update(Pyramid(after))
    assert motion is not None
    grid = carrier.size(width, height)
    small = round(grid[0] * mask), round(grid[1] * mask)
    scale = small[0] / width, small[1] / height
    middle = small[0] / 2, small[1] / 2
    old = soft_disc(*small, *middle)
    new = soft_disc(*small, middle[0] + shift[0] * scale[0], middle[1] + shift[1] * scale[1])
    assert iou(motion.warp(old), new) > 0.96 > iou(old, new)


def test_composed_flow_beats_leaving_alpha_in_place() -> None:
    """Five frames of a swaying shape: flow composed frame by frame, compared with the true alpha and an alpha left in place."""
    carrier = FlowEstimator()
    carried, stayed = [], []
    for begin in range(4, 30, 5):
        carrier.reset()
        carrier.update(Pyramid(picture(begin)))
        motion = FlowField.zero(carrier.size(160, 96))
        for time in range(begin + 1, begin + 6):
            step = carrier.update(Pyramid(picture(time)))
            assert step is not None
            motion = motion.compose(step)
        truth = true_alpha(begin + 5)
        carried.append(np.abs(motion.warp(true_alpha(begin)) - truth).mean())
        stayed.append(np.abs(true_alpha(begin) - truth).mean())
    assert np.mean(carried) < 0.4 * np.mean(stayed)


def test_inverse_leads_back() -> None:
    """Forth and back, over a smooth flow of up to eight pixels; at the border content may leave the picture."""
    rows, columns = np.mgrid[:72, :128].astype(np.float32)
    flow = np.dstack([4 * np.sin(rows / 20) + 3, 5 * np.cos(columns / 25)]).astype(np.float32)
    residual = FlowField(flow).compose(FlowField(flow).inverse()).flow[8:-8, 8:-8]
    straight = FlowField(flow).compose(FlowField(-flow)).flow[8:-8, 8:-8]
    assert np.abs(residual).mean() < 0.4 * np.abs(straight).mean()


def test_inverse_of_a_shift_is_exact() -> None:
    shift = FlowField(np.full((20, 30, 2), (3.5, -2.0), np.float32), 7.0)
    np.testing.assert_array_equal(shift.inverse().flow, -shift.flow)
    assert shift.inverse().error == 7


def test_zero_flow_changes_nothing() -> None:
    alpha = soft_disc(64, 48, 30, 20)
    np.testing.assert_array_equal(FlowField.zero((64, 48)).warp(alpha), alpha)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 400), st.integers(2, 400), st.integers(0, 5))
def test_frames_of_any_shape_can_be_tracked(width: int, height: int, seed: int) -> None:
    """The search crashes the process if a picture is too small or too flat; none of these may be."""
    rng = np.random.default_rng(seed)
    carrier = FlowEstimator()
    carrier.update(Pyramid(rng.integers(0, 256, (height, width), np.uint8)))
    motion = carrier.update(Pyramid(rng.integers(0, 256, (height, width), np.uint8)))
    assert motion is not None
    out = motion.warp(rng.random((24, 32), np.float32))
    assert out.shape == (24, 32)
    assert 0 <= out.min() <= out.max() <= 1
