"""Samples -> batches, in processes of their own, so that the network never waits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from livebg.training.distort import Alpha, Doubt, Random, doubtful
from livebg.training.losses import Batch
from livebg.training.samples import Mix, Sample, Samples, Size
from livebg.training.teacher import Teacher


@dataclass(frozen=True)
class Priors:
    """How often which prior is given: none, the truth distorted, another picture's (these make 1).

    `own`, whichever it was: how often the network first answers for the frame before with it, once or several times over, and
    gets that answer as the prior.
    """

    empty: float = 0.5
    distorted: float = 0.3
    wrong: float = 0.2
    own: float = 0.2


@dataclass(frozen=True)
class Course:
    """What a training sees: sizes (width, height) and their chances, pictures a batch, the mix and the priors."""

    sizes: tuple[tuple[Size, float], ...] = (
        ((256, 144), 0.6),
        ((160, 224), 0.12),
        ((192, 192), 0.07),
        ((144, 256), 0.04),
        ((208, 160), 0.04),
        ((192, 112), 0.07),
        ((128, 64), 0.06),
    )
    """The last two are what a slow machine gives up to."""
    batch: int = 16
    mix: Mix = field(default_factory=Mix)
    priors: Priors = field(default_factory=Priors)
    doubt: Doubt = field(default_factory=Doubt)


BROAD = Course()
"""Whatever may come: most of a training."""
NEAR = Course(mix=Mix(flat=0.5, empty=0.14, squashed=0.55, harm=0.45), priors=Priors(own=0.4))
"""More photos as they are, less spoiled: the end of a training, while the learning rate falls."""
COURSES = {"broad": BROAD, "near": NEAR}


class Batches(IterableDataset[Batch]):
    """Batches without end, different in every process and after every restart (`seed`), with what the `teachers` say, if any."""

    def __init__(self, folder: Path, course: Course, seed: int, teachers: Sequence[Path]) -> None:
        self._folder, self._course, self._seed, self._teachers = folder, course, seed, teachers

    def __iter__(self) -> Iterator[Batch]:
        cv2.setNumThreads(1)
        worker = get_worker_info()
        draw = np.random.default_rng((self._seed, worker.id if worker else 0))
        samples = Samples(self._folder, self._course.mix)
        teacher = Teacher(self._teachers) if self._teachers else None
        sizes = [size for size, _ in self._course.sizes]
        chances = np.array([chance for _, chance in self._course.sizes])
        while True:
            size = sizes[int(draw.choice(len(sizes), p=chances / chances.sum()))]
            drawn = [samples.draw(draw, size) for _ in range(self._course.batch)]
            yield batch(teacher.teach(drawn, draw) if teacher else drawn, self._course, draw)


def batch(samples: list[Sample], course: Course, draw: Random) -> Batch:
    """Samples of one size as a batch, each with a prior."""
    kinds = draw.choice(3, size=len(samples), p=[course.priors.empty, course.priors.distorted, course.priors.wrong])
    priors: list[Alpha] = []
    for index, (sample, kind) in enumerate(zip(samples, kinds, strict=True)):
        if kind == 1:
            priors.append(doubtful(sample.alpha_before, draw, course.doubt))
        elif kind == 2:
            priors.append(samples[index - 1].alpha)
        else:
            priors.append(np.zeros_like(sample.alpha))
    return Batch(
        _tensor(np.stack([sample.before for sample in samples]).transpose(0, 3, 1, 2)),
        _tensor(np.stack([sample.picture for sample in samples]).transpose(0, 3, 1, 2)),
        _tensor(np.stack([sample.alpha for sample in samples])[:, None]),
        _tensor(np.stack(priors)[:, None]),
        torch.from_numpy(draw.random(len(samples)) < course.priors.own),
    )


def _tensor(values: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


def loader(folder: Path, course: Course, *, seed: int, workers: int, teachers: Sequence[Path] = ()) -> Iterator[Batch]:
    """Batches from `workers` processes (0: in this one). Their tensors are uint8: the trainer scales them where it computes."""
    batches = Batches(folder, course, seed, teachers)
    return iter(DataLoader(batches, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None))
