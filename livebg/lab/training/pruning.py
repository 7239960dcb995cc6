"""Prunes the least important channels."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from livebg.lab.training.architecture import Design, LivebgNet, Rsu
from livebg.lab.training.losses import Batch, loss


def importance(net: LivebgNet, batches: Iterable[Batch]) -> dict[str, Tensor]:
    """Returns a first-order estimate of the change in loss without each channel of each block.

    Molchanov et al. 2017, arXiv:1611.06440. Keys are block names ("down.0"), values have shape (channels,).
    """
    blocks = {name: module for name, module in net.named_modules() if isinstance(module, Rsu)}
    totals = {name: torch.zeros(1) for name in blocks}
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> object:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            output.retain_grad()
            outputs[name] = output

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in blocks.items()]  # type: ignore[arg-type]
    for batch in batches:
        net.zero_grad()
        loss(net.answers(batch.picture), batch.alpha).backward()  # type: ignore[no-untyped-call]
        for name, output in outputs.items():
            assert output.grad is not None
            totals[name] = totals[name] + (output.detach() * output.grad).sum((2, 3)).square().mean(0)
    for hook in hooks:
        hook.remove()
    return totals


def prune(net: LivebgNet, design: Design, weights: Mapping[str, Tensor]) -> LivebgNet:
    """Returns the network in a narrower design of the same blocks, with the most important channels."""
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
    take("head.refine", None, None)
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
