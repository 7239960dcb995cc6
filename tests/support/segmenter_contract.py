"""The contract of every Segmenter (see livebg.interfaces). Test classes inherit it and provide the segmenter."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.interfaces import ScalableSegmenter, Segmenter

FRAME_SIZES = [(1280, 720), (640, 480), (480, 640), (2, 2), (7680, 4320), (4000, 8)]
Image = NDArray[np.uint8]


def noise(size: tuple[int, int], seed: int) -> Image:
    """A picture (width, height) of random colors."""
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


class SegmenterContract:
    """Inherit, and override the fixture ``segmenter``."""

    @pytest.fixture
    def segmenter(self) -> Segmenter:
        raise NotImplementedError

    @pytest.fixture
    def size(self, segmenter: Segmenter) -> tuple[int, int]:
        return segmenter.input_size(1280, 720)

    def test_implements_segmenter_protocol(self, segmenter: Segmenter) -> None:
        assert isinstance(segmenter, Segmenter)

    @pytest.mark.parametrize("frame_size", FRAME_SIZES)
    def test_input_size_works_for_every_frame_size(self, segmenter: Segmenter, frame_size: tuple[int, int]) -> None:
        width, height = segmenter.input_size(*frame_size)
        assert width > 0
        assert height > 0
        assert segmenter.input_size(*frame_size) == (width, height)
        assert segmenter.segment(noise((width, height), 0)).shape == (height, width)

    @pytest.mark.parametrize("scale", [1.0, 0.75, 0.5])
    @pytest.mark.parametrize("frame_size", FRAME_SIZES)
    def test_scaled_input_sizes_work(self, segmenter: Segmenter, frame_size: tuple[int, int], scale: float) -> None:
        if isinstance(segmenter, ScalableSegmenter):
            width, height = segmenter.scaled_size(*frame_size, scale)
            full = segmenter.input_size(*frame_size)
            assert (0, 0) < (width, height) <= full
            assert scale < 1 or (width, height) == full
            assert segmenter.segment(noise((width, height), 0)).shape == (height, width)

    @pytest.mark.parametrize("level", [0, 1, 128, 255])
    def test_alpha_is_float32_within_0_and_1(self, segmenter: Segmenter, size: tuple[int, int], level: int) -> None:
        alpha = segmenter.segment(np.full((size[1], size[0], 3), level, np.uint8))
        assert alpha.dtype == np.float32
        assert alpha.shape == (size[1], size[0])
        assert np.isfinite(alpha).all()
        assert alpha.min() >= 0
        assert alpha.max() <= 1

    def test_alpha_is_new_array_and_image_is_unchanged(self, segmenter: Segmenter, size: tuple[int, int]) -> None:
        image = noise(size, 1)
        before = image.copy()
        first = segmenter.segment(image)
        kept = first.copy()
        second = segmenter.segment(noise(size, 2))
        assert not any(np.shares_memory(first, other) for other in (second, image))
        np.testing.assert_array_equal(first, kept)
        np.testing.assert_array_equal(image, before)
        first[:] = 0  # the caller may write to it

    def test_segment_is_stateless(self, segmenter: Segmenter, size: tuple[int, int]) -> None:
        first = segmenter.segment(noise(size, 1))
        other = segmenter.segment(noise(size, 2))
        assert not np.array_equal(first, other)
        np.testing.assert_array_equal(segmenter.segment(noise(size, 1)), first)

    def test_accepts_non_contiguous_image(self, segmenter: Segmenter, size: tuple[int, int]) -> None:
        image = noise(size, 5)
        padded = np.zeros((size[1] + 4, size[0] + 6, 3), np.uint8)
        padded[2:-2, 3:-3] = image[..., ::-1]
        np.testing.assert_array_equal(segmenter.segment(padded[2:-2, 3:-3, ::-1]), segmenter.segment(image))

    def test_concurrent_calls_return_same_alpha(self, segmenter: Segmenter, size: tuple[int, int]) -> None:
        images = [noise(size, seed) for seed in range(8)]
        alone = [segmenter.segment(image) for image in images]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(segmenter.segment, images * 3))
        for number, alpha in enumerate(together):
            np.testing.assert_array_equal(alpha, alone[number % 8])
