"""The network runs once per picture, and its output is that of a run."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.config.settings import Settings
from livebg.imaging.frame import Alpha
from livebg.interfaces import ScalableSegmenter, Segmenter
from livebg.rendering.cached_segmenter import CachedSegmenter, load_segmenter
from livebg.segmentation.u2net import U2NetSegmenter
from tests.support.segmenter_contract import SegmenterContract, noise
from tests.support.toy_network import ToyNetwork

SIZE = (64, 48)
ALPHA_BYTES = 64 * 48 * 4


class Counting:
    """A segmenter that counts its runs."""

    def __init__(self, segmenter: ScalableSegmenter) -> None:
        self.network = segmenter
        self.runs = 0
        self.name, self.provider = segmenter.name, segmenter.provider

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return self.network.input_size(width, height)

    def scaled_size(self, width: int, height: int, scale: float) -> tuple[int, int]:
        return self.network.scaled_size(width, height, scale)

    def segment(self, image: NDArray[np.uint8]) -> Alpha:
        self.runs += 1
        return self.network.segment(image)


@pytest.fixture
def counting(segmenter: U2NetSegmenter) -> Counting:
    return Counting(segmenter)


class TestCachedSegmenter(SegmenterContract):
    @pytest.fixture
    def segmenter(self, tmp_path: Path) -> Segmenter:
        path = ToyNetwork().write(tmp_path / "toy.onnx")
        return load_segmenter(Settings.model_validate({"model": {"name": str(path), "provider": "cpu"}}))


def test_second_segment_repeats_no_picture_of_the_first(counting: Counting) -> None:
    """Pictures 20 to 79 after 0 to 49: as the warm-up and look-ahead of neighbors."""
    cached = CachedSegmenter(counting)
    for number in [*range(50), *range(20, 80)]:
        expected = counting.network.segment(noise(SIZE, number))
        np.testing.assert_array_equal(cached.segment(noise(SIZE, number)), expected)
    assert counting.runs == 80


def test_changed_alpha_is_not_returned_again(counting: Counting) -> None:
    cached = CachedSegmenter(counting)
    first = cached.segment(noise(SIZE, 1))
    kept = first.copy()
    first[:] = 0
    second = cached.segment(noise(SIZE, 1))
    np.testing.assert_array_equal(second, kept)
    second[:] = 0
    np.testing.assert_array_equal(cached.segment(noise(SIZE, 1)), kept)
    assert counting.runs == 1


def test_picture_that_differs_in_one_value_runs(counting: Counting) -> None:
    cached = CachedSegmenter(counting)
    picture = noise(SIZE, 1)
    cached.segment(picture)
    picture[5, 7, 2] ^= 1
    np.testing.assert_array_equal(cached.segment(picture), counting.segment(picture))
    assert counting.runs == 3


def test_same_bytes_in_another_shape_run(counting: Counting) -> None:
    cached = CachedSegmenter(counting)
    assert cached.segment(np.zeros((48, 64, 3), np.uint8)).shape == (48, 64)
    assert cached.segment(np.zeros((64, 48, 3), np.uint8)).shape == (64, 48)


def test_oldest_picture_is_forgotten_at_capacity(counting: Counting) -> None:
    cached = CachedSegmenter(counting, 3 * ALPHA_BYTES)
    for number, runs in ((0, 1), (1, 2), (2, 3), (0, 3), (3, 4), (0, 4), (1, 5), (3, 5), (2, 6)):
        cached.segment(noise(SIZE, number))
        assert counting.runs == runs


def test_picture_larger_than_capacity_is_not_kept(counting: Counting) -> None:
    cached = CachedSegmenter(counting, 100)
    for runs in (1, 2):
        assert cached.segment(noise(SIZE, 0)).shape == (48, 64)
        assert counting.runs == runs
