"""Evaluates networks on clips: people moving over rooms with exact alpha, and real clips without ground truth."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from livebg.imaging.frame import Alpha
from livebg.lab.evaluation.networks import Network, Rgb, full_size_alpha
from livebg.lab.evaluation.results import ContactSheet, Section, tabulate
from livebg.lab.evaluation.subjects import Subjects
from livebg.metrics.edge_lag import EDGE_LAG
from livebg.metrics.no_reference import MEASURES as NO_REFERENCE
from livebg.metrics.no_reference import NoReferenceScore
from livebg.metrics.reference import (
    DTSSD,
    PICTURE_MEASURES,
    ReferenceScore,
    as_alpha,
    foreground_iou,
    mean_absolute_difference,
)
from livebg.metrics.statistics import Measure, Score
from livebg.sources.file import FileSource
from livebg.synthetic import MOTIONS, clip

SIZE: Final = (512, 288)
"""Width and height of the synthetic clips, as in Robust Video Matting's evaluation."""

_FRAME_RATE: Final = 30.0
_PER_FRAME: Final = tuple(measure for measure in PICTURE_MEASURES if measure.name in ("mad", "mse", "grad"))
MOVING: Final = (*_PER_FRAME, DTSSD, EDGE_LAG)
TEACHER: Final = (
    Measure("teacher_iou", "IoU to the teacher", "foreground at 0.5 compared with the matting network's", higher_is_better=True),
    Measure("teacher_mad", "MAD x1e3 to the teacher", "mean absolute difference from the matting network's alpha"),
)


class _Shot(NamedTuple):
    """A frame with its time in seconds and the true alpha or the teacher's, if there is one."""

    rgb: Rgb
    time: float
    truth: Alpha | None


def measure_moving(
    networks: Mapping[str, Network], subjects: Subjects, motion: str, clips: int, frames: int, sheets: Path | None
) -> Section:
    """Measure the mean MAD, MSE, Grad and dtSSD of each clip, and its edge lag, at :data:`SIZE`.

    ``motion`` is a name from :data:`livebg.synthetic.MOTIONS`. Raises SourceError if a file of the subjects cannot be read.
    """
    about = f"{clips} clips of {frames} frames, {SIZE[0]}x{SIZE[1]}, {subjects.about}"
    shots = ((f"{motion} {number}", _synthetic_shots(subjects, motion, number, frames)) for number in range(clips))
    rows = _measure(networks, ContactSheet(sheets, f"moving {motion}", clips), shots, _TruthScore)
    return tabulate(f"moving truth, {motion}", about, "clip", MOVING, networks, rows)


def measure_real(
    networks: Mapping[str, Network], clips: Sequence[Path], frames: int, teacher: Network | None, sheets: Path | None
) -> Section:
    """Measure the no-reference metrics of each clip and, if there is a ``teacher``, the mean differences from its alpha.

    Uses the first ``frames`` of each clip and runs each network as on video. Raises SourceError if a clip cannot be read.
    """
    about = f"the first {frames} frames of each" + (f", compared with the alpha of {teacher.name}" if teacher else "")
    shots = ((path.stem, _real_shots(path, frames, teacher)) for path in clips)
    rows = _measure(networks, ContactSheet(sheets, "real clips", len(clips)), shots, _NoReferenceScore)
    return tabulate("real clips", about, "clip", (*NO_REFERENCE, *TEACHER) if teacher else NO_REFERENCE, networks, rows)


def _measure(
    networks: Mapping[str, Network],
    sheet: ContactSheet,
    clips: Iterable[tuple[str, Iterable[_Shot]]],
    new_score: "type[_TruthScore] | type[_NoReferenceScore]",
) -> list[tuple[str, dict[str, list[float]]]]:
    """Run the networks side by side on named clips. Returns each clip's values; the sheet shows its worst frame.

    State is reset between clips.
    """
    evaluated = next(iter(networks))
    rows = []
    for clip_name, shots in clips:
        scores = {name: new_score() for name in networks}
        worst: tuple[float, _Shot, Alpha] | None = None
        for network in networks.values():
            network.reset()
        for shot in shots:
            for name, network in networks.items():
                alpha = full_size_alpha(network, shot.rgb)
                badness = scores[name].add(alpha, shot)
                if name == evaluated and (worst is None or badness > worst[0]):
                    worst = badness, shot, alpha
        if worst:
            badness, shot, alpha = worst
            sheet.add(badness, f"{clip_name} at {shot.time:.2f} s", shot.rgb, shot.truth, alpha)
        rows.append((clip_name, {name: score.row() for name, score in scores.items()}))
    sheet.write()
    return rows


def _synthetic_shots(subjects: Subjects, motion_name: str, number: int, frames: int) -> Iterator[_Shot]:
    motion = MOTIONS[motion_name]
    actors = [subjects.actor(number + turn) for turn in range(len(motion.scene(0, (0.0,) * 8).poses))]
    for moment in clip(motion, actors, subjects.room(number), SIZE, frames=frames, rate=_FRAME_RATE, seed=number):
        yield _Shot(moment.rgb, moment.time, as_alpha(moment.alpha))


def _real_shots(path: Path, frames: int, teacher: Network | None) -> Iterator[_Shot]:
    if teacher:
        teacher.reset()
    with FileSource(path, threads=1) as source:
        for frame in islice(source, frames):
            rgb = frame.rgb((source.format.width, source.format.height))
            yield _Shot(rgb, frame.time, full_size_alpha(teacher, rgb) if teacher else None)


class _TruthScore:
    """Collects the measures of one network on one synthetic clip."""

    def __init__(self) -> None:
        self._score = ReferenceScore(measures=_PER_FRAME)

    def add(self, alpha: Alpha, shot: _Shot) -> float:
        """Add the next frame. Returns its MAD."""
        assert shot.truth is not None
        return self._score.add(alpha, shot.truth)["mad"]

    def row(self) -> list[float]:
        return _means(self._score.result())


class _NoReferenceScore:
    """Collects the measures of one network on one real clip."""

    def __init__(self) -> None:
        self._score = NoReferenceScore()
        self._teacher_errors: list[tuple[float, float]] = []

    def add(self, alpha: Alpha, shot: _Shot) -> float:
        """Add the next frame. Returns its difference from the teacher's alpha or, without a teacher, its warp error."""
        warp_error = self._score.add(shot.rgb, alpha, shot.time)["warp_error"]
        if shot.truth is None:
            return -1.0 if math.isnan(warp_error) else warp_error
        difference = mean_absolute_difference(alpha, shot.truth)
        self._teacher_errors.append((foreground_iou(alpha, shot.truth), difference))
        return difference

    def row(self) -> list[float]:
        teacher = np.mean(self._teacher_errors, axis=0).tolist() if self._teacher_errors else []
        return [*_means(self._score.result()), *teacher]


def _means(score: Score) -> list[float]:
    return [math.nan if summary is None else summary.mean for summary in score.summaries.values()]
