"""Trains a network with Muon and checkpoints. An interrupted run can resume from its last checkpoint."""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from livebg.lab.training.architecture import DESIGNS, LivebgNet
from livebg.lab.training.losses import Batch, loss

log = logging.getLogger(__name__)

MOMENTUM: Final = 0.95
WEIGHT_DECAY: Final = 0.01

_ITERATIONS: Final = 5
_QUINTIC: Final = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic by Jordan et al., which maps singular values from 0..1 to 0.7..1.2 in five iterations."""

_STEP_RMS: Final = 0.2
"""Typical RMS of AdamW's steps, to which Muon's are scaled (Liu et al. 2025, arXiv:2502.16982)."""


@dataclass(frozen=True)
class Schedule:
    """Length and learning rate of a training.

    ``pictures`` is the total, ``rate`` the maximum learning rate, ``warm_up`` the number of pictures until it is reached,
    ``decay`` the final share of the pictures during which it falls, ``average`` the memory of the weight average
    in steps, and ``every`` the checkpoint interval in seconds.
    """

    pictures: int
    rate: float = 1e-3
    warm_up: int = 6_400
    decay: float = 0.3
    average: int = 400
    every: float = 90.0
    half: bool = False
    """Compute in bfloat16 where that is safe: a third less time on processors that support it."""

    def rate_at(self, pictures: int) -> float:
        """Return the learning rate after ``pictures``: linear warm-up, plateau, then linear decay to 2 %."""
        rise = min(1.0, (pictures + 1) / self.warm_up)
        left = max(0.0, 1 - pictures / self.pictures)
        return self.rate * rise * max(0.02, min(1.0, left / self.decay))


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
    """Return the matrices (n, rows, columns) with all singular values near 1, by Newton-Schulz iterations.

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
    """Return whether to use Muon. With few rows, orthogonalization has no benefit."""
    return parameter.ndim == 4 and parameter.shape[0] > 4


class Trainer:
    """Holds a network, its weight average (the exported weights) and the optimizer's state."""

    def __init__(self, net: LivebgNet, schedule: Schedule, device: str = "cpu") -> None:
        self.net = net.to(device)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = LivebgNet(net.design).to(device)
        self.average.load_state_dict(net.state_dict())
        self.optimizer = Optimizer(self.net, schedule.rate)
        self.schedule, self.pictures, self._device, self._steps = schedule, 0, device, 0

    def step(self, batch: Batch) -> float:
        """Take one step on a batch of uint8 tensors. Returns the loss."""
        batch = batch.scaled(self._device)
        with torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=self.schedule.half):
            answers = self.net.answers(batch.picture.contiguous(memory_format=torch.channels_last))
        value = loss([answer.float() for answer in answers], batch.alpha)
        self.net.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step(self.schedule.rate_at(self.pictures))
        self.pictures += len(batch.picture)
        self._steps += 1
        memory = min(1 - 1 / self.schedule.average, self._steps / (self._steps + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.net.parameters()), 1 - memory)
        return float(value.detach())

    def save(self, path: Path, design: str) -> None:
        """Write a checkpoint atomically."""
        state = {
            "design": design,
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "pictures": self.pictures,
            "steps": self._steps,
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def resume(self, path: Path) -> None:
        """Restore the state from a checkpoint of the same design."""
        state = torch.load(path, map_location=self._device, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.pictures, self._steps = state["pictures"], state["steps"]


def read_checkpoint(path: Path) -> tuple[str, LivebgNet]:
    """Return the design's name and the averaged network of a checkpoint. Raises ValueError if the file is none."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        net = LivebgNet(DESIGNS[state["design"]])
        net.load_state_dict(state["average"])
    except FileNotFoundError:
        raise
    except Exception as error:  # reading another kind of file can raise anything
        raise ValueError(f"{path} is no checkpoint of a training. Choose another file.") from error
    return state["design"], net


def train(trainer: Trainer, batches: Iterator[Batch], path: Path, design: str, until: int) -> None:
    """Train until ``until`` pictures, with checkpoints in ``path``."""
    started = saved = time.monotonic()
    seen, losses = trainer.pictures, []
    while trainer.pictures < until:
        losses.append(trainer.step(next(batches)))
        now = time.monotonic()
        if now - saved > trainer.schedule.every:
            saved = now
            trainer.save(path, design)
            speed = (trainer.pictures - seen) / (now - started)
            log.info("%d pictures, %.1f per second, loss %.4f", trainer.pictures, speed, sum(losses[-100:]) / len(losses[-100:]))
    trainer.save(path, design)
