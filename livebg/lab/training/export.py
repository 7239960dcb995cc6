"""Exports to ONNX for any input size in steps of 16. ``pretrained`` can read the weights back."""

import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from livebg.lab.training.architecture import RGB, LivebgNet
from livebg.lab.training.losses import Batch
from livebg.lab.training.quantization import quantised

OPSET = 17
HALF = ".half"
"""Name suffix of tensors that are stored as float16."""
DESIGN = "design"
"""Metadata key of the design's name."""
SIZE = (256, 144)


def export(net: LivebgNet, design: str, path: Path, calibration: Iterable[Batch] | None = None) -> None:
    """Write the network: input ``picture`` (1, 3, height, width), RGB 0..1, output ``alpha`` (1, 1, height, width).

    With ``calibration`` batches (0..1) it is quantized to 8 bits. Without, it computes in float32 with weights stored as float16
    and converted at load time: half the file size at the same speed.
    """
    example = torch.zeros(1, RGB, SIZE[1], SIZE[0])
    axes = {2: "height", 3: "width"}
    net.eval()
    with warnings.catch_warnings():  # the newer exporter needs two more packages without a benefit here
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            net,
            (example,),
            str(path),
            input_names=["picture"],
            output_names=["alpha"],
            opset_version=OPSET,
            dynamo=False,
            dynamic_axes={"picture": axes, "alpha": axes},
        )
    if calibration is not None:
        quantised(path, calibration)
    model = onnx.load(str(path))
    if calibration is None:
        _store_as_half(model)
    helper.set_model_props(model, {DESIGN: design, "input": "RGB, 0..1", "stride": "16"})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _store_as_half(model: onnx.ModelProto) -> None:
    """Store every float tensor as float16 with a Cast, which the session folds at load time."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        name = tensor.name
        narrow = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}{HALF}")
        tensor.CopyFrom(narrow)
        casts.append(helper.make_node("Cast", [f"{name}{HALF}"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
