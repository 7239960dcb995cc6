"""One pass over a video that measures what auto-framing and automatic light follow, before any frame is rendered."""

from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import ClassVar, Final

from livebg.compositing.auto_framing import locate_person
from livebg.compositing.composite import render_matte
from livebg.compositing.compositor import Compositor
from livebg.compositing.effect_track import Sample, Track
from livebg.compositing.light import measure_need
from livebg.config.settings import Settings
from livebg.imaging.frame import Frame, Matte
from livebg.pipeline import Pipeline
from livebg.rendering.matte_track import stored_track
from livebg.rendering.worker import Worker
from livebg.segmentation.guided_upsampling import GuidedUpsampler
from livebg.segmentation.temporal_filter import TemporalFilter
from livebg.sources.file import FileSource
from livebg.sources.matte_index import MatteIndex
from livebg.sources.stored_matte import StoredMatte

SAMPLES_PER_S: Final = 5
"""Rate at which frames are measured. The crop window takes a second to move, the light several."""


@dataclass(frozen=True, slots=True)
class AnalysisTask:
    """Measures the frames of ``path`` with ``start <= time < end`` (seconds, see :class:`~livebg.sources.file.FileSource`).

    All frames are decoded, up to five a second are measured: the first one in each fifth of a second. The measurements do not
    depend on the effect's settings. ``matte`` replaces the network. A :class:`~livebg.rendering.worker.Task`, needed only for
    outputs for which :func:`~livebg.rendering.outputs.outputs_need_track` is true.
    """

    path: Path
    settings: Settings
    start: float | None = None
    end: float | None = None
    matte: MatteIndex | None = None
    folder: ClassVar[Path | None] = None
    """See :class:`~livebg.rendering.worker.SharedTask`."""

    @property
    def inputs(self) -> tuple[Path, ...]:
        """See :class:`~livebg.rendering.worker.SharedTask`."""
        return (self.path, *((self.matte.path,) if self.matte else ()))

    def run(self, worker: Worker) -> Track:
        """Returns the track of the range, or the one that is stored with the matte. Reports each frame to ``worker``.

        Raises what :class:`~livebg.sources.file.FileSource` and the worker's network raise, and
        :class:`~livebg.errors.Cancelled` if the user stopped the render.
        """
        if self.matte is not None and (stored := stored_track(self.matte.path, self.settings.effect.framing)):
            return stored
        clock = _SampleClock(worker)
        with FileSource(self.path, self.start, self.end, select=clock.is_due) as source, ExitStack() as opened:
            clock.time_base = source.time_base
            if self.matte is not None:
                matte = opened.enter_context(StoredMatte(self.matte)).matte
            else:
                upsampler = GuidedUpsampler()
                matte = Pipeline(worker.segmenter(self.settings), TemporalFilter(0), upsampler, Compositor(render_matte)).matte
            samples = tuple(_measured(frame, matte(frame)) for frame in source)
        return Track(source.time_base, self.settings.effect.framing, samples)


class _SampleClock:
    """Selects the frames that are measured, and reports all of them."""

    def __init__(self, worker: Worker) -> None:
        self.time_base = Fraction(1)
        self._worker = worker
        self._last: int | None = None

    def is_due(self, pts: int) -> bool:
        self._worker.advance(1)
        number = floor(pts * self.time_base * SAMPLES_PER_S)
        due, self._last = number != self._last, number
        return due


def _measured(frame: Frame, matte: Matte) -> Sample:
    return Sample.of(frame.pts, locate_person(matte.alpha), measure_need(frame, matte))
