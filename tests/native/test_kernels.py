"""The compiled kernels equal the NumPy functions that they replace, byte for byte.

``python -m tests.native`` runs every test of this module under the sanitizers, so each takes ``native`` and values of hypothesis
alone.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from livebg.native import Kernels, load_kernels
from livebg.native.build import build
from tests.support.compiler import require_compiler
from tests.support.kernel_inputs import alphas, planes, sizes


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    """The kernels of this checkout, compiled for these tests."""
    require_compiler()
    folder = tmp_path_factory.mktemp("kernels")
    build(folder)
    return load_kernels(folder)


def lerp(a: NDArray[np.uint8], b: NDArray[np.uint8], weight: NDArray[np.float32]) -> NDArray[np.uint8]:
    exact = a + weight.astype(np.float64) * (b.astype(np.float64) - a)
    return np.rint(exact.astype(np.float32)).astype(np.uint8)


@given(data=st.data(), size=sizes)
def test_lerp_equals_numpy(native: Kernels, data: st.DataObject, size: tuple[int, int]) -> None:
    a, b, weight = data.draw(planes(size)), data.draw(planes(size)), data.draw(alphas(size))
    out = np.empty_like(a)
    native.lib.livebg_lerp(native.pointer(out, True), native.pointer(a), native.pointer(b), native.pointer(weight), a.size)
    assert np.array_equal(out, lerp(a, b, weight))
