"""Loads batches of samples in worker processes, so that training does not wait for data."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from livebg.lab.training.dataset import Mix, Samples
from livebg.lab.training.losses import Batch
from livebg.lab.training.pixel_store import Size


@dataclass(frozen=True)
class Curriculum:
    """The data of a training stage: sizes (width, height) with probabilities, pictures per batch, and the mix of samples.

    ``until`` is the share of all pictures at which the stage ends.
    """

    sizes: tuple[tuple[Size, float], ...]
    batch: int = 24
    mix: Mix = field(default_factory=Mix)
    until: float = 1.0

    def with_empty(self, share: float) -> "Curriculum":
        """Return the same stage with that share of frames without people, instead of photos."""
        photos = self.mix.photos + self.mix.empty - share
        return replace(self, mix=replace(self.mix, photos=photos, empty=share))


SMALL = Curriculum(
    (((128, 80), 0.6), ((80, 112), 0.14), ((96, 96), 0.16), ((144, 80), 0.1)), batch=64, mix=Mix(close=0.5), until=0.65
)
"""Half the width and height of live use, at a quarter of the cost. Half of the samples show a part at the scale of live use."""
MEDIUM = Curriculum((((256, 144), 0.55), ((160, 224), 0.2), ((192, 192), 0.13), ((192, 112), 0.07), ((128, 64), 0.05)), until=0.9)
"""The sizes of live use, including the reduced ones for slow machines."""
LARGE = Curriculum(
    (
        ((256, 144), 0.55),
        ((400, 224), 0.1),
        ((512, 288), 0.03),
        ((288, 400), 0.03),
        ((160, 224), 0.09),
        ((192, 192), 0.07),
        ((192, 112), 0.08),
        ((128, 64), 0.05),
    ),
    batch=16,
)
"""Every size that livebg uses, including for files. Used at the end of training."""
COURSES = {"small": SMALL, "medium": MEDIUM, "large": LARGE}
"""In the order of training: small frames first, which cost a quarter and show the same people."""


class Batches(IterableDataset[Batch]):
    """An endless stream of batches, different in every worker and, with a new ``seed``, after every restart."""

    def __init__(self, folder: Path, course: Curriculum, seed: int, left_out: frozenset[str] = frozenset()) -> None:
        self._folder, self._course, self._seed, self._left_out = folder, course, seed, left_out

    def __iter__(self) -> Iterator[Batch]:
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        worker = get_worker_info()
        draw = np.random.default_rng((self._seed, worker.id if worker else 0))
        samples = Samples(self._folder, self._course.mix, self._left_out)
        sizes = [size for size, _ in self._course.sizes]
        chances = np.array([chance for _, chance in self._course.sizes])
        while True:
            size = sizes[int(draw.choice(len(sizes), p=chances / chances.sum()))]
            drawn = [samples.draw(draw, size) for _ in range(self._course.batch)]
            yield Batch(
                torch.from_numpy(np.stack([sample.picture for sample in drawn]).transpose(0, 3, 1, 2).copy()),
                torch.from_numpy(np.stack([sample.alpha for sample in drawn])[:, None]),
            )


def loader(
    folder: Path, course: Curriculum, *, seed: int, workers: int, left_out: frozenset[str] = frozenset()
) -> Iterator[Batch]:
    """Return batches from ``workers`` processes (0: this process). Tensors are uint8; the trainer scales them on its device."""
    batches = Batches(folder, course, seed, left_out)
    return iter(DataLoader(batches, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None))
