"""What networks that saw far more people think of a sample: it widens what some thousand portraits can teach.

A student that hears a teacher's opinion of pictures that nobody could label, again and again, comes near to it with little data
(Beyer et al. 2022, arXiv:2106.05237). The drawn masks say where an edge is by this ruler, the teachers what a person is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from livebg.evaluation.baselines import candidate
from livebg.imaging.pyramid import resized
from livebg.training.distort import Alpha, Random
from livebg.training.samples import Sample
from livebg.training.store import Picture


@dataclass(frozen=True)
class Lessons:
    """How often a photo's truth is averaged with the teachers' opinion, and how often it is exposed twice, together with
    another sample, where their opinion is all there is."""

    asked: float = 0.75
    doubled: float = 0.25


class Teacher:
    """The mean of some networks that `livebg models eval` can open. Raises ModelError for anything else."""

    def __init__(self, paths: Sequence[Path], lessons: Lessons | None = None) -> None:
        self._networks = [candidate(str(path)).open() for path in paths]
        self._lessons = lessons or Lessons()

    def opinion(self, picture: Picture) -> Alpha:
        """Alpha (h, w) uint8 of `picture` (h, w, 3)."""
        height, width = picture.shape[:2]
        alphas = []
        for network in self._networks:
            network.forget()
            alpha = network.alpha(resized(picture, network.input_size(width, height)))
            alphas.append(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR))
        return np.asarray(np.rint(np.mean(alphas, axis=0) * 255), np.uint8)

    def teach(self, samples: Sequence[Sample], draw: Random) -> list[Sample]:
        """Samples of one size; of those that are photos some with another alpha, some exposed twice."""
        return [self._taught(sample, samples[index - 1], draw) for index, sample in enumerate(samples)]

    def _taught(self, sample: Sample, other: Sample, draw: Random) -> Sample:
        chance = draw.random()
        if not sample.photo or chance > self._lessons.asked + self._lessons.doubled:
            return sample
        if chance > self._lessons.asked:
            return self._doubled(sample, other, float(draw.uniform(0.55, 0.9)))
        return replace(sample, alpha=_mean(sample.alpha, self.opinion(sample.picture)))

    def _doubled(self, sample: Sample, other: Sample, weight: float) -> Sample:
        before, picture = (
            np.asarray(cv2.addWeighted(mine, weight, theirs, 1 - weight, 0), np.uint8)
            for mine, theirs in ((sample.before, other.before), (sample.picture, other.picture))
        )
        return Sample(before, picture, self.opinion(before), self.opinion(picture), photo=True)


def _mean(first: Alpha, second: Alpha) -> Alpha:
    return np.asarray(cv2.addWeighted(first, 0.5, second, 0.5, 0), np.uint8)
