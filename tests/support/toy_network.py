"""Tiny ONNX networks with the interface of a U²-Net, written at run time; their alpha can be calculated by hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from livebg.config.settings import Settings
from livebg.models import ModelCard

MEAN = np.array([0.485, 0.456, 0.406])
STD = np.array([0.229, 0.224, 0.225])
CARD = ModelCard("toy", "toy.onnx", "MIT", "a toy", pixels=64 * 64)
"""The default card of these networks."""


def settings_with(network: str) -> Settings:
    """The default settings with this network, a name or a path."""
    return Settings.model_validate({"model": {"name": network}})


@dataclass(frozen=True, slots=True)
class ToyNetwork:
    """``gain * activation(mean of the color channels) + offset``. ``channels`` beyond the 3 of RGB have no effect.

    ``size`` (width, height) is the export size, None for any. ``rigid`` networks have it in the graph, others only in the
    declaration of the input. ``shrink`` halves the output; ``lists_weights`` declares the weights as inputs, like old exporters;
    ``metadata`` is stored in the file. With the activation ``Sqrt`` the output for a dark picture is NaN.
    """

    channels: int = 3
    size: tuple[int, int] | None = None
    rigid: bool = False
    shrink: bool = False
    activation: str = "Sigmoid"
    gain: float = 1.0
    offset: float = 0.0
    batch: int | str = 1
    rank: int = 4
    inputs: int = 1
    dtype: int = TensorProto.FLOAT
    lists_weights: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        """Write the network to ``path``. Returns ``path``."""
        floats = [self._scalar("gain", self.gain), self._scalar("offset", self.offset)]
        weights = [*floats, self._integers("parts", [3, self.channels - 3] if self.channels > 3 else [3])]
        if self.rigid and self.size:
            weights.append(self._integers("shape", [1, 1, *self.size[::-1]]))
        names = ["picture", *(f"extra{number}" for number in range(1, self.inputs))]
        inputs = [helper.make_tensor_value_info(name, self.dtype, self._dimensions(self.channels)) for name in names]
        if self.lists_weights:
            listed = [helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims) for weight in weights]
            inputs = [*listed, *inputs]
        side = helper.make_tensor_value_info("side", TensorProto.FLOAT, self._dimensions(1))
        outputs = [helper.make_tensor_value_info("alpha", TensorProto.FLOAT, self._output()), side]
        graph = helper.make_graph(self._nodes(), "toy", inputs, outputs, weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, dict(self.metadata))
        onnx.save(model, str(path))
        return path

    def alpha(self, image: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Returns the network's output for an RGB picture with fixed scaling; activation Sigmoid only."""
        mean = ((image / 255 - MEAN) / STD).mean(axis=2)
        alpha: NDArray[np.float64] = self.gain / (1 + np.exp(-mean)) + self.offset
        return alpha

    def _dimensions(self, channels: int) -> list[int | str]:
        height, width = self.size[::-1] if self.size else ("height", "width")
        return [self.batch, channels, height, width][4 - self.rank :]

    def _output(self) -> list[int | str]:
        return ["batch", "one", "rows", "columns"] if self.shrink else self._dimensions(1)

    def _nodes(self) -> list[Any]:
        colors = ["colors", "rest"] if self.channels > 3 else ["colors"]
        nodes = [
            helper.make_node("Cast", ["picture"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Split", ["floats", "parts"], colors, axis=self.rank - 3),
            helper.make_node("ReduceMean", ["colors"], ["mean"], axes=[self.rank - 3], keepdims=1),
            helper.make_node(self.activation, ["mean"], ["side"]),
            helper.make_node("Mul", ["side", "gain"], ["scaled"]),
            helper.make_node("Add", ["scaled", "offset"], ["moved"]),
        ]
        if self.rigid:
            return [*nodes, helper.make_node("Reshape", ["moved", "shape"], ["alpha"])]
        if self.shrink:
            return [*nodes, helper.make_node("MaxPool", ["moved"], ["alpha"], kernel_shape=[2, 2], strides=[2, 2])]
        return [*nodes, helper.make_node("Identity", ["moved"], ["alpha"])]

    @staticmethod
    def _scalar(name: str, value: float) -> Any:
        return helper.make_tensor(name, TensorProto.FLOAT, [], [value])

    @staticmethod
    def _integers(name: str, values: list[int]) -> Any:
        return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)


WriteToy = Callable[[ToyNetwork], Path]
"""Writes a network to a file for one test."""
