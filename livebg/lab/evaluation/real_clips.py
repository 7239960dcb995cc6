"""Evaluates networks on real clips without ground truth: temporal stability, lag and, optionally, difference from a teacher."""

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from livebg.imaging.frame import Alpha
from livebg.lab.evaluation.contact_sheets import Sheets, Worst
from livebg.lab.evaluation.inference import VideoRunner
from livebg.lab.evaluation.networks import Network, Rgb
from livebg.lab.evaluation.results import Section, Tally
from livebg.metrics.no_reference import MEASURES as NO_REFERENCE
from livebg.metrics.no_reference import NoReferenceScore
from livebg.metrics.reference import foreground_iou, mean_absolute_difference
from livebg.metrics.statistics import Measure
from livebg.sources.file import FileSource

TEACHER: Final = (
    Measure("teacher_iou", "IoU to the teacher", "foreground at 0.5 compared with the matting network's", higher_is_better=True),
    Measure("teacher_mad", "MAD x1e3 to the teacher", "mean absolute difference from the matting network's alpha"),
)


def measure_real(
    networks: Mapping[str, Network], clips: Sequence[Path], frames: int, teacher: Network | None, sheets: Sheets
) -> Section:
    """Measure the no-reference metrics of each clip and, if there is a ``teacher``, the mean differences from its alpha.

    Uses the first ``frames`` of each clip and runs each network as on video. Raises SourceError if a clip cannot be read.
    """
    runners = {name: VideoRunner(network) for name, network in networks.items()}
    measures = (*NO_REFERENCE, *TEACHER) if teacher else NO_REFERENCE
    reference = f", compared with the alpha of {teacher.name}" if teacher else ""
    about = f"the first {frames} frames of each{reference}"
    tally = Tally("real clips", about, "clip", measures, list(runners))
    sheet = sheets.all("real clips", len(clips))
    for path in clips:
        tally.add(path.stem, _measure(runners, path, frames, VideoRunner(teacher) if teacher else None, sheet))
    sheet.write()
    return tally.section()


def _measure(
    runners: Mapping[str, VideoRunner], path: Path, frames: int, teacher: VideoRunner | None, sheet: Worst
) -> dict[str, tuple[float, ...]]:
    scores = {name: _ClipScore() for name in runners}
    evaluated = next(iter(runners))
    for runner in (*runners.values(), *([teacher] if teacher else [])):
        runner.begin()
    worst: tuple[float, float, Rgb, Alpha | None, Alpha] | None = None
    with FileSource(path, threads=1) as source:
        size = source.format.width, source.format.height
        for frame in islice(source, frames):
            rgb = frame.rgb(size)
            truth = teacher.alpha(rgb) if teacher else None
            for name, runner in runners.items():
                alpha = runner.alpha(rgb)
                badness = scores[name].add(rgb, alpha, truth, frame.time)
                if name == evaluated and (worst is None or badness > worst[0]):
                    worst = badness, frame.time, rgb, truth, alpha
    if worst:
        sheet.add(worst[0], f"{path.stem} at {worst[1]:.2f} s", *worst[2:])
    return {name: score.row(bool(teacher)) for name, score in scores.items()}


class _ClipScore:
    """Collects the measures of one network on one clip."""

    def __init__(self) -> None:
        self._score = NoReferenceScore()
        self._teacher_errors: list[tuple[float, float]] = []

    def add(self, rgb: Rgb, alpha: Alpha, truth: Alpha | None, time: float) -> float:
        """Add the next frame. Returns its difference from the teacher's alpha or, without a teacher, its warp error."""
        numbers = self._score.add(rgb, alpha, time)
        if truth is None:
            return -1.0 if math.isnan(numbers["warp_error"]) else numbers["warp_error"]
        difference = mean_absolute_difference(alpha, truth)
        self._teacher_errors.append((foreground_iou(alpha, truth), difference))
        return difference

    def row(self, with_teacher: bool) -> tuple[float, ...]:
        summaries = self._score.result().summaries
        no_reference = (math.nan if summary is None else summary.mean for summary in summaries.values())
        teacher = np.mean(self._teacher_errors, axis=0).tolist() if with_teacher and self._teacher_errors else []
        return (*no_reference, *teacher)
