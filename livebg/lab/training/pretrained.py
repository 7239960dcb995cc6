"""Loads initial weights from u2netp (Qin et al. 2020, Apache-2.0) or from a network exported earlier.

u2netp's blocks map one to one to the blocks here. Its first convolution, which reads the picture, follows a stem that starts as
an average.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from livebg.lab.training.architecture import DESIGNS, RGB, WIDE, LivebgNet, Rsu
from livebg.lab.training.export import DESIGN, HALF

Array = NDArray[np.generic]
DEQUANTISED = "_DequantizeLinear_Output"
"""The suffix that onnxruntime's quantizer appends to a tensor's name."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""u2netp's input normalization, folded into its first convolution here."""


def _convolutions(model: onnx.ModelProto) -> list[tuple[str, Tensor, Tensor]]:
    """Returns the weight name, weights and bias of every convolution, in order of execution."""
    arrays = {tensor.name.removesuffix(HALF): numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Identity" and node.input[0] in arrays:  # the exporter merges equal tensors
            arrays[node.output[0]] = arrays[node.input[0]]
        if node.op_type == "DequantizeLinear" and node.input[0] in arrays:
            arrays[node.output[0]] = _dequantize(*(arrays[name] for name in node.input))
    nodes = [node for node in model.graph.node if node.op_type == "Conv"]
    return [(node.input[1], _tensor(arrays[node.input[1]]), _tensor(arrays[node.input[2]])) for node in nodes]


def _dequantize(whole: Array, scale: Array, zero: Array) -> Array:
    """Dequantize integers to floats. Scale and zero point are scalars or have one value per index of the first axis."""
    shape = (-1,) + (1,) * (whole.ndim - 1) if scale.size > 1 else ()
    return np.asarray(
        (whole.astype(np.float32) - zero.astype(np.float32).reshape(shape)) * scale.astype(np.float32).reshape(shape)
    )


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))


def from_exported(path: Path) -> tuple[str, LivebgNet]:
    """Returns the design's name and the network of a file exported here, to continue training from a shipped network.

    Raises ValueError if the file was not exported here.
    """
    model = onnx.load(str(path))
    design = next((entry.value for entry in model.metadata_props if entry.key == DESIGN), "")
    if design not in DESIGNS:
        raise ValueError(f"{path} has no design in its metadata. Choose a file written by the export command.")
    net = LivebgNet(DESIGNS[design])
    # The export omits the deep supervision, which starts from new weights.
    for name, weight, bias in _convolutions(model):
        _set_weights(net.get_submodule(name.removesuffix(DEQUANTISED).removesuffix(".weight")), weight, bias)
    return design, net


def from_u2netp(path: Path) -> LivebgNet:
    """Returns the wide network with u2netp's weights, from its published ONNX file.

    Raises ValueError if the file contains another network.
    """
    net = LivebgNet(WIDE)
    found = iter((weight, bias) for _, weight, bias in _convolutions(onnx.load(str(path))))
    blocks = [module for group in (net.down, net.up) for module in group if isinstance(module, Rsu)]
    down, up = blocks[: len(net.down)], blocks[len(net.down) :]
    skipped = 2 * len(list(down[-1].convolutions()))  # stage 6 and its counterpart in the decoder
    try:
        for block in down:
            _fill_block(block, found)
        for _ in range(skipped):
            next(found)
        for block in up:
            _fill_block(block, found)
        sides = [next(found) for _ in range(6)]
    except (StopIteration, RuntimeError) as error:
        raise ValueError(f"{path} is not u2netp: its convolutions differ. Choose the published u2netp.onnx.") from error
    for side, (weight, bias) in zip(net.sides, (sides[0], sides[1], sides[2], sides[3], sides[4]), strict=True):
        _set_weights(side, weight, bias)
    _initialize_stem(net)
    return net


def _set_weights(convolution: nn.Module, weight: Tensor, bias: Tensor) -> None:
    convolution.load_state_dict({"weight": weight, "bias": bias})


def _fill_block(block: Rsu, found: Iterable[tuple[Tensor, Tensor]]) -> None:
    source = iter(found)
    for convolution in block.convolutions():
        weight, bias = next(source)
        if weight.shape[1] == RGB and convolution.in_channels != RGB:  # the first one reads the stem instead of the picture
            scale = 1 / torch.tensor(DEVIATION)
            shift = -torch.tensor(MEAN) * scale
            bias = bias + torch.einsum("oihw,i->o", weight, shift)
            wide = torch.zeros_like(convolution.weight)
            wide[:, :RGB] = weight * scale[None, :, None, None]
            wide[:, RGB:] = convolution.weight.detach()[:, RGB:] * 0.1
            weight = wide
        _set_weights(convolution, weight, bias)


def _initialize_stem(net: LivebgNet) -> None:
    """Make the stem's first three channels pass red, green and blue on, smoothed, at a quarter of the size."""
    window = torch.tensor([1.0, 2.0, 1.0])
    smooth = torch.outer(window, window) / 16
    for layer in (net.fine[0], net.stem[0]):
        assert isinstance(layer, nn.Conv2d)
        with torch.no_grad():
            assert layer.bias is not None
            layer.weight[:RGB] = 0
            layer.bias[:RGB] = 0
            for channel in range(RGB):
                layer.weight[channel, channel] = smooth
