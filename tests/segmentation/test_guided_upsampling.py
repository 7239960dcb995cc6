"""Guided upsampling: edges follow the full-resolution picture, probabilities become alpha, specks are removed."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha
from livebg.imaging.pyramid import Pyramid
from livebg.segmentation.guided_upsampling import GuidedUpsampler


@pytest.mark.parametrize("size", [(1280, 720), (64, 48), (8, 8), (1918, 1078)])
@pytest.mark.parametrize(("value", "expected"), [(0.0, 0), (0.1, 0), (0.5, 128), (0.9, 255), (1.0, 255)])
def test_uniform_alpha_is_steepened_at_any_size(size: tuple[int, int], value: float, expected: int) -> None:
    luma = np.random.default_rng(1).integers(0, 256, (size[1], size[0]), np.uint8)
    matte = GuidedUpsampler().upsample(np.full((144, 256), value, np.float32), Pyramid(luma))
    assert matte.shape == luma.shape
    assert matte.dtype == np.uint8
    assert np.abs(matte.astype(int) - expected).max() <= 1


def test_edge_follows_picture() -> None:
    """A slanted edge between a dark person and a bright room; its true alpha is shrunk four times."""
    x, y = np.meshgrid(np.arange(640), np.arange(360))
    truth = ((x - 200 - 0.4 * y) > 0).astype(np.float32)
    luma = np.where(truth > 0, 60, 190).astype(np.uint8)
    small = cv2.resize(truth, (160, 90), interpolation=cv2.INTER_AREA)
    blurred = np.asarray(cv2.blur(small, (3, 3)), np.float32)
    guided = GuidedUpsampler().upsample(blurred, Pyramid(luma)) / 255
    plain = np.clip((cv2.resize(blurred, (640, 360)) - 0.2) / 0.6, 0, 1)
    assert np.abs(guided - truth).mean() < np.abs(plain - truth).mean() / 3


def test_edge_with_equal_luma_is_found_by_chroma() -> None:
    """A yellow person in front of a gray wall of the same luma."""
    x, y = np.meshgrid(np.arange(640), np.arange(360))
    truth = ((x - 200 - 0.4 * y) > 0).astype(np.float32)
    luma = np.full((360, 640), 120, np.uint8)
    few = cv2.resize(truth, (320, 180), interpolation=cv2.INTER_AREA)
    chroma = tuple(np.rint(128 + step * few).astype(np.uint8) for step in (-50, 20))
    small = cv2.resize(truth, (160, 90), interpolation=cv2.INTER_AREA)
    blurred = np.asarray(cv2.blur(small, (3, 3)), np.float32)
    by_luma = GuidedUpsampler().upsample(blurred, Pyramid(luma)) / 255
    by_color = GuidedUpsampler().upsample(blurred, Pyramid(luma), (Pyramid(chroma[0]), Pyramid(chroma[1]))) / 255
    assert np.abs(by_color - truth).mean() < np.abs(by_luma - truth).mean() / 2


def person_alpha() -> Alpha:
    """Head and shoulders at model resolution."""
    alpha = np.zeros((144, 256), np.float32)
    cv2.circle(alpha, (128, 60), 26, 1, cv2.FILLED)
    cv2.ellipse(alpha, (128, 150), (70, 60), 0, 0, 360, 1, cv2.FILLED)
    return alpha


def luma_of_person(truth: Alpha) -> NDArray[np.uint8]:
    """The frame's luma, with a person brighter than the room."""
    person = cv2.resize(truth, (1280, 720), interpolation=cv2.INTER_NEAREST)
    return np.asarray(60 + 120 * person + np.random.default_rng(3).integers(0, 12, (720, 1280)), np.uint8)


def test_distant_island_is_removed_and_near_one_is_kept() -> None:
    alpha = person_alpha()
    far, near = alpha.copy(), alpha.copy()
    cv2.circle(far, (30, 30), 5, 1, cv2.FILLED)
    cv2.circle(near, (128, 28), 4, 1, cv2.FILLED)
    assert (
        GuidedUpsampler().upsample(far, Pyramid(luma_of_person(far)))
        == GuidedUpsampler().upsample(alpha, Pyramid(luma_of_person(far)))
    ).all()
    assert GuidedUpsampler().upsample(near, Pyramid(luma_of_person(near)))[28 * 5, 128 * 5] == 255


def test_second_person_is_kept_with_gradual_onset() -> None:
    shown = []
    for radius in (5, 7, 8, 12):
        both = person_alpha()
        cv2.circle(both, (30, 40), radius, 1, cv2.FILLED)
        shown.append(int(GuidedUpsampler().upsample(both, Pyramid(luma_of_person(both)))[200, 150]))
    assert shown[0] == 0
    assert shown[3] == 255
    assert shown == sorted(shown)


def test_low_confidence_island_is_removed() -> None:
    shown = []
    for probability in (0.4, 0.55, 0.65, 0.75, 0.95):
        both = person_alpha()
        both[20:80, 10:60] = probability
        shown.append(int(GuidedUpsampler().upsample(both, Pyramid(luma_of_person(both)))[250, 150]))
    assert shown[0] == 0
    assert shown[-1] == 255
    assert shown == sorted(shown)
    assert len(set(shown)) >= 4, "softly"
    alone = np.where(person_alpha() > 0, np.float32(0.45), np.float32(0))
    assert GuidedUpsampler().upsample(alone, Pyramid(luma_of_person(person_alpha())))[400, 640] > 60, (
        "a single person is not an island"
    )
    person = np.zeros_like(alone)
    person[100:, 200:] = 1
    person[:90, :180] = 0.4  # larger than the person
    assert not GuidedUpsampler().upsample(person, Pyramid(luma_of_person(person)))[:400, :800].any()


def test_holes_are_kept_except_uncertain_pinholes() -> None:
    alpha = person_alpha()
    alpha[120:132, 122:134] = 0  # the room, visible through a handle
    truth = alpha.copy()
    alpha[62:64, 127:129] = 0.3  # a speck inside the head
    matte = GuidedUpsampler().upsample(alpha, Pyramid(luma_of_person(truth)))
    assert (matte[280:340, 600:680] == 255).all()
    assert (matte[610:650, 620:660] == 0).all()


def test_person_at_frame_border_is_complete() -> None:
    alpha, luma = np.zeros((144, 256), np.float32), np.random.default_rng(3).integers(0, 256, (720, 1280), np.uint8)
    alpha[40:, :120] = 1
    matte = GuidedUpsampler().upsample(alpha, Pyramid(luma))
    assert (matte[240:, :560] == 255).all()
    assert (matte[:160] == 0).all()


def test_texture_inside_person_makes_no_holes() -> None:
    luma = (np.indices((360, 640)).sum(axis=0) // 8 % 2 * 200).astype(np.uint8)
    alpha = np.zeros((90, 160), np.float32)
    alpha[20:, 40:120] = 1
    matte = GuidedUpsampler().upsample(alpha, Pyramid(luma))
    assert (matte[120:, 200:440] == 255).all()
    assert (matte[:40] == 0).all()


@given(st.integers(0, 2**32 - 1))
def test_inputs_are_unchanged(seed: int) -> None:
    rng = np.random.default_rng(seed)
    alpha, luma = rng.random((9, 16), np.float32), rng.integers(0, 256, (36, 64), np.uint8)
    before = alpha.copy(), luma.copy()
    GuidedUpsampler().upsample(alpha, Pyramid(luma))
    assert (alpha == before[0]).all()
    assert (luma == before[1]).all()


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (0.8, 0.2), (-0.1, 0.5), (0.5, 1.1)])
def test_low_and_high_must_be_ordered_probabilities(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="low < high"):
        GuidedUpsampler(low=low, high=high)
