"""The layout of pictures in the memory shared with readers."""

import ctypes

import numpy as np
import pytest

from livebg.sinks.pipewire import abi
from livebg.sinks.pipewire.buffers import Layout


@pytest.mark.parametrize("size", [(2, 2), (6, 4), (64, 36), (642, 358)])
def test_yuy2_interleaves_luma_with_the_chroma_of_two_rows(size: tuple[int, int]) -> None:
    width, height = size
    picture = np.random.default_rng(0).integers(0, 256, (height * 3 // 2, width), np.uint8)
    layout = Layout(abi.VIDEO_FORMAT_YUY2, width, height)
    memory = ctypes.create_string_buffer(layout.size + 1)
    layout.write(picture, ctypes.addressof(memory))
    chroma = picture[height:].reshape(2, height // 2, width // 2)
    expected = np.zeros((height, width, 2), np.uint8)
    expected[..., 0] = picture[:height]
    for part in (0, 1):
        expected[:, part::2, 1] = np.repeat(chroma[part], 2, axis=0)
    assert memory.raw == expected.tobytes() + b"\0"
