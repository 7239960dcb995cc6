"""The network: U²-Net's nested blocks with deep supervision, small enough for video.

U²-Net (Qin et al. 2020, arXiv:2005.09007) stacks residual U-blocks (RSU), each a small U-Net, into a larger U with supervision at
every level. Its published small variant, u2netp, spends 90 % of its time at full resolution. Here the nested U runs at a quarter
of the picture's size, after a stem of two strided convolutions. A slim head upsamples the output to full size with the help of
the stem's first features, which preserve edges.

There is no batch normalization: the initial weights come from a network whose normalization is folded into its convolutions, and
a batch mixes empty and crowded rooms, so its statistics do not match those of single frames.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

RGB = 3
"""Channels of the input."""
HALVINGS = 2
"""How often a quarter of the picture's size, a multiple of 4, can be halved without remainder."""


@dataclass(frozen=True)
class Block:
    """An RSU's shape: ``height`` levels (dilated, not pooled, if ``dilated``), ``middle`` channels inside, ``out`` outside."""

    height: int
    middle: int
    out: int
    dilated: bool = False


@dataclass(frozen=True)
class Design:
    """The network's shape: channels of stem and head, blocks of the encoder, blocks of the decoder (from deep to shallow)."""

    stem: int
    down: tuple[Block, ...]
    up: tuple[Block, ...]


_DEEP_DOWN = (Block(7, 32, 32), Block(6, 32, 32), Block(5, 32, 48), Block(4, 32, 48), Block(4, 32, 48, dilated=True))
DEEP = Design(16, _DEEP_DOWN, _DEEP_DOWN[-2::-1])
"""The bundled network's: few channels outside the blocks at high resolution, and the same number inside all blocks."""
TINY = Design(8, (Block(4, 4, 8), Block(3, 4, 8, dilated=True)), (Block(4, 4, 8),))
"""For tests: trains in seconds."""
DESIGNS = {"deep": DEEP, "tiny": TINY}


class ConvRelu(nn.Sequential):
    """A 3x3 convolution with a ReLU."""

    def __init__(self, channels: int, out: int, *, dilation: int = 1, stride: int = 1) -> None:
        convolution = nn.Conv2d(channels, out, 3, padding=dilation, dilation=dilation, stride=stride)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        nn.init.zeros_(cast(Tensor, convolution.bias))
        super().__init__(convolution, nn.ReLU(inplace=True))


_bilinear = partial(functional.interpolate, mode="bilinear", align_corners=False)


class _ResizeLike(torch.autograd.Function):
    """Exports a resize to another tensor's height and width as four nodes; :func:`functional.interpolate` exports eleven.

    The network then takes 4 % less CPU time at sizes that are not fixed, 2 % less at a fixed one, and opens faster.
    """

    @staticmethod
    def forward(_: object, small: Tensor, large: Tensor) -> Tensor:
        return _bilinear(small, size=large.shape[2:])

    @staticmethod
    def symbolic(graph: Any, small: Any, large: Any) -> Any:
        """Return the node for the ONNX file."""
        size = graph.op("Concat", graph.op("Shape", small, end_i=2), graph.op("Shape", large, start_i=2), axis_i=0)
        none = graph.op("Constant", value_t=torch.empty(0))
        return graph.op("Resize", small, none, none, size, mode_s="linear", coordinate_transformation_mode_s="half_pixel")


def _resize_like(small: Tensor, large: Tensor, *, exact: bool) -> Tensor:
    """Resize ``small`` (bilinear, half-pixel centers) to the height and width of ``large``.

    Set ``exact`` if ``large`` is exactly twice as large: the result is the same, but onnxruntime keeps its fast layout.
    """
    if exact:
        return _bilinear(small, scale_factor=2.0)
    if torch.onnx.is_in_onnx_export():
        return cast(Tensor, _ResizeLike.apply(small, large))  # type: ignore[no-untyped-call]
    return _bilinear(small, size=large.shape[2:])


def _halve(features: Tensor) -> Tensor:
    return functional.max_pool2d(features, 2, stride=2, ceil_mode=True)


class Rsu(nn.Module):
    """A residual U-block: (n, channels, h, w) -> (n, block.out, h, w). ``h`` and ``w`` can be halved ``halvings`` times."""

    def __init__(self, channels: int, block: Block, halvings: int) -> None:
        super().__init__()
        self.halvings = halvings
        self.dilated = block.dilated
        self.skipped = False
        """Whether to return the entered features only, because the inner U adds 0 to them."""
        middle, height = block.middle, block.height
        dilations = [2**level if block.dilated else 1 for level in range(height - 1)]
        bottom = 2 ** (height - 1) if block.dilated else 2
        self.enter = ConvRelu(channels, block.out)
        self.down = nn.ModuleList(
            ConvRelu(block.out if level == 0 else middle, middle, dilation=dilation) for level, dilation in enumerate(dilations)
        )
        self.bottom = ConvRelu(middle, middle, dilation=bottom)
        self.up = nn.ModuleList(
            ConvRelu(2 * middle, block.out if level == 0 else middle, dilation=dilations[level])
            for level in reversed(range(height - 1))
        )

    def forward(self, features: Tensor) -> Tensor:
        entered = self.enter(features)
        if self.skipped:
            return cast(Tensor, entered)
        levels = []
        current = entered
        for level, convolve in enumerate(self.down):
            current = convolve(_halve(current) if level and not self.dilated else current)
            levels.append(current)
        current = self.bottom(current)
        for step, (convolve, beside) in enumerate(zip(self.up, reversed(levels), strict=True)):
            if step and not self.dilated:
                current = _resize_like(current, beside, exact=len(levels) - 1 - step < self.halvings)
            current = convolve(torch.cat((current, beside), 1))
        return cast(Tensor, current + entered)


class Head(nn.Module):
    """Upsamples to full size: features at 1/4 and 1/2 of the picture's size -> logits at its size."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(coarse, fine, 1)
        self.merge = ConvRelu(fine, fine)
        self.refine = nn.Conv2d(fine, fine, 3, padding=1)
        nn.init.zeros_(self.refine.weight)  # starts without effect
        nn.init.zeros_(cast(Tensor, self.refine.bias))
        self.shuffle = nn.Conv2d(fine, 4, 1)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        merged = self.merge(_resize_like(self.narrow(coarse), fine, exact=True) + fine)
        refined = functional.relu(merged + self.refine(merged))
        return functional.pixel_shuffle(self.shuffle(refined), 2)


class LivebgNet(nn.Module):
    """RGB (n, 3, h, w), float 0..1, h and w multiples of 16 -> alpha (n, 1, h, w), float 0..1."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design
        self.fine = ConvRelu(RGB, design.stem, stride=2)
        self.stem = ConvRelu(design.stem, design.stem, stride=2)
        widths = [design.stem, *(block.out for block in design.down)]
        self.down = nn.ModuleList(
            Rsu(width, block, HALVINGS - level) for level, (width, block) in enumerate(zip(widths, design.down, strict=False))
        )
        blocks, beside = [], design.down[-1].out
        for level, (block, across) in enumerate(zip(design.up, reversed(design.down[:-1]), strict=True), start=1):
            blocks.append(Rsu(beside + across.out, block, HALVINGS - len(design.up) + level))
            beside = block.out
        self.up = nn.ModuleList(blocks)
        levels = (*(block.out for block in reversed(design.up)), design.down[-1].out)
        self.sides = nn.ModuleList(nn.Conv2d(out, 1, 3, padding=1) for out in levels)
        self.head = Head(levels[0], design.stem)

    def levels(self, picture: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the stem's features at 1/2 of the picture's size and the features of every level of the U, from 1/4 down."""
        fine = self.fine(picture)
        current = self.stem(fine)
        passed: list[Tensor] = []
        for level, block in enumerate(self.down):
            current = block(_halve(current) if level else current)
            passed.append(current)
        levels = [passed.pop()]
        for block in self.up:
            beside = passed.pop()
            levels.insert(0, block(torch.cat((_resize_like(levels[0], beside, exact=len(passed) < HALVINGS), beside), 1)))
        return fine, levels

    def answers(self, picture: Tensor) -> list[Tensor]:
        """Return the logits for training: at full size (n, 1, h, w), then of each level at its size (deep supervision)."""
        fine, levels = self.levels(picture)
        return [self.head(levels[0], fine), *(side(features) for side, features in zip(self.sides, levels, strict=True))]

    def forward(self, picture: Tensor) -> Tensor:
        fine, levels = self.levels(picture)
        return torch.sigmoid(self.head(levels[0], fine))


@torch.no_grad()
def skip_dead_blocks(net: LivebgNet, pictures: Iterable[Tensor]) -> int:
    """Skip the blocks whose last layer is 0 on all ``pictures`` (each (n, 3, h, w), 0..1), in place. Returns their number.

    No gradient reaches such a block, so it stays dead.
    """
    blocks = [block for block in net.modules() if isinstance(block, Rsu)]
    alive: set[nn.Module] = set()

    def watch(layer: nn.Module, _given: object, output: Tensor) -> None:
        if output.any():
            alive.add(layer)

    handles = [block.up[-1].register_forward_hook(watch) for block in blocks]
    for picture in pictures:
        net(picture)
    for handle in handles:
        handle.remove()
    for block in blocks:
        block.skipped = block.up[-1] not in alive
    return sum(block.skipped for block in blocks)
