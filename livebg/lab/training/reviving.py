"""Reinitializes dead channels, whose ReLU is 0 for every picture: no gradient would reach their weights."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from livebg.lab.training.architecture import ConvRelu, LivebgNet
from livebg.lab.training.losses import Batch

SCALE = 0.01
"""Scale of the new weights relative to a fresh network's. The weights that read dead channels are arbitrary; with 0.3 the loss
rose from 1.4 to 10. Muon's steps do not depend on the scale."""


def revive(net: LivebgNet, batches: Iterable[Batch]) -> int:
    """Reinitialize the incoming weights of dead channels in place. Returns the number of dead channels."""
    highest: dict[str, Tensor] = {}

    def keep(name: str) -> object:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
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
            _reinitialize(module, highest[name] <= 0)
    return sum(int((values <= 0).sum()) for values in highest.values())


def _reinitialize(layer: ConvRelu, dead: Tensor) -> None:
    convolution = layer[0]
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is not None
    fresh = torch.empty_like(convolution.weight)
    nn.init.kaiming_normal_(fresh, nonlinearity="relu")
    convolution.weight[dead] = SCALE * fresh[dead]
    convolution.bias[dead] = 0
