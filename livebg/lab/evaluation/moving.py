"""Evaluates networks on synthetic clips with exact alpha: people moving over rooms."""

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
from livebg.metrics.edge_lag import EDGE_LAG, EdgeLag
from livebg.metrics.reference import (
    DTSSD,
    PICTURE_MEASURES,
    as_alpha,
    gradient_error,
    mean_absolute_difference,
    mean_squared_error,
    temporal_difference,
)
from livebg.metrics.statistics import Measure
from livebg.synthetic import MOTIONS, Moment, clip

SIZE: Final = (512, 288)
"""Width and height of the clips, as in Robust Video Matting's evaluation."""

_FRAME_RATE: Final = 30.0
_BY_NAME: Final = {measure.name: measure for measure in PICTURE_MEASURES}
MEASURES: Final[tuple[Measure, ...]] = (_BY_NAME["mad"], _BY_NAME["mse"], DTSSD, _BY_NAME["grad"], EDGE_LAG)
_LEVELS: Final = np.float32(255)


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """A clip to render: the motion's name, the index of actor and room, and the number of frames."""

    motion: str
    number: int
    frames: int

    @property
    def name(self) -> str:
        return f"{self.motion} {self.number}"


def measure_moving(
    networks: Mapping[str, Network], cast: Subjects, motion: str, clips: int, frames: int, sheets: Sheets
) -> Section:
    """Measure the mean MAD, MSE, dtSSD and Grad of each clip, and its edge lag, at :data:`SIZE`.

    ``motion`` is a name from :data:`livebg.synthetic.MOTIONS`. Raises SourceError if a file of the cast cannot be read.
    """
    runners = {name: VideoRunner(network) for name, network in networks.items()}
    about = f"{clips} clips of {frames} frames, {SIZE[0]}x{SIZE[1]}, {cast.about}"
    tally = Tally(f"moving truth, {motion}", about, "clip", MEASURES, list(runners))
    sheet = sheets.all(f"moving {motion}", clips)
    for number in range(clips):
        spec = ClipSpec(motion, number, frames)
        tally.add(spec.name, _measure(runners, cast, spec, sheet))
    sheet.write()
    return tally.section()


def _measure(runners: Mapping[str, VideoRunner], cast: Subjects, spec: ClipSpec, sheet: Worst) -> dict[str, tuple[float, ...]]:
    scores = {name: _ClipScore() for name in runners}
    evaluated = next(iter(runners))
    for runner in runners.values():
        runner.begin()
    worst: tuple[float, Moment, Alpha] | None = None
    for moment in _moments(cast, spec):
        truth = as_alpha(moment.alpha)
        for name, runner in runners.items():
            alpha = runner.alpha(moment.rgb)
            difference = scores[name].add(alpha, truth)
            if name == evaluated and (worst is None or difference > worst[0]):
                worst = difference, moment, alpha
    if worst:
        sheet.add(worst[0], f"{spec.name} at {worst[1].time:.2f} s", worst[1].rgb, as_alpha(worst[1].alpha), worst[2])
    return {name: score.row() for name, score in scores.items()}


def _moments(cast: Subjects, spec: ClipSpec) -> Iterator[Moment]:
    motion = MOTIONS[spec.motion]
    actors = [cast.actor(spec.number + turn) for turn in range(len(motion.scene(0, (0.0,) * 8).poses))]
    return clip(motion, actors, cast.room(spec.number), SIZE, frames=spec.frames, rate=_FRAME_RATE, seed=spec.number)


class _ClipScore:
    """Collects the measures of one network on one clip."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, ...]] = []
        self._previous: tuple[Alpha, Alpha] | None = None
        self._lag = EdgeLag()

    def add(self, alpha: Alpha, truth: Alpha) -> float:
        """Add the next frame. Returns its MAD."""
        change = math.nan if self._previous is None else temporal_difference(alpha, self._previous[0], truth, self._previous[1])
        difference = mean_absolute_difference(alpha, truth)
        self._rows.append((difference, mean_squared_error(alpha, truth), change, gradient_error(alpha, truth)))
        self._lag.add(alpha, truth * _LEVELS)
        self._previous = alpha, truth
        return difference

    def row(self) -> tuple[float, ...]:
        lag = self._lag.summary()
        table = np.array(self._rows)
        means = (column[~np.isnan(column)] for column in table.T)
        return (*(float(column.mean()) if column.size else math.nan for column in means), math.nan if lag is None else lag.mean)
