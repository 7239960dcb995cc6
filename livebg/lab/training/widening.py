"""A network in a design with more channels inside its blocks, which answers the same until it is trained further."""

import torch
from torch import Tensor, nn

from livebg.lab.training.architecture import Design, LivebgNet, Rsu


def widen(net: LivebgNet, design: Design) -> LivebgNet:
    """`net` in a design with more `middle` channels. The new ones are drawn anew, and nobody listens to them yet.

    Raises ValueError if the design differs in more than that.
    """
    new = LivebgNet(design)
    with torch.no_grad():
        for old_part, new_part in zip(net.modules(), new.modules(), strict=True):
            if isinstance(old_part, Rsu) and isinstance(new_part, Rsu):
                _grow(old_part, new_part)
        for (name, old), (_, wanted) in zip(_outside(net), _outside(new), strict=True):
            if old.shape != wanted.shape:
                raise ValueError(
                    f"{name} has the shape {tuple(old.shape)}, the new design's {tuple(wanted.shape)}: only blocks may grow"
                )
            wanted.copy_(old)
    return new


def _outside(net: LivebgNet) -> list[tuple[str, nn.Parameter]]:
    """The parameters that belong to no block."""
    return [(name, parameter) for name, parameter in net.named_parameters() if name.split(".")[0] not in ("down", "up")]


def _grow(old: Rsu, new: Rsu) -> None:
    joined = len(old.up)  # the last convolutions of a block take two sets of features, one after the other
    pairs = list(zip(old.convolutions(), new.convolutions(), strict=True))
    for place, (small, large) in enumerate(pairs):
        _widen(small, large, sets=2 if place >= len(pairs) - joined else 1)


def _widen(small: nn.Conv2d, large: nn.Conv2d, sets: int) -> None:
    outs, was, now = small.out_channels, small.in_channels // sets, large.in_channels // sets
    if outs > large.out_channels or was > now:
        raise ValueError(f"a convolution from {small.in_channels} to {outs} channels does not fit into a smaller one")
    kernel: Tensor = large.weight
    kernel[:outs] = 0
    for number in range(sets):
        kernel[:outs, number * now : number * now + was] = small.weight[:, number * was : (number + 1) * was]
    assert small.bias is not None
    assert large.bias is not None
    large.bias.zero_()
    large.bias[:outs] = small.bias
