"""The training loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

SIDES: Final = 0.4
"""Total weight of the deep supervision."""

_BAND_WIDTH: Final = 7
"""Width in pixels of the band around an edge; wider where alpha is partial."""
_SHIFTS: Final = (1, 2, 3)
"""Maxima of a tensor and itself shifted by so many pixels, one after the other, span the band's width. Ten times as fast as
torch's max pooling of a single channel, which took a seventh of the training time."""
_LABEL_SMOOTHING: Final = 0.5
"""Label smoothing in the band: hand-drawn edges are not pixel-accurate."""
_EMPTY_SHARE: Final = 0.004
"""Share of the frame added to intersection and union: in an empty room, a false patch of this size costs half as much as missing
a whole person."""


@dataclass(frozen=True)
class Batch:
    """``picture`` (n, 3, h, w) and ``alpha`` (n, 1, h, w): uint8 from the loader, float 0..1 after ``scaled``."""

    picture: Tensor
    alpha: Tensor

    def scaled(self, device: str = "cpu") -> "Batch":
        """Convert from uint8 to 0..1 on ``device``."""
        return Batch(*(tensor.to(device).float() / 255 for tensor in (self.picture, self.alpha)))


def loss(answers: Sequence[Tensor], truth: Tensor) -> Tensor:
    """Return the scalar loss of logits, at full size and of every level, for the true alpha (n, 1, h, w).

    At full size: cross-entropy and absolute error per pixel; 1 minus the soft intersection over union per picture, which weights
    a missed person or a false patch regardless of its size; and per picture, in the band around the edge, the absolute error of
    alpha and of its gradient. Labels near the edge are smoothed. At each level: cross-entropy with the truth at its size.
    """
    full, *sides = answers
    alpha = torch.sigmoid(full)
    band = edge_band(truth)
    smoothed = torch.lerp(truth, _blur(truth), _LABEL_SMOOTHING * band)
    total = functional.binary_cross_entropy_with_logits(full, smoothed) + (alpha - truth).abs().mean()
    total = total + (1 - overlap(alpha, truth)).mean() + _edge_error(alpha, truth, band).mean()
    for side in sides:
        small = functional.adaptive_avg_pool2d(truth, (side.shape[2], side.shape[3]))
        total = total + SIDES / len(sides) * functional.binary_cross_entropy_with_logits(side, small)
    return total


def overlap(alpha: Tensor, truth: Tensor) -> Tensor:
    """Return the soft intersection over union of each picture (n,), with a small share of the frame added to both."""
    both, either = (alpha * truth).mean((1, 2, 3)), (alpha + truth - alpha * truth).mean((1, 2, 3))
    return (both + _EMPTY_SHARE) / (either + _EMPTY_SHARE)


def edge_band(truth: Tensor) -> Tensor:
    """Return 1 around the edges of ``truth`` (n, 1, h, w), 0 elsewhere."""
    return (_dilate(truth) + _dilate(-truth) > 0.1).float()


def _dilate(values: Tensor) -> Tensor:
    dilated = functional.pad(values, (_BAND_WIDTH // 2,) * 4, mode="replicate")
    for axis in (2, 3):
        for shift in _SHIFTS:
            kept = dilated.shape[axis] - shift
            dilated = torch.maximum(dilated.narrow(axis, 0, kept), dilated.narrow(axis, shift, kept))
    return dilated


def _blur(truth: Tensor) -> Tensor:
    return functional.avg_pool2d(truth, 3, stride=1, padding=1, count_include_pad=False)


def _edge_error(alpha: Tensor, truth: Tensor, band: Tensor) -> Tensor:
    """Return the mean error over each picture's band (n,), 0 if it has none."""
    difference = alpha - truth
    error = difference.abs() * band
    error[..., :, 1:] += (difference[..., :, 1:] - difference[..., :, :-1]).abs() * band[..., :, 1:]
    error[..., 1:, :] += (difference[..., 1:, :] - difference[..., :-1, :]).abs() * band[..., 1:, :]
    return error.sum((1, 2, 3)) / (band.sum((1, 2, 3)) + 1)
