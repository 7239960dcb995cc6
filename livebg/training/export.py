"""To ONNX: one file that onnxruntime runs at any size in steps of 16; its weights can be read back."""

import logging
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from livebg.training.architecture import DESIGNS, RGB, LivebgNet

log = logging.getLogger(__name__)

OPSET = 17
SIZE = (256, 144)


def export(net: LivebgNet, design: str, path: Path, *, half: bool = True) -> None:
    """Writes the network: input `picture` (1, 4, height, width), RGB and prior alpha 0..1, output `alpha` (1, 1, height, width).

    With `half` the weights are stored as float16 and widened when the file is loaded: half the size, the same speed.
    """
    example = torch.zeros(1, RGB + 1, SIZE[1], SIZE[0])
    axes = {2: "height", 3: "width"}
    torch.onnx.export(
        net.eval(),
        (example,),
        str(path),
        input_names=["picture"],
        output_names=["alpha"],
        opset_version=OPSET,
        dynamo=False,
        dynamic_axes={"picture": axes, "alpha": axes},
    )
    model = onnx.load(str(path))
    if half:
        _store_as_half(model)
    helper.set_model_props(model, {"design": design, "input": "RGB and prior alpha, 0..1", "stride": "16"})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _store_as_half(model: onnx.ModelProto) -> None:
    """Every float tensor becomes float16 behind a Cast, which the session folds away at load."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        name = tensor.name
        narrow = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}.half")
        tensor.CopyFrom(narrow)
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def read_back(path: Path) -> tuple[str, LivebgNet]:
    """The design's name and the network of a file that `export` wrote, so that training can go on from what was shipped.

    Raises ValueError if it is another file.
    """
    model = onnx.load(str(path))
    design = next((entry.value for entry in model.metadata_props if entry.key == "design"), "")
    if design not in DESIGNS:
        raise ValueError(f"{path} was not written by this exporter: it names no design")
    net = LivebgNet(DESIGNS[design])
    wanted = net.state_dict()
    found = {
        tensor.name.removesuffix(".half"): torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32))
        for tensor in model.graph.initializer
    }
    unused = {name: tensor for name, tensor in wanted.items() if name.startswith("sides.")}  # they only taught, and stayed behind
    net.load_state_dict({**unused, **{name: found[name] for name in wanted if name in found}})
    return design, net
