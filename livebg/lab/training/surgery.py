"""Changes the channels of a network: prunes the least important ones, adds new ones, reinitializes dead ones."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from livebg.lab.training.architecture import ConvRelu, Design, LivebgNet, Rsu
from livebg.lab.training.losses import Batch, loss

SCALE = 0.01
"""Scale of the new weights relative to a fresh network's. The weights that read dead channels are arbitrary; with 0.3 the loss
rose from 1.4 to 10. Muon's steps do not depend on the scale."""


def importance(net: LivebgNet, batches: Iterable[Batch]) -> dict[str, Tensor]:
    """Returns a first-order estimate of the change in loss without each channel of each block.

    Molchanov et al. 2017, arXiv:1611.06440. Keys are block names ("down.0"), values have shape (channels,).
    """
    outputs: dict[str, Tensor] = {}
    totals: dict[str, Tensor] = {}

    def keep(name: str, output: Tensor) -> None:
        output.retain_grad()
        outputs[name] = output

    with _outputs(net, Rsu, keep):
        for batch in batches:
            net.zero_grad()
            loss(net.answers(batch.picture), batch.alpha).backward()  # type: ignore[no-untyped-call]
            for name, output in outputs.items():
                assert output.grad is not None
                effect = (output.detach() * output.grad).sum((2, 3)).square().mean(0)
                totals[name] = totals.get(name, torch.zeros(1)) + effect
    return totals


@contextmanager
def _outputs(net: nn.Module, kind: type[nn.Module], receive: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Pass the output of every module of a kind to ``receive`` with the module's name, whenever the network runs."""
    modules = {name: module for name, module in net.named_modules() if isinstance(module, kind)}
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: receive(name, output))
        for name, module in modules.items()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def prune(net: LivebgNet, design: Design, weights: Mapping[str, Tensor]) -> LivebgNet:
    """Returns the network in a narrower design of the same blocks, with the most important channels."""
    blocks = {f"down.{index}": block for index, block in enumerate(design.down)}
    blocks |= {f"up.{index}": block for index, block in enumerate(design.up)}
    kept = {name: torch.sort(torch.argsort(weights[name], descending=True)[: block.out]).values for name, block in blocks.items()}
    every, last = slice(None), len(design.down) - 1
    inputs: dict[str, Tensor | slice] = {"down.0": every}
    inputs |= {f"down.{index + 1}": kept[f"down.{index}"] for index in range(last)}
    chosen: dict[str, tuple[Tensor | slice, Tensor | slice]] = {f"sides.{last}": (every, kept[f"down.{last}"])}
    deeper, wide = kept[f"down.{last}"], net.design.down[-1].out
    for index, block in enumerate(net.design.up):  # a block reads the deeper features, then those beside it
        inputs[f"up.{index}"] = torch.cat((deeper, kept[f"down.{last - 1 - index}"] + wide))
        deeper, wide = kept[f"up.{index}"], block.out
        chosen[f"sides.{last - 1 - index}"] = every, deeper
    chosen["head.narrow"] = every, deeper
    for name, channels in inputs.items():
        chosen[f"{name}.enter.0"] = kept[name], channels
        chosen[f"{name}.down.0.0"] = every, kept[name]
        chosen[f"{name}.up.{blocks[name].height - 2}.0"] = kept[name], every
    state = net.state_dict()
    for name, (out, into) in chosen.items():
        state[f"{name}.weight"] = state[f"{name}.weight"][out][:, into]
        state[f"{name}.bias"] = state[f"{name}.bias"][out]
    slim = LivebgNet(design)
    slim.load_state_dict(state)
    return slim


def widen(net: LivebgNet, design: Design) -> LivebgNet:
    """Returns ``net`` in a design with more ``middle`` channels.

    New channels are randomly initialized with zero outgoing weights. Raises ValueError if the designs differ otherwise.
    """
    new = LivebgNet(design)
    with torch.no_grad():
        for old_part, new_part in zip(net.modules(), new.modules(), strict=True):
            if isinstance(old_part, Rsu) and isinstance(new_part, Rsu):
                _widen_block(old_part, new_part)
        for (name, old), new_value in zip(net.named_parameters(), new.parameters(), strict=True):
            if name.split(".")[0] in ("down", "up"):
                continue
            if old.shape != new_value.shape:
                raise ValueError(
                    f"{name} has shape {tuple(old.shape)}, but the design needs {tuple(new_value.shape)}. "
                    "Only blocks can be widened."
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


def revive(net: LivebgNet, batches: Iterable[Batch]) -> int:
    """Reinitialize the incoming weights of dead channels in place. Returns the number of dead channels."""
    highest: dict[str, Tensor] = {}

    def keep(name: str, output: Tensor) -> None:
        channels = output.detach().amax((0, 2, 3))
        highest[name] = torch.maximum(highest[name], channels) if name in highest else channels

    with torch.no_grad():
        with _outputs(net, ConvRelu, keep):
            for batch in batches:
                net(batch.picture)
        for name, values in highest.items():
            convolution, dead = net.get_submodule(f"{name}.0"), values <= 0
            assert isinstance(convolution, nn.Conv2d)
            assert convolution.bias is not None
            fresh = torch.empty_like(convolution.weight)
            nn.init.kaiming_normal_(fresh, nonlinearity="relu")
            convolution.weight[dead] = SCALE * fresh[dead]
            convolution.bias[dead] = 0
    return sum(int((values <= 0).sum()) for values in highest.values())
