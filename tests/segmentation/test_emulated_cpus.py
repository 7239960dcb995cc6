"""The bundled network returns the same alphas on every x86-64 CPU, with SSE4, AVX2 and FMA, or VNNI instructions.

The other CPUs are emulated. On Nehalem onnxruntime adds all products in 32 bits, on Haswell pairs of them in 16. VNNI, which QEMU
does not emulate, adds in 32 bits again.
"""

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.models import find
from livebg.synthetic import procedural_room
from tests.support.emulated_segmenter import NAME, SIZE, alphas_of

QEMU = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
TIMEOUT_S = 300
FLOAT_ERROR = 1e-6
"""The last convolution and the sigmoid compute in float32, where FMA rounds once and other CPUs twice: 2.4e-7 at most so far.

All layers before compute in integers. Weights of 8 bits instead of 7 change alphas by up to 0.5 on Haswell.
"""
MAX_WEIGHT = 64
"""CPUs without VNNI add two products of a uint8 and an int8 in int16: 2 * 255 * 64 fits, 2 * 255 * 65 does not."""

needs_qemu = pytest.mark.skipif(
    QEMU is None or sys.platform != "linux" or platform.machine() != "x86_64",
    reason="needs Linux on x86-64 and qemu-x86_64 (Debian's package qemu-user), which emulates other CPUs",
)


@pytest.fixture(scope="module")
def pictures() -> dict[str, NDArray[np.uint8]]:
    """A person, a room, and random pixels of minimum and maximum brightness, which cause the largest sums."""
    data = pytest.importorskip("skimage.data", reason="the extra livebg[demo] is not installed")
    person = cv2.resize(data.astronaut()[:320], SIZE, interpolation=cv2.INTER_AREA)
    extremes = 255 * np.random.default_rng(15).integers(0, 2, (*SIZE[::-1], 3))
    return {"person": np.asarray(person, np.uint8), "room": procedural_room(1, SIZE), "extremes": extremes.astype(np.uint8)}


@pytest.fixture(scope="module")
def own_alphas(pictures: dict[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.float32]]:
    """The network's alphas on this machine's CPU."""
    return alphas_of(pictures)


@needs_qemu
@pytest.mark.parametrize("cpu", ["Nehalem", "Haswell"])
def test_alphas_match_on_emulated_cpu(
    cpu: str, pictures: dict[str, NDArray[np.uint8]], own_alphas: dict[str, NDArray[np.float32]], tmp_path: Path
) -> None:
    np.savez(tmp_path / "pictures.npz", allow_pickle=False, **pictures)
    command = [str(QEMU), "-cpu", cpu, sys.executable, "-m", "tests.support.emulated_segmenter"]
    done = subprocess.run(
        [*command, str(tmp_path / "pictures.npz"), str(tmp_path / "alphas.npz")],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(tmp_path / "alphas.npz") as alphas:
        assert set(alphas) == set(own_alphas)
        for name, alpha in alphas.items():
            np.testing.assert_allclose(alpha, own_alphas[name], rtol=0, atol=FLOAT_ERROR, err_msg=f"{name} on {cpu}")


def test_picture_has_certain_foreground_and_background(own_alphas: dict[str, NDArray[np.float32]]) -> None:
    """Equal alphas would prove little if they were all 0."""
    assert own_alphas["person"].max() > 0.9
    assert own_alphas["person"].min() < 0.1


def test_int8_weights_fit_in_7_bits() -> None:
    onnx = pytest.importorskip("onnx", reason="the extra livebg[resize] is not installed")
    graph = onnx.load(str(find(NAME).path)).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    dequantized = {node.output[0]: node.input for node in graph.node if node.op_type == "DequantizeLinear"}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    in_whole_numbers = [node for node in convolutions if node.input[1] in dequantized]
    assert len(in_whole_numbers) >= len(convolutions) - 1, "all but the last, which needs fine levels"
    for node in in_whole_numbers:
        weight, _, zero_point = (constants[name] for name in dequantized[node.input[1]])
        assert weight.dtype == np.int8, node.name
        assert not zero_point.any(), node.name
        assert np.abs(weight.astype(np.int16)).max() <= MAX_WEIGHT, node.name
