"""Exports to ONNX for any input size in steps of 16, in float32 or quantized to 8 bits, and reads an exported network back."""

import warnings
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from livebg.lab.training.architecture import DESIGNS, RGB, LivebgNet, Rsu, skip_dead_blocks
from livebg.lab.training.losses import Batch
from livebg.lab.training.rounding import avoid_ties
from livebg.segmentation.ort import quantization

Array = NDArray[np.generic]
OPSET = 17
HALF = ".half"
"""Name suffix of tensors that are stored as float16."""
DESIGN = "design"
"""Metadata key of the design's name."""
SIZE = (256, 144)
"""Size of the example picture; every size can be used later."""
DEQUANTIZED = "_DequantizeLinear_Output"
"""The suffix that onnxruntime's quantizer appends to a tensor's name."""
KEPT = ("Sigmoid", "DepthToSpace", "shuffle")
"""Nodes that stay in float, by a part of their names: the last steps, which produce fine gradations of alpha."""


def export(net: LivebgNet, design: str, path: Path, calibration: Iterable[Batch] | None = None) -> None:
    """Write the network: input ``picture`` (1, 3, height, width), RGB 0..1, output ``alpha`` (1, 1, height, width).

    With ``calibration`` batches (0..1) it is quantized to 8 bits, and blocks that add 0 on all of them are omitted. Without, it
    computes in float32 with weights stored as float16 and converted at load time: half the file size at the same speed.
    """
    batches = None if calibration is None else list(calibration)
    if batches is not None:
        net = deepcopy(net)
        skip_dead_blocks(net, (batch.picture for batch in batches))
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
    if batches is not None:
        _quantize(path, batches)
    model = onnx.load(str(path))
    if batches is None:
        _store_as_half(model)
    else:
        avoid_ties(model)
    model.graph.ClearField("value_info")  # intermediate shapes, which onnxruntime infers itself
    helper.set_model_props(model, {DESIGN: design, "input": "RGB, 0..1", "stride": "16"})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _quantize(path: Path, batches: Iterable[Batch]) -> None:
    """Rewrite the network at ``path`` with 8-bit weights and activations, calibrated on ``batches`` (0..1).

    Its alpha is the same on every x86-64 CPU after :func:`avoid_ties`. This halves the CPU time on recent processors and changes
    alpha by a few thousandths. Weights use 7 of the 8 bits, because CPUs without VNNI instructions add two products in 16 bits,
    which would overflow.
    """
    feeds = ({"picture": picture[None]} for batch in batches for picture in batch.picture.numpy())
    library, preparation = quantization("quantization"), quantization("quantization.shape_inference")

    class Pictures(library.CalibrationDataReader):  # type: ignore[misc, name-defined]
        """Feeds pictures to onnxruntime one by one."""

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            return next(feeds, None)

    with TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        preparation.quant_pre_process(str(path), str(plain), skip_symbolic_shape=True)
        names = [node.name for node in onnx.load(str(plain)).graph.node]
        library.quantize_static(
            str(plain),
            str(path),
            Pictures(),
            quant_format=library.QuantFormat.QDQ,
            activation_type=library.QuantType.QUInt8,
            weight_type=library.QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            nodes_to_exclude=[name for name in names if any(kept in name for kept in KEPT)],
        )


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


def from_exported(path: Path) -> tuple[str, LivebgNet]:
    """Return the design's name and the network of a file exported here, to continue training from a shipped network.

    Raises ValueError if the file was not exported here.
    """
    model = onnx.load(str(path))
    design = next((entry.value for entry in model.metadata_props if entry.key == DESIGN), "")
    if design not in DESIGNS:
        raise ValueError(f"{path} has no known design in its metadata. Choose a file written by the export command.")
    net, constants = LivebgNet(DESIGNS[design]), _constants(model)
    # The export omits the deep supervision, which starts from new weights.
    found = set()
    for node in model.graph.node:
        if node.op_type == "Conv":
            name = node.input[1].removesuffix(DEQUANTIZED).removesuffix(".weight")
            weight, bias = (torch.from_numpy(constants[each].astype(np.float32)) for each in node.input[1:])
            net.get_submodule(name).load_state_dict({"weight": weight, "bias": bias})
            found.add(name)
    for name, block in net.named_modules():
        if isinstance(block, Rsu) and f"{name}.bottom.0" not in found:  # it was omitted, as it adds 0
            for parameter in block.up[-1].parameters():
                nn.init.zeros_(parameter)
    return design, net


def _constants(model: onnx.ModelProto) -> dict[str, Array]:
    """Return the constant tensors by name, dequantized."""
    arrays = {tensor.name.removesuffix(HALF): numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Identity" and node.input[0] in arrays:  # the exporter merges equal tensors
            arrays[node.output[0]] = arrays[node.input[0]]
        if node.op_type == "DequantizeLinear" and node.input[0] in arrays:
            arrays[node.output[0]] = _dequantize(*(arrays[name] for name in node.input))
    return arrays


def _dequantize(whole: Array, scale: Array, zero: Array) -> Array:
    """Dequantize integers to floats. Scale and zero point are scalars or have one value per index of the first axis."""
    shape = (-1,) + (1,) * (whole.ndim - 1) if scale.size > 1 else ()
    return np.asarray(
        (whole.astype(np.float32) - zero.astype(np.float32).reshape(shape)) * scale.astype(np.float32).reshape(shape)
    )
