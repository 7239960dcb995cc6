"""One pass over a video that measures what auto-framing and automatic light follow, before any frame is rendered."""

from collections.abc import Callable
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

    All frames are decoded, up to five a second are measured: the first one in each fifth of a second. ``matte`` replaces the
    network. A :class:`~livebg.rendering.worker.Task`, needed only for settings for which :func:`~livebg.factory.needs_track` is
    true.
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
        """Returns the track of the range. Reports each frame to ``worker``. Raises what :class:`~livebg.sources.file.FileSource`
        and the worker's network raise, and :class:`~livebg.errors.Cancelled` if the user stopped the render.
        """
        clock = _SampleClock(worker)
        with FileSource(self.path, self.start, self.end, select=clock.is_due) as source, ExitStack() as opened:
            clock.time_base = source.time_base
            if self.matte is not None:
                matte = opened.enter_context(StoredMatte(self.matte)).matte
            else:
                upsampler = GuidedUpsampler()
                matte = Pipeline(worker.segmenter(self.settings), TemporalFilter(0), upsampler, Compositor(render_matte)).matte
            measure = _Measurement(self.settings, matte)
            samples = tuple(measure.sample(frame) for frame in source)
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


class _Measurement:
    """Measures single frames, without state: a matte serves both effects."""

    def __init__(self, settings: Settings, matte: Callable[[Frame], Matte]) -> None:
        effect = settings.effect
        self._framed, self._lit = effect.framing > 1, effect.light_auto
        self._matte, self._compositor = matte, Compositor(render_matte, edge=effect.edge)

    def sample(self, frame: Frame) -> Sample:
        """Raises what ``matte`` raises."""
        matte = self._compositor.shown_matte(self._matte(frame))
        person = locate_person(matte.alpha) if self._framed else None
        need = measure_need(frame, matte) if self._lit else None
        return Sample.of(frame.pts, person, need)
