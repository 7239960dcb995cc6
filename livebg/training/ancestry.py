"""The network's first weights: u2netp's (Qin et al. 2020, Apache-2.0), and fewer of them.

u2netp's blocks fit the blocks here one by one; its first convolution, which saw the picture, moves behind a stem that begins by
averaging. A short training later, the channels that matter least are dropped.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from livebg.training.architecture import RGB, WIDE, Design, LivebgNet, Rsu
from livebg.training.losses import Batch, loss

STAGES_DOWN = (16, 14, 12, 10, 8)
"""Convolutions in u2netp's stages 1 to 5, counted below from the blocks; stage 6 and its partner are left out."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""What u2netp's pictures are normalised with; folded into its first convolution here."""


def _convolutions(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of every convolution of an ONNX file, in the order in which a picture meets them."""
    graph = onnx.load(str(path)).graph
    tensors = {initializer.name: torch.from_numpy(numpy_helper.to_array(initializer).copy()) for initializer in graph.initializer}
    return [(tensors[node.input[1]], tensors[node.input[2]]) for node in graph.node if node.op_type == "Conv"]


def from_u2netp(path: Path) -> LivebgNet:
    """The wide network with u2netp's weights in it, from its published ONNX file.

    Raises ValueError if the file is another network's.
    """
    net = LivebgNet(WIDE)
    found = iter(_convolutions(path))
    blocks = [module for group in (net.down, net.up) for module in group if isinstance(module, Rsu)]
    down, up = blocks[: len(net.down)], blocks[len(net.down) :]
    skipped = 2 * len(list(down[-1].convolutions()))  # stage 6 and its partner on the way up
    try:
        for block in down:
            _fill(block, found)
        for _ in range(skipped):
            next(found)
        for block in up:
            _fill(block, found)
        sides = [next(found) for _ in range(6)]
    except (StopIteration, RuntimeError) as error:
        raise ValueError(f"{path} is not u2netp: its convolutions are not the expected ones") from error
    for side, (weight, bias) in zip(net.sides, (sides[0], sides[1], sides[2], sides[3], sides[4]), strict=True):
        _set(side, weight, bias)
    _begin_by_averaging(net)
    return net


def _set(convolution: nn.Module, weight: Tensor, bias: Tensor) -> None:
    convolution.load_state_dict({"weight": weight, "bias": bias})


def _fill(block: Rsu, found: Iterable[tuple[Tensor, Tensor]]) -> None:
    source = iter(found)
    for convolution in block.convolutions():
        weight, bias = next(source)
        if weight.shape[1] == RGB and convolution.in_channels != RGB:  # the first one: it saw the picture, now it sees the stem
            scale = 1 / torch.tensor(DEVIATION)
            shift = -torch.tensor(MEAN) * scale
            bias = bias + torch.einsum("oihw,i->o", weight, shift)
            wide = torch.zeros_like(convolution.weight)
            wide[:, :RGB] = weight * scale[None, :, None, None]
            wide[:, RGB:] = convolution.weight.detach()[:, RGB:] * 0.1
            weight = wide
        _set(convolution, weight, bias)


def _begin_by_averaging(net: LivebgNet) -> None:
    """Lets the stem's first three channels carry red, green and blue on, smoothed, at a quarter of the size; the rest is new."""
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


def importance(net: LivebgNet, batches: Iterable[Batch]) -> dict[str, Tensor]:
    """How much the loss would change without each channel of each block, to first order.

    Molchanov et al. 2017, arXiv:1611.06440.
    The keys are the blocks' names ("down.0"), the values (channels,).
    """
    blocks = {name: module for name, module in net.named_modules() if isinstance(module, Rsu)}
    totals = {name: torch.zeros(1) for name in blocks}
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> object:
        def hook(_module: nn.Module, _given: object, output: Tensor) -> None:
            output.retain_grad()
            seen[name] = output

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in blocks.items()]  # type: ignore[arg-type]
    for batch in batches:
        net.zero_grad()
        loss(net.answers(batch.input()), batch.alpha).backward()  # type: ignore[no-untyped-call]
        for name, output in seen.items():
            assert output.grad is not None
            totals[name] = totals[name] + (output.detach() * output.grad).sum((2, 3)).square().mean(0)
    for hook in hooks:
        hook.remove()
    return totals


def pruned(net: LivebgNet, design: Design, weights: Mapping[str, Tensor]) -> LivebgNet:
    """The network in a narrower design of the same blocks, the channels of most importance kept."""
    slim = LivebgNet(design)
    kept = {}
    for group, blocks in (("down", design.down), ("up", design.up)):
        for index, block in enumerate(blocks):
            name = f"{group}.{index}"
            kept[name] = torch.sort(torch.argsort(weights[name], descending=True)[: block.out]).values
    stem = torch.arange(design.stem)
    source, target = net.state_dict(), slim.state_dict()

    def take(name: str, out: Tensor | None, into: Tensor | None) -> None:
        weight, bias = source[f"{name}.weight"], source[f"{name}.bias"]
        if out is not None:
            weight, bias = weight[out], bias[out]
        target[f"{name}.weight"], target[f"{name}.bias"] = (weight if into is None else weight[:, into]), bias

    take("fine.0", None, None)
    take("stem.0", None, None)
    last = len(design.down) - 1
    for index in range(len(design.down)):
        _take_block(take, slim, f"down.{index}", kept[f"down.{index}"], stem if index == 0 else kept[f"down.{index - 1}"])
    deeper, wide = kept[f"down.{last}"], net.design.down[-1].out
    for index in range(len(design.up)):
        beside = kept[f"down.{last - 1 - index}"]
        _take_block(take, slim, f"up.{index}", kept[f"up.{index}"], torch.cat((deeper, beside + wide)))
        deeper, wide = kept[f"up.{index}"], net.design.up[index].out
    for index in range(len(net.sides)):
        name = f"down.{last}" if index == last else f"up.{last - 1 - index}"
        take(f"sides.{index}", None, kept[name])
    take("head.narrow", None, kept[f"up.{last - 1}"])
    take("head.merge.0", None, None)
    take("head.shuffle", None, None)
    slim.load_state_dict(target)
    return slim


def _take_block(take: object, slim: LivebgNet, name: str, out: Tensor, into: Tensor) -> None:
    assert callable(take)
    block = slim.get_submodule(name)
    assert isinstance(block, Rsu)
    take(f"{name}.enter.0", out, into)
    for level in range(len(block.down)):
        take(f"{name}.down.{level}.0", None, out if level == 0 else None)
    take(f"{name}.bottom.0", None, None)
    for level in range(len(block.up)):
        take(f"{name}.up.{level}.0", out if level == len(block.up) - 1 else None, None)
