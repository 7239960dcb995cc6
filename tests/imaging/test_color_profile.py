"""ICC profiles that livebg makes."""

import struct

import numpy as np
import pytest

from livebg.imaging.color_profile import CODE_POINTS, RgbSpace, make_profile

BRADFORD_D65_TO_D50 = [1.0478, 0.0229, -0.0501, 0.0295, 0.9905, -0.0171, -0.0092, 0.0151, 0.7517]
"""From the ICC's sRGB profile."""


@pytest.mark.parametrize("space", CODE_POINTS.values())
def test_profile_states_adaptation_from_d65(space: RgbSpace) -> None:
    profile = make_profile(space)
    (count,) = struct.unpack(">L", profile[128:132])
    tags = {name: (start, size) for name, start, size in struct.iter_unpack(">4sLL", profile[132 : 132 + 12 * count])}
    start, size = tags[b"chad"]
    assert profile[start : start + 8] == b"sf32\0\0\0\0"
    numbers = np.array(struct.unpack(">9l", profile[start + 8 : start + size])) / 65536
    np.testing.assert_allclose(numbers, BRADFORD_D65_TO_D50, atol=2e-3)
