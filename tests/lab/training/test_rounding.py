"""8-bit sums round the same on CPUs with and without FMA instructions."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

onnx = pytest.importorskip("onnx", reason="training needs the extra livebg[train]")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from livebg.lab.training.rounding import avoid_ties, distance_to_tie  # noqa: E402
from livebg.segmentation.ort import onnxruntime  # noqa: E402

BIAS = 3.0
LEVEL = 0.6
"""The scale of the sum."""
WEIGHT_SCALE = 1 / 64


def network(scales: tuple[float, float], output_scale: float) -> Any:
    """Returns a network that sums two 8-bit inputs, followed by a convolution that adds ``BIAS``."""
    nodes, constants = [], []

    def constant(name: str, value: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def quantized(name: str, scale: float) -> str:
        parameters = [constant(f"{name}_scale", np.float32(scale)), constant(f"{name}_zero", np.uint8(0))]
        nodes.append(helper.make_node("QuantizeLinear", [name, *parameters], [f"{name}_levels"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_levels", *parameters], [f"{name}_real"]))
        return f"{name}_real"

    def dequantized(name: str, levels: NDArray[Any], scale: float) -> str:
        parameters = [constant(f"{name}_levels", levels), constant(f"{name}_scale", np.full(1, scale, np.float32))]
        zero = constant(f"{name}_zero", np.zeros(1, levels.dtype))
        nodes.append(helper.make_node("DequantizeLinear", [*parameters, zero], [f"{name}_real"], axis=0))
        return f"{name}_real"

    summands = [quantized(name, scale) for name, scale in zip("ab", scales, strict=True)]
    nodes.append(helper.make_node("Add", summands, ["sum"]))
    total = quantized("sum", output_scale)
    weight = dequantized("weight", np.full((1, 1, 1, 1), 64, np.int8), WEIGHT_SCALE)
    unit = output_scale * WEIGHT_SCALE
    bias = dequantized("bias", np.array([round(BIAS / unit)], np.int32), unit)
    nodes.append(helper.make_node("Conv", [total, weight, bias], ["result"]))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 256, 256]) for name in ("a", "b", "result")]
    graph = helper.make_graph(nodes, "sum", ends[:2], ends[2:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def constant_of(model: Any, name: str) -> NDArray[Any]:
    return np.asarray(next(numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.name == name))


def every_sum(model: Any) -> NDArray[np.float32]:
    """Returns the output for every pair of input levels, shape (256, 256)."""
    a, b = (np.arange(256, dtype=np.float32) * constant_of(model, f"{name}_scale") for name in "ab")
    feeds = {"a": np.tile(a[:, None], 256)[None, None], "b": np.tile(b, (256, 1))[None, None]}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, feeds)[0][0, 0], np.float32)


def rounded_with_and_without_fma(model: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns every sum's level with FMA (products not rounded to float32) and without it, each of shape (256, 256)."""
    output = constant_of(model, "sum_scale")
    first, second = (np.float32(constant_of(model, f"{name}_scale") / output) for name in "ab")
    levels = np.arange(256, dtype=np.float32)
    rounded = np.add.outer(first * levels, second * levels)
    exact = (np.add.outer(np.float64(first) * levels, np.float64(second * levels))).astype(np.float32)
    return np.rint(exact), np.rint(rounded)


def test_ties_round_equally_with_and_without_fma() -> None:
    # The ratios, 1/3 and 1/6, are not exact in float32, and many sums are halfway up to a rounding error.
    model = network((0.2, 0.1), LEVEL)
    with_fma, without = rounded_with_and_without_fma(model)
    assert (with_fma != without).any()
    avoid_ties(model)
    with_fma, without = rounded_with_and_without_fma(model)
    np.testing.assert_array_equal(with_fma, without)
    inputs = [(np.float32(constant_of(model, f"{name}_scale")), 0) for name in "ab"]
    assert distance_to_tie(inputs, np.float32(constant_of(model, "sum_scale"))) > 4e-5


def test_network_output_changes_by_at_most_one_level() -> None:
    model = network((0.2, 0.1), LEVEL)
    before = every_sum(model)
    avoid_ties(model)
    after = every_sum(model)
    assert constant_of(model, "sum_scale") == pytest.approx(LEVEL, rel=0.01)
    assert np.abs(after - before).max() <= LEVEL + 0.01 * before.max()
    assert after[0, 0] == pytest.approx(BIAS, abs=0.01), "the bias keeps its value in the new unit"
    unit = constant_of(model, "sum_scale") * np.float32(WEIGHT_SCALE)
    np.testing.assert_allclose(constant_of(model, "bias_scale"), unit, rtol=1e-6)


def test_network_without_ties_is_unchanged() -> None:
    model = network((0.2, 0.1), LEVEL)
    avoid_ties(model)
    once = model.SerializeToString()
    avoid_ties(model)
    assert model.SerializeToString() == once


def test_missing_output_scale_fails() -> None:
    with pytest.raises(ValueError, match=r"No output scale within 1 % .* Calibrate on other pictures"):
        avoid_ties(network((1 / 256, 1 / 65536), 1.0))
