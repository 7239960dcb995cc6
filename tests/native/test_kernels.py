"""The compiled kernels equal the NumPy functions that they replace, byte for byte.

``python -m tests.native`` runs every test of this module under the sanitizers, so each takes ``native`` and values of hypothesis
alone.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livebg.compositing.blending import alpha_planes, blend_tiles, blend_weights
from livebg.compositing.foreground_estimation import MIN_WEIGHT, downscale, estimate_colors
from livebg.compositing.tone_curve import MAX_STEPS, ToneCurve, tone_curve
from livebg.imaging.frame import planes as planes_of
from livebg.imaging.pyramid import Pyramid
from livebg.native import Kernels, edges, load_kernels
from livebg.native.build import build
from livebg.segmentation.edge_shift import WHOLE, shift_by
from livebg.segmentation.guided_upsampling import evaluate, fit
from tests.support.compiler import require_compiler
from tests.support.kernel_inputs import alphas, contents, frames, large_sizes, planes


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    """The kernels of this checkout, compiled for these tests."""
    require_compiler()
    folder = tmp_path_factory.mktemp("kernels")
    build(folder)
    return load_kernels(folder)


@given(data=st.data(), size=st.tuples(st.integers(1, 40), st.integers(1, 40)), window=st.sampled_from((3, 5, 7)))
def test_fit_equals_numpy(native: Kernels, data: st.DataObject, size: tuple[int, int], window: int) -> None:
    guides, alpha = [data.draw(planes(size)) for _ in range(3)], data.draw(alphas(size))
    expected = fit(guides, alpha, window, (196.0, 25.0, 25.0), (0.2, 0.8)).reshape(*size, 4)
    assert np.array_equal(edges.fit(native, guides, alpha, window, (196.0, 25.0, 25.0), (0.2, 0.8)), expected)


@given(data=st.data(), size=large_sizes, small=st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_evaluate_equals_numpy(native: Kernels, data: st.DataObject, size: tuple[int, int], small: tuple[int, int]) -> None:
    picture, content = data.draw(frames(size)), data.draw(contents(size))
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    lines = generator.normal(0, 2, (*small, 4)).astype(np.float32)
    lines[..., 3] *= 60
    y_u_v = list(planes_of(picture))
    assert np.array_equal(edges.evaluate(native, lines, y_u_v, content), evaluate(lines, y_u_v, content))


@given(
    data=st.data(),
    size=large_sizes,
    corners=st.tuples(*4 * (st.integers(0, 7),)),
    steps=st.integers(1, 20),
    share=st.integers(0, WHOLE),
    grow=st.booleans(),
)
def test_shift_equals_numpy(
    native: Kernels,
    data: st.DataObject,
    size: tuple[int, int],
    corners: tuple[int, ...],
    steps: int,
    share: int,
    grow: bool,
) -> None:
    alpha, (top, left, bottom, right) = data.draw(planes(size)), corners
    window = slice(top, size[0] - bottom), slice(left, size[1] - right)
    shifted = edges.shift(native, alpha, window, steps, share, grow=grow)
    assert np.array_equal(shifted, shift_by(alpha, window, steps, share, grow=grow))


@given(data=st.data(), size=st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_estimate_equals_numpy(native: Kernels, data: st.DataObject, size: tuple[int, int]) -> None:
    small = [data.draw(planes(size)) for _ in range(4)]
    for estimated, expected in zip(edges.estimate(native, small, MIN_WEIGHT), estimate_colors(small), strict=True):
        assert np.array_equal(estimated, expected)


@given(
    data=st.data(),
    size=large_sizes,
    light_wrap=st.sampled_from((0.0, 0.3, 1.0)),
    curve=st.none() | st.builds(tone_curve, st.integers(0, MAX_STEPS), st.booleans()),
)
def test_blend_equals_numpy(
    native: Kernels, data: st.DataObject, size: tuple[int, int], light_wrap: float, curve: ToneCurve | None
) -> None:
    picture, background, alpha = data.draw(frames(size)), data.draw(frames(size)), data.draw(planes(size))
    alpha[data.draw(contents(size)).repeat(16, 0).repeat(16, 1)[: size[0], : size[1]] == edges.PERSON] = 255
    expected = background.copy()
    blend_tiles(planes_of(picture), alpha_planes(Pyramid(alpha)), planes_of(expected), light_wrap=light_wrap, curve=curve)
    colors = edges.estimate(native, downscale(planes_of(picture), alpha), MIN_WEIGHT)
    edges.blend(native, picture, alpha, colors, blend_weights(light_wrap, curve), background)
    assert np.array_equal(background, expected)
