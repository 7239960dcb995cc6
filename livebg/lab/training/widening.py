"""Widens a network's blocks without changing its output."""

import torch
from torch import Tensor, nn

from livebg.lab.training.architecture import Design, LivebgNet, Rsu


def widen(net: LivebgNet, design: Design) -> LivebgNet:
    """Returns ``net`` in a design with more ``middle`` channels.

    New channels are randomly initialized with zero outgoing weights. Raises ValueError if the designs differ otherwise.
    """
    new = LivebgNet(design)
    with torch.no_grad():
        for old_part, new_part in zip(net.modules(), new.modules(), strict=True):
            if isinstance(old_part, Rsu) and isinstance(new_part, Rsu):
                _widen_block(old_part, new_part)
        for (name, old), (_, new_value) in zip(_outside(net), _outside(new), strict=True):
            if old.shape != new_value.shape:
                raise ValueError(
                    f"{name} has shape {tuple(old.shape)}, but the design needs {tuple(new_value.shape)}. "
                    "Only blocks can be widened."
                )
            new_value.copy_(old)
    return new


def _outside(net: LivebgNet) -> list[tuple[str, nn.Parameter]]:
    """Returns the parameters outside the blocks."""
    return [(name, parameter) for name, parameter in net.named_parameters() if name.split(".")[0] not in ("down", "up")]


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
