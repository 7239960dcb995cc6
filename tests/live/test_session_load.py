"""The frame rate and the quality level of a session on a busy machine, in virtual time."""

import random
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from livebg.compositing.compositor import Compositor
from livebg.imaging.frame import Alpha, Composite, Frame, Matte
from livebg.live.quality.adaptive_pipeline import AdaptivePipeline
from livebg.live.quality.governor import Governor
from livebg.live.quality.levels import QualityLevel, quality_levels
from livebg.pipeline import Pipeline, Processor
from livebg.segmentation.guided_upsampling import GuidedUpsampler
from livebg.segmentation.temporal_filter import TemporalFilter
from tests.soak.virtual_time import VirtualTime
from tests.support.live_session import PersonSegmenter, green_effect
from tests.support.virtual_session import staged


class BusyMachine:
    """A network and an effect on two cores that four processes share: after each slice of 4 ms they wait, seldom for long.

    A mask takes ``mask`` seconds of CPU time at full size, the rest of a frame ``rest`` seconds.
    """

    def __init__(self, time: VirtualTime, mask: float, rest: float, seed: int) -> None:
        self._time, self._mask, self._rest, self._chance = time, mask, rest, random.Random(seed)
        self.governor = Governor(quality_levels(smaller=True, coarse=True))
        self.levels: list[QualityLevel] = []
        """The level of each frame."""

    def processor(self) -> Processor:
        pipeline = Pipeline(
            _Network(self), TemporalFilter(), GuidedUpsampler(), Compositor(self._effect, coarse_effect=self._effect)
        )
        return AdaptivePipeline(pipeline, self.governor, clock=self._time)

    def compute_mask(self, share: float) -> None:
        self._work(self._mask * (0.2 + 0.8 * share))

    def _effect(self, frame: Frame, matte: Matte) -> Composite:
        self.levels.append(self.governor.level)
        self._work(self._rest)
        return green_effect(frame, matte)

    def _work(self, seconds: float) -> None:
        waits = sum(self._chance.expovariate(1 / 0.004) for _ in range(1 + int(seconds / 0.004)))
        self._time.sleep(seconds + waits + (self._chance.uniform(0.02, 0.1) if self._chance.random() < 0.02 else 0.0))


class _Network(PersonSegmenter):
    """Supports smaller inputs, which take less time."""

    def __init__(self, machine: BusyMachine) -> None:
        super().__init__()
        self._machine, self._full = machine, 0

    def scaled_size(self, width: int, height: int, scale: float) -> tuple[int, int]:
        return round(width * scale), round(height * scale)

    def segment(self, image: NDArray[np.uint8]) -> Alpha:
        self._full = max(self._full, image[..., 0].size)
        self._machine.compute_mask(image[..., 0].size / self._full)
        return super().segment(image)


@pytest.mark.parametrize(("mask", "rest", "seed"), [(0.025, 0.012, 2)])
def test_three_busy_processes_cause_few_changes_and_no_placeholder(mask: float, rest: float, seed: int) -> None:
    machines: list[BusyMachine] = []

    def make(time: VirtualTime) -> Processor:
        machines.append(BusyMachine(time, mask, rest, seed))
        return machines[0].processor()

    stage = staged(0.0, lambda stage: stage.time.sleep(60), make=make)
    (machine,) = machines
    changes = sum(before != after for before, after in pairwise(machine.levels))
    assert 1 <= changes <= 6
    assert len(stage.arrivals) > 60 * 15
    assert not stage.placeholders(stage.arrivals[0], stage.arrivals[-1])
