"""Measures what auto-framing and automatic light follow in a video, in parts, before any frame is rendered."""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
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
from livebg.rendering.segments import Segment
from livebg.rendering.worker import Worker
from livebg.segmentation.guided_upsampling import GuidedUpsampler
from livebg.segmentation.temporal_filter import TemporalFilter
from livebg.sources.file import FileSource
from livebg.sources.matte_index import MatteIndex
from livebg.sources.normalizer import InputFormat
from livebg.sources.stored_matte import StoredMatte

SAMPLES_PER_S: Final = 5
"""Rate at which frames are measured. The crop window takes a second to move, the light several."""
PART_SEGMENTS: Final = 3
"""Segments per part of an analysis. A part is decoded from the key frame before it, which costs less in long ones."""
_MARGIN_S: Final = 1.5 / SAMPLES_PER_S
"""Seconds on either side of a part that are decoded. Whether its first frame is measured depends on the one before."""


@dataclass(frozen=True, slots=True)
class AnalysisTask:
    """Measures the frames of ``path`` with ``start <= time < end`` (seconds, see :class:`~livebg.sources.file.FileSource`).

    All frames are decoded, up to five a second are measured: the first one in each fifth of a second. The measurements do not
    depend on the effect's settings. ``matte`` replaces the network. A :class:`~livebg.rendering.worker.Task`, needed only for
    outputs for which :func:`~livebg.rendering.outputs.outputs_need_track` is true.

    With ``part``, only its frames are measured, the same ones as without; ``like`` is the format of the whole input.
    """

    path: Path
    settings: Settings
    start: float | None = None
    end: float | None = None
    matte: MatteIndex | None = None
    part: Segment | None = None
    like: InputFormat | None = None
    folder: ClassVar[Path | None] = None
    """See :class:`~livebg.rendering.worker.SharedTask`."""

    @property
    def inputs(self) -> tuple[Path, ...]:
        """See :class:`~livebg.rendering.worker.SharedTask`."""
        return (self.path, *((self.matte.path,) if self.matte else ()))

    def run(self, worker: Worker) -> Track:
        """Return the track of the range, or the one that is stored with the matte. Reports each frame to ``worker``.

        Raises what :class:`~livebg.sources.file.FileSource` and the worker's network raise, and
        :class:`~livebg.errors.Cancelled` if the user stopped the render.
        """
        if self.matte is not None and (stored := stored_track(self.matte.path, self.settings.effect.framing)):
            return stored
        clock = _SampleClock(worker, self.part)
        source = FileSource(self.path, self.start, self.end, threads=1, like=self.like, select=clock.is_due)
        with source, ExitStack() as opened:
            clock.time_base = source.time_base
            if self.matte is not None:
                matte = opened.enter_context(StoredMatte(self.matte)).matte
            else:
                upsampler = GuidedUpsampler()
                matte = Pipeline(worker.segmenter(self.settings), TemporalFilter(0), upsampler, Compositor(render_matte)).matte
            samples = tuple(_measured(frame, matte(frame)) for frame in source)
        return Track(source.time_base, self.settings.effect.framing, samples)


def analysis_parts(segments: Sequence[Segment]) -> list[Segment]:
    """Return the parts in which a video of those ``segments`` is analyzed. They depend on the video alone."""
    firsts = segments[::PART_SEGMENTS]
    ends = [*(first.begin for first in firsts[1:]), None]
    return [replace(first, index=number, end=ends[number]) for number, first in enumerate(firsts)]


def analyzed_range(part: Segment, origin: Fraction, start: float | None, end: float | None) -> tuple[float | None, float | None]:
    """Return the ``start`` and ``end`` with which a source decodes a part of that range; ``origin`` is the file's."""
    begin = float(part.begin * part.time_base - origin) - _MARGIN_S
    until = math.inf if part.end is None else float(part.end * part.time_base - origin) + _MARGIN_S
    until = until if end is None else min(end, until)
    return (max(start or 0.0, begin) if part.index else start), (None if math.isinf(until) else until)


def joined_track(tracks: Sequence[Track]) -> Track:
    """Return the track of a video from those of all its parts, in any order."""
    ordered = sorted((track for track in tracks if track.samples), key=lambda track: track.samples[0].pts)
    return replace(tracks[0], samples=tuple(chain.from_iterable(track.samples for track in ordered)))


class _SampleClock:
    """Selects the frames that are measured, and reports all those of the part."""

    def __init__(self, worker: Worker, part: Segment | None) -> None:
        self.time_base = Fraction(1)
        self._worker, self._part = worker, part
        self._last: int | None = None

    def is_due(self, pts: int) -> bool:
        own = self._part is None or self._part.contains(pts)
        if own:
            self._worker.advance(1)
        number = math.floor(pts * self.time_base * SAMPLES_PER_S)
        due, self._last = number != self._last, number
        return own and due


def _measured(frame: Frame, matte: Matte) -> Sample:
    return Sample.of(frame.pts, locate_person(matte.alpha), measure_need(frame, matte))
