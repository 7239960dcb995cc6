"""Moving truth: people with exact alpha, moved over rooms; each network as it runs on video."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from livebg.imaging.frame import Alpha
from livebg.lab.evaluation.contact_sheets import Sheets, Worst
from livebg.lab.evaluation.inference import VideoRunner
from livebg.lab.evaluation.networks import Network
from livebg.lab.evaluation.results import Section, Tally
from livebg.lab.evaluation.subjects import Subjects
from livebg.metrics.conversions import as_alpha
from livebg.metrics.edge_lag import EDGE_LAG, EdgeLag
from livebg.metrics.reference import (
    DTSSD,
    PICTURE_MEASURES,
    gradient_error,
    mean_absolute_difference,
    mean_squared_error,
    temporal_difference,
)
from livebg.metrics.statistics import Measure
from livebg.synthetic import MOTIONS, Moment, clip

SIZE: Final = (512, 288)
"""Of the clips, as in Robust Video Matting's evaluation."""

_RATE: Final = 30.0
_BY_NAME: Final = {measure.name: measure for measure in PICTURE_MEASURES}
MEASURES: Final[tuple[Measure, ...]] = (_BY_NAME["mad"], _BY_NAME["mse"], DTSSD, _BY_NAME["grad"], EDGE_LAG)
_LEVELS: Final = np.float32(255)


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """One clip to be: ``motion`` by its name, which of the cast, and how many frames."""

    motion: str
    number: int
    frames: int

    @property
    def name(self) -> str:
        return f"{self.motion} {self.number}"


def measure_moving(
    networks: Mapping[str, Network], cast: Subjects, motion: str, clips: int, frames: int, sheets: Sheets
) -> Section:
    """The mean over each clip's frames of MAD, MSE, dtSSD and Grad, and its edge lag, at :data:`SIZE`.

    ``motion`` is one of :data:`livebg.synthetic.MOTIONS`. Raises SourceError when a file of the cast cannot be read.
    """
    everybody = {name: VideoRunner(network) for name, network in networks.items()}
    about = f"{clips} clips of {frames} frames, {SIZE[0]}x{SIZE[1]}, {cast.about}"
    tally = Tally(f"moving truth, {motion}", about, "clip", MEASURES, list(everybody))
    shown = sheets.all(f"moving {motion}", clips)
    for number in range(clips):
        take = ClipSpec(motion, number, frames)
        tally.add(take.name, _measure(everybody, cast, take, shown))
    shown.write()
    return tally.section()


def _measure(everybody: Mapping[str, VideoRunner], cast: Subjects, take: ClipSpec, shown: Worst) -> dict[str, tuple[float, ...]]:
    judges = {name: _Judge() for name in everybody}
    evaluated = next(iter(everybody))
    for watcher in everybody.values():
        watcher.begin()
    worst: tuple[float, Moment, Alpha] | None = None
    for moment in _moments(cast, take):
        truth = as_alpha(moment.alpha)
        for name, watcher in everybody.items():
            alpha = watcher.alpha(moment.rgb)
            difference = judges[name].add(alpha, truth)
            if name == evaluated and (worst is None or difference > worst[0]):
                worst = difference, moment, alpha
    if worst:
        shown.add(worst[0], f"{take.name} at {worst[1].time:.2f} s", worst[1].rgb, as_alpha(worst[1].alpha), worst[2])
    return {name: judge.row() for name, judge in judges.items()}


def _moments(cast: Subjects, take: ClipSpec) -> Iterator[Moment]:
    motion = MOTIONS[take.motion]
    actors = [cast.actor(take.number + turn) for turn in range(len(motion.scene(0, (0.0,) * 8).poses))]
    return clip(motion, actors, cast.room(take.number), SIZE, frames=take.frames, rate=_RATE, seed=take.number)


class _Judge:
    """The numbers of one network on one clip."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, ...]] = []
        self._before: tuple[Alpha, Alpha] | None = None
        self._lag = EdgeLag()

    def add(self, alpha: Alpha, truth: Alpha) -> float:
        """Judge the next frame; returns its MAD."""
        change = math.nan if self._before is None else temporal_difference(alpha, self._before[0], truth, self._before[1])
        difference = mean_absolute_difference(alpha, truth)
        self._rows.append((difference, mean_squared_error(alpha, truth), change, gradient_error(alpha, truth)))
        self._lag.add(alpha, truth * _LEVELS)
        self._before = alpha, truth
        return difference

    def row(self) -> tuple[float, ...]:
        lag = self._lag.summary()
        table = np.array(self._rows)
        means = (column[~np.isnan(column)] for column in table.T)
        return (*(float(column.mean()) if column.size else math.nan for column in means), math.nan if lag is None else lag.mean)
