"""Channels whose ReLU is 0 for every picture get new weights: no gradient would ever reach the old ones."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from livebg.lab.training.architecture import ConvRelu, LivebgNet
from livebg.lab.training.losses import Batch

SCALE = 0.01
"""Of the new weights, as a share of a fresh network's: what listens to dead channels has arbitrary weights, and with 0.3 the loss
rose from 1.4 to 10. Muon's steps do not depend on the scale."""


def revive(net: LivebgNet, batches: Iterable[Batch]) -> int:
    """Draws the incoming weights of dead channels again, in place; returns how many channels were dead."""
    highest: dict[str, Tensor] = {}

    def keep(name: str) -> object:
        def hook(_module: nn.Module, _given: object, output: Tensor) -> None:
            channels = output.detach().amax((0, 2, 3))
            highest[name] = torch.maximum(highest[name], channels) if name in highest else channels

        return hook

    layers = {name: module for name, module in net.named_modules() if isinstance(module, ConvRelu)}
    hooks = [module.register_forward_hook(keep(name)) for name, module in layers.items()]  # type: ignore[arg-type]
    with torch.no_grad():
        for batch in batches:
            net(batch.picture)
        for hook in hooks:
            hook.remove()
        for name, module in layers.items():
            _draw_again(module, highest[name] <= 0)
    return sum(int((values <= 0).sum()) for values in highest.values())


def _draw_again(layer: ConvRelu, dead: Tensor) -> None:
    convolution = layer[0]
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is not None
    fresh = torch.empty_like(convolution.weight)
    nn.init.kaiming_normal_(fresh, nonlinearity="relu")
    convolution.weight[dead] = SCALE * fresh[dead]
    convolution.bias[dead] = 0
