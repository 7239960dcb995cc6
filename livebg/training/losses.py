"""What the network is told it did wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

SIDES = 0.4
"""Weight of the deep supervision, all levels together."""
GRADIENT = 1.0
OVERLAP = 0.5


@dataclass(frozen=True)
class Batch:
    """Float tensors 0..1: `picture` and `before` (n, 3, h, w), `alpha` and `prior` (n, 1, h, w).

    `own` (n) bool: where the prior is to be the network's own answer for `before` with this prior, which the trainer fills in.
    """

    before: Tensor
    picture: Tensor
    alpha: Tensor
    prior: Tensor
    own: Tensor

    def scaled(self, device: str = "cpu") -> "Batch":
        """From the loader's uint8 to 0..1, on the device where it is computed with."""
        pictures = (self.before, self.picture, self.alpha, self.prior)
        before, picture, alpha, prior = (tensor.to(device).float() / 255 for tensor in pictures)
        return Batch(before, picture, alpha, prior, self.own.to(device))

    def input(self) -> Tensor:
        """What the network takes: (n, 4, h, w)."""
        return torch.cat((self.picture, self.prior), 1)


def _slopes(alpha: Tensor) -> tuple[Tensor, Tensor]:
    return alpha[..., :, 1:] - alpha[..., :, :-1], alpha[..., 1:, :] - alpha[..., :-1, :]


def loss(answers: Sequence[Tensor], truth: Tensor) -> Tensor:
    """A scalar, from the logits at full size and those of every level, and the true alpha (n, 1, h, w).

    At full size: cross-entropy, absolute error, absolute error of the slopes (edges), and one minus the soft intersection over
    union of each picture with somebody in it. At each level: cross-entropy against the truth at its size.
    """
    full, *sides = answers
    alpha = torch.sigmoid(full)
    total = functional.binary_cross_entropy_with_logits(full, truth) + (alpha - truth).abs().mean()
    for mine, true in zip(_slopes(alpha), _slopes(truth), strict=True):
        total = total + GRADIENT * (mine - true).abs().mean()
    both, either = (alpha * truth).sum((1, 2, 3)), (alpha + truth - alpha * truth).sum((1, 2, 3))
    somebody = (truth.mean((1, 2, 3)) > 0.01).float()
    total = total + OVERLAP * (somebody * (1 - both / (either + 1))).mean()
    for side in sides:
        small = functional.adaptive_avg_pool2d(truth, (side.shape[2], side.shape[3]))
        total = total + SIDES / len(sides) * functional.binary_cross_entropy_with_logits(side, small)
    return total
