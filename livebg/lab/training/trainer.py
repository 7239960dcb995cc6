"""Trains a network with checkpoints. An interrupted run can resume from its last checkpoint."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from livebg.lab.training.architecture import DESIGNS, LivebgNet
from livebg.lab.training.losses import Batch, loss
from livebg.lab.training.optimizer import Optimizer

log = logging.getLogger(__name__)


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
        """Returns the learning rate after ``pictures``: linear warm-up, plateau, then linear decay to 2 %."""
        rise = min(1.0, (pictures + 1) / self.warm_up)
        left = max(0.0, 1 - pictures / self.pictures)
        return self.rate * rise * max(0.02, min(1.0, left / self.decay))


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
    """Returns the design's name and the averaged network of a checkpoint."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    net = LivebgNet(DESIGNS[state["design"]])
    net.load_state_dict(state["average"])
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
