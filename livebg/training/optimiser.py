"""How a step is taken: Muon for the kernels, AdamW for the rest."""

from typing import Any

import torch
from torch import Tensor, nn


class Optimiser:
    """Muon (Jordan et al. 2024, arXiv:2502.16982) makes the steps of the kernels orthogonal; AdamW moves biases and last layers.

    Muon takes matrices only: it is given each kernel as one, (out, height * width * in), over the kernel's own memory, which must
    therefore lie in channels-last order.
    """

    def __init__(self, net: nn.Module, rate: float) -> None:
        parameters = list(net.parameters())
        self._kernels = [parameter for parameter in parameters if _is_kernel(parameter)]
        self._matrices = [nn.Parameter(_matrix(kernel.detach())) for kernel in self._kernels]
        for kernel, matrix in zip(self._kernels, self._matrices, strict=True):
            if kernel.data_ptr() != matrix.data_ptr():
                raise ValueError("a kernel does not lie in channels-last order")
        others = [parameter for parameter in parameters if not _is_kernel(parameter)]
        self._both: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon(self._matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=rate, weight_decay=1e-4),
        )

    def step(self, rate: float) -> None:
        """One step along the gradients that are there, at this learning rate."""
        for kernel, matrix in zip(self._kernels, self._matrices, strict=True):
            matrix.grad = None if kernel.grad is None else _matrix(kernel.grad)
        for optimiser in self._both:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()

    def state_dict(self) -> list[dict[str, Any]]:
        return [optimiser.state_dict() for optimiser in self._both]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        for optimiser, state in zip(self._both, states, strict=True):
            optimiser.load_state_dict(state)


def _is_kernel(parameter: Tensor) -> bool:
    """Of few rows a step cannot be made orthogonal in any useful sense."""
    return parameter.ndim == 4 and parameter.shape[0] > 4


def _matrix(kernel: Tensor) -> Tensor:
    return kernel.permute(0, 2, 3, 1).flatten(1)
