"""The training loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

SIDES: Final = 0.4
"""Weight of the deep supervision, all levels together."""
OVERLAP: Final = 1.0
EDGE: Final = 1.0

_BAND: Final = 7
"""Pixels across the edge that belong to its band, and more where alpha is partial."""
_LABEL_NOISE: Final = 0.5
"""How far the labels in the band are trusted less: nobody draws an edge to the pixel."""
_EMPTY_SHARE: Final = 0.004
"""Share of the frame that is added to intersection and union: where nobody is, a patch as large costs half as much as a whole
person who is missed."""


@dataclass(frozen=True)
class Batch:
    """`picture` (n, 3, h, w) and `alpha` (n, 1, h, w): uint8 from the loader, float 0..1 once `scaled`."""

    picture: Tensor
    alpha: Tensor

    def scaled(self, device: str = "cpu") -> "Batch":
        """From uint8 to 0..1, on the device where it is computed with."""
        return Batch(*(tensor.to(device).float() / 255 for tensor in (self.picture, self.alpha)))


def loss(answers: Sequence[Tensor], truth: Tensor) -> Tensor:
    """A scalar, from the logits at full size and those of every level, and the true alpha (n, 1, h, w).

    At full size: cross-entropy and absolute error per pixel; one minus the soft intersection over union, which counts a missed
    person, or a patch of a room without people, per picture, however small; and in the band around the edge, per picture as
    well, the absolute error of alpha and of its slopes. Labels near the edge are smoothed. At each level: cross-entropy against
    the truth at its size.
    """
    full, *sides = answers
    alpha = torch.sigmoid(full)
    band = edge_band(truth)
    smoothed = torch.lerp(truth, _blurred(truth), _LABEL_NOISE * band)
    total = functional.binary_cross_entropy_with_logits(full, smoothed) + (alpha - truth).abs().mean()
    total = total + OVERLAP * (1 - overlap(alpha, truth)).mean() + EDGE * _edge_error(alpha, truth, band).mean()
    for side in sides:
        small = functional.adaptive_avg_pool2d(truth, (side.shape[2], side.shape[3]))
        total = total + SIDES / len(sides) * functional.binary_cross_entropy_with_logits(side, small)
    return total


def overlap(alpha: Tensor, truth: Tensor) -> Tensor:
    """The soft intersection over union of each picture (n), with a small share of the frame added to both."""
    both, either = (alpha * truth).mean((1, 2, 3)), (alpha + truth - alpha * truth).mean((1, 2, 3))
    return (both + _EMPTY_SHARE) / (either + _EMPTY_SHARE)


def edge_band(truth: Tensor) -> Tensor:
    """1 around the edges of `truth` (n, 1, h, w), 0 elsewhere."""
    return (_dilated(truth) + _dilated(-truth) > 0.1).float()


def _dilated(values: Tensor) -> Tensor:
    rows = functional.max_pool2d(values, (_BAND, 1), stride=1, padding=(_BAND // 2, 0))
    return functional.max_pool2d(rows, (1, _BAND), stride=1, padding=(0, _BAND // 2))


def _blurred(truth: Tensor) -> Tensor:
    return functional.avg_pool2d(truth, 3, stride=1, padding=1, count_include_pad=False)


def _edge_error(alpha: Tensor, truth: Tensor, band: Tensor) -> Tensor:
    """The mean over each picture's band (n): 0 where it has none."""
    difference = alpha - truth
    error = difference.abs() * band
    error[..., :, 1:] += (difference[..., :, 1:] - difference[..., :, :-1]).abs() * band[..., :, 1:]
    error[..., 1:, :] += (difference[..., 1:, :] - difference[..., :-1, :]).abs() * band[..., 1:, :]
    return error.sum((1, 2, 3)) / (band.sum((1, 2, 3)) + 1)
