"""Makes 8-bit sums round the same on every CPU: none of them is close to halfway between two levels.

onnxruntime adds two 8-bit tensors in float32, with FMA instructions if the CPU has them, so the last bit of a sum differs between
CPUs. If the exact sum is halfway between two levels, that bit decides which level it becomes.
"""

from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

_MIN_DISTANCE: Final = 5e-5
"""Minimum distance to halfway, in levels: more than the float32 rounding error of a sum below 256 levels."""
_SCALE_STEP: Final = 1e-5
_MAX_STEPS: Final = 1000
"""Maximum number of times an output scale grows by ``_SCALE_STEP``. About 100 suffice; the maximum costs 1 % of precision."""


def avoid_ties(model: onnx.ModelProto) -> None:
    """Enlarge the output scales of a QDQ network's additions until no sum of two levels is close to halfway between two others.

    Biases of convolutions that read such an output are converted to the new unit. Float additions are unchanged. Raises
    ValueError if no scale within 1 % is good enough.
    """
    graph = _Graph(model)
    for add in [node for node in model.graph.node if node.op_type == "Add"]:  # in the order of computation
        sources = [graph.producers.get(name) for name in add.input]
        target = next((node for node in graph.consumers(add.output[0]) if node.op_type == "QuantizeLinear"), None)
        if target is None or any(source is None or source.op_type != "DequantizeLinear" for source in sources):
            continue
        inputs = [(graph.scale(source), graph.zero_point(source)) for source in sources]
        scale = graph.scale(target)
        better = _scale_without_ties(inputs, scale)
        if better != scale:
            graph.change_scale(target.input[1], scale, better)


def distance_to_tie(inputs: list[tuple[np.float32, int]], output_scale: np.float32) -> float:
    """Return the minimum distance to halfway between two output levels, over all sums of two uint8 levels.

    ``inputs``: scale and zero point of both. Sums beyond 256 levels are ignored, because they saturate.
    """
    parts = [np.float64(scale / output_scale) * (np.arange(256) - zero_point) for scale, zero_point in inputs]
    sums = np.add.outer(*parts)
    sums = sums[np.abs(sums) < 256]
    return float(np.abs(sums - np.floor(sums) - 0.5).min())


def _scale_without_ties(inputs: list[tuple[np.float32, int]], scale: np.float32) -> np.float32:
    for step in range(_MAX_STEPS + 1):
        candidate = np.float32(scale * (1 + step * _SCALE_STEP))
        if distance_to_tie(inputs, candidate) > _MIN_DISTANCE:
            return candidate
    raise ValueError(f"No output scale within 1 % above {scale} keeps all sums off halfway. Calibrate on other pictures.")


class _Graph:
    """A QDQ network's nodes by output name, and its mutable constants."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._nodes = model.graph.node
        self._tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self.producers: dict[str, Any] = {name: node for node in self._nodes for name in node.output}

    def consumers(self, name: str) -> list[Any]:
        return [node for node in self._nodes if name in node.input]

    def scale(self, node: Any) -> np.float32:
        """Return the scale of a per-tensor QuantizeLinear or DequantizeLinear node."""
        return np.float32(self._constant(node.input[1]).item())

    def zero_point(self, node: Any) -> int:
        return int(self._constant(node.input[2]).item())

    def change_scale(self, name: str, old: np.float32, new: np.float32) -> None:
        """Change a scale and rescale the biases, whose unit is this scale times the weights' scale."""
        self._replace(name, np.asarray(new))
        for convolution in [node for node in self._nodes if node.op_type == "Conv" and len(node.input) == 3]:
            source, weight, bias = (self.producers.get(each) for each in convolution.input)
            if source is not None and weight is not None and bias is not None and name in source.input:
                levels = np.rint(self._constant(bias.input[0]) * (float(old) / float(new)))
                self._replace(bias.input[0], levels.astype(np.int32))
                self._replace(bias.input[1], new * self._constant(weight.input[1]))

    def _constant(self, name: str) -> NDArray[Any]:
        return np.asarray(numpy_helper.to_array(self._tensors[name]))

    def _replace(self, name: str, value: NDArray[Any]) -> None:
        self._tensors[name].CopyFrom(numpy_helper.from_array(value, name))
