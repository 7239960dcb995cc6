"""Changes the channels of a network: adds new ones, reinitializes dead ones."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from livebg.lab.training.architecture import ConvRelu, Design, LivebgNet, Rsu
from livebg.lab.training.losses import Batch

SCALE = 0.01
"""Scale of the new weights relative to a fresh network's. The weights that read dead channels are arbitrary; with 0.3 the loss
rose from 1.4 to 10. Muon's steps do not depend on the scale."""


@torch.no_grad()
def widen(net: LivebgNet, design: Design) -> LivebgNet:
    """Returns ``net`` in a design with more ``middle`` channels.

    New channels are randomly initialized with zero outgoing weights. Raises ValueError if the designs differ otherwise.
    """
    new = LivebgNet(design)
    for old_part, new_part in zip(net.modules(), new.modules(), strict=True):
        if isinstance(old_part, Rsu) and isinstance(new_part, Rsu):
            _widen_block(old_part, new_part)
    for (name, old), new_value in zip(net.named_parameters(), new.parameters(), strict=True):
        if name.split(".")[0] in ("down", "up"):
            continue
        if old.shape != new_value.shape:
            raise ValueError(
                f"{name} has shape {tuple(old.shape)}, but the design needs {tuple(new_value.shape)}. Only blocks can be widened."
            )
        new_value.copy_(old)
    return new


def _widen_block(old: Rsu, new: Rsu) -> None:
    joined = len(old.up)  # the decoder convolutions of a block read two concatenated feature maps
    pairs = list(zip(old.convolutions(), new.convolutions(), strict=True))
    for place, (small, large) in enumerate(pairs):
        _widen_convolution(small, large, sets=2 if place >= len(pairs) - joined else 1)


def _widen_convolution(small: nn.Conv2d, large: nn.Conv2d, sets: int) -> None:
    outs, old_ins, new_ins = small.out_channels, small.in_channels // sets, large.in_channels // sets
    if outs > large.out_channels or old_ins > new_ins:
        raise ValueError(
            f"A convolution from {small.in_channels} to {outs} channels cannot become smaller. Choose a wider design."
        )
    kernel: Tensor = large.weight
    kernel[:outs] = 0
    for number in range(sets):
        kernel[:outs, number * new_ins : number * new_ins + old_ins] = small.weight[:, number * old_ins : (number + 1) * old_ins]
    assert small.bias is not None
    assert large.bias is not None
    large.bias.zero_()
    large.bias[:outs] = small.bias


@torch.no_grad()
def revive(net: LivebgNet, batches: Iterable[Batch]) -> int:
    """Reinitialize the incoming weights of dead channels in place. Returns the number of dead channels."""
    highest: dict[nn.Module, Tensor] = {}

    def keep(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        channels = output.amax((0, 2, 3))
        highest[layer] = torch.maximum(highest[layer], channels) if layer in highest else channels

    hooks = [layer.register_forward_hook(keep) for layer in net.modules() if isinstance(layer, ConvRelu)]
    for batch in batches:
        net(batch.picture)
    for hook in hooks:
        hook.remove()
    for layer, values in highest.items():
        convolution, dead = layer.get_submodule("0"), values <= 0
        assert isinstance(convolution, nn.Conv2d)
        assert convolution.bias is not None
        fresh = torch.empty_like(convolution.weight)
        nn.init.kaiming_normal_(fresh, nonlinearity="relu")
        convolution.weight[dead] = SCALE * fresh[dead]
        convolution.bias[dead] = 0
    return sum(int((values <= 0).sum()) for values in highest.values())
