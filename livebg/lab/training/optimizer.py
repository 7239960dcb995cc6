"""The optimizer: Muon for the kernels, AdamW for biases and last layers."""

import math
from typing import Any, Final

import torch
from torch import Tensor, nn

MOMENTUM: Final = 0.95
WEIGHT_DECAY: Final = 0.01

_ITERATIONS: Final = 5
_QUINTIC: Final = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic by Jordan et al., which maps singular values from 0..1 to 0.7..1.2 in five iterations."""

_STEP_RMS: Final = 0.2
"""Typical RMS of AdamW's steps, to which Muon's are scaled (Liu et al. 2025, arXiv:2502.16982)."""


class Optimizer:
    """Muon (Jordan et al. 2024): orthogonalizes the kernels' steps as matrices (out, in * height * width); AdamW for the rest."""

    def __init__(self, net: nn.Module, rate: float) -> None:
        parameters = list(net.parameters())
        self._kernels: list[Tensor] = [parameter for parameter in parameters if _is_kernel(parameter)]
        self._momenta = [torch.zeros_like(kernel) for kernel in self._kernels]
        self._by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, kernel in enumerate(self._kernels):
            self._by_shape.setdefault(tuple(kernel.shape), []).append(index)
        others = [parameter for parameter in parameters if not _is_kernel(parameter)]
        self._others = torch.optim.AdamW(others, lr=rate, weight_decay=1e-4)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Take one step along the gradients of the last backward pass with learning rate ``rate``."""
        gradients = [kernel.grad if kernel.grad is not None else torch.zeros_like(kernel) for kernel in self._kernels]
        torch._foreach_lerp_(self._momenta, gradients, 1 - MOMENTUM)
        nesterov = torch._foreach_lerp(gradients, self._momenta, MOMENTUM)
        torch._foreach_mul_(self._kernels, 1 - rate * WEIGHT_DECAY)
        for shape, indices in self._by_shape.items():
            steps = orthogonalized(torch.stack([nesterov[index].flatten(1) for index in indices]))
            scale = rate * _STEP_RMS * math.sqrt(max(steps.shape[1:]))
            for index, step in zip(indices, steps, strict=True):
                self._kernels[index].sub_(step.view(shape), alpha=scale)
        for group in self._others.param_groups:
            group["lr"] = rate
        self._others.step()

    def state_dict(self) -> dict[str, Any]:
        return {"momenta": self._momenta, "others": self._others.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for momentum, stored in zip(self._momenta, state["momenta"], strict=True):
            momentum.copy_(stored)
        self._others.load_state_dict(state["others"])


def orthogonalized(matrices: Tensor) -> Tensor:
    """Returns the matrices (n, rows, columns) with all singular values near 1, by Newton-Schulz iterations.

    Iterates on the small Gram matrices X X^T: with P = aI + bA + cA^2, one iteration maps X to P X and A to P A P.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    wide = matrices.transpose(1, 2) if tall else matrices
    wide = wide / (torch.linalg.vector_norm(wide, dim=(1, 2), keepdim=True) + 1e-7)
    identity = torch.eye(wide.shape[1], dtype=wide.dtype, device=wide.device)
    gram, product = wide @ wide.transpose(1, 2), identity.expand(len(wide), -1, -1)
    a, b, c = _QUINTIC
    for _ in range(_ITERATIONS):
        polynomial = a * identity + b * gram + c * (gram @ gram)
        gram, product = polynomial @ gram @ polynomial, polynomial @ product
    result: Tensor = product @ wide
    return result.transpose(1, 2) if tall else result


def _is_kernel(parameter: Tensor) -> bool:
    """Returns whether to use Muon. With few rows, orthogonalization has no benefit."""
    return parameter.ndim == 4 and parameter.shape[0] > 4
