"""Real clips, whose true alpha nobody knows: how restless the alpha is, how late, and what a matting network says of it."""

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
from livebg.metrics.no_reference import MEASURES as BLIND
from livebg.metrics.no_reference import NoReferenceScore
from livebg.metrics.reference import foreground_iou, mean_absolute_difference
from livebg.metrics.statistics import Measure
from livebg.sources.file import FileSource

TEACHER: Final = (
    Measure("teacher_iou", "IoU to the teacher", "foregrounds at 0.5 against the matting network's", higher_is_better=True),
    Measure("teacher_mad", "MAD x1e3 to the teacher", "mean absolute difference from the matting network's alpha"),
)


def measure_real(
    networks: Mapping[str, Network], clips: Sequence[Path], frames: int, teacher: Network | None, sheets: Sheets
) -> Section:
    """The measures without truth of each clip, and where there is a ``teacher`` the means against its alpha.

    Of each clip the first ``frames`` are measured, each network running as it does on video. Raises SourceError for what cannot
    be read.
    """
    everybody = {name: VideoRunner(network) for name, network in networks.items()}
    measures = (*BLIND, *TEACHER) if teacher else BLIND
    judged = f", against the alpha of {teacher.name}" if teacher else ""
    about = f"the first {frames} frames of each{judged}"
    tally = Tally("real clips", about, "clip", measures, list(everybody))
    shown = sheets.all("real clips", len(clips))
    for path in clips:
        tally.add(path.stem, _measure(everybody, path, frames, VideoRunner(teacher) if teacher else None, shown))
    shown.write()
    return tally.section()


def _measure(
    everybody: Mapping[str, VideoRunner], path: Path, frames: int, teacher: VideoRunner | None, shown: Worst
) -> dict[str, tuple[float, ...]]:
    judges = {name: _Judge() for name in everybody}
    evaluated = next(iter(everybody))
    for watcher in (*everybody.values(), *([teacher] if teacher else [])):
        watcher.begin()
    worst: tuple[float, float, Rgb, Alpha | None, Alpha] | None = None
    with FileSource(path, threads=1) as source:
        size = source.format.width, source.format.height
        for frame in islice(source, frames):
            rgb = frame.rgb(size)
            truth = teacher.alpha(rgb) if teacher else None
            for name, watcher in everybody.items():
                alpha = watcher.alpha(rgb)
                badness = judges[name].add(rgb, alpha, truth, frame.time)
                if name == evaluated and (worst is None or badness > worst[0]):
                    worst = badness, frame.time, rgb, truth, alpha
    if worst:
        shown.add(worst[0], f"{path.stem} at {worst[1]:.2f} s", *worst[2:])
    return {name: judge.row(bool(teacher)) for name, judge in judges.items()}


class _Judge:
    """The numbers of one network on one clip."""

    def __init__(self) -> None:
        self._score = NoReferenceScore()
        self._against: list[tuple[float, float]] = []

    def add(self, rgb: Rgb, alpha: Alpha, truth: Alpha | None, time: float) -> float:
        """Judge the next frame; returns how bad it is: by its difference from the teacher's alpha, or else by its warp error."""
        numbers = self._score.add(rgb, alpha, time)
        if truth is None:
            return -1.0 if math.isnan(numbers["warp_error"]) else numbers["warp_error"]
        difference = mean_absolute_difference(alpha, truth)
        self._against.append((foreground_iou(alpha, truth), difference))
        return difference

    def row(self, with_teacher: bool) -> tuple[float, ...]:
        summaries = self._score.result().summaries
        blind = (math.nan if summary is None else summary.mean for summary in summaries.values())
        judged = np.mean(self._against, axis=0).tolist() if with_teacher and self._against else []
        return (*blind, *judged)
