"""What a worker needs to render one segment, and what it returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from livebg.compositing.composite import Consent
from livebg.compositing.effect_track import Timeline
from livebg.config.settings import Settings
from livebg.factory import build_encoding
from livebg.rendering.extra_outputs import OutputKind
from livebg.rendering.jobs import Job, NetworkInfo
from livebg.rendering.outputs import output_encoding
from livebg.rendering.segments import Segment
from livebg.rendering.worker import Worker
from livebg.sinks.codecs import Encoding
from livebg.sources.matte_index import MatteIndex
from livebg.sources.normalizer import InputFormat


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A finished file of a segment: its ``name`` in the job directory, its size in bytes, and the SHA-256 of its content, hex."""

    name: str
    size: int
    sha256: str

    def path(self, folder: Path) -> Path:
        return folder / self.name


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """A rendered segment.

    ``pts`` are the times of its frames, rising, in ticks of the source's time base. ``files`` holds one file per output of the
    job, by the output's key: ``video``, ``matte``, ``cutout``, ``plate``. All of them have the same frames. ``notes`` are clauses
    on conversions, and ``damage`` counts what was wrong with the source's packets of this segment, by kind.
    """

    index: int
    pts: tuple[int, ...]
    files: Mapping[str, SegmentFile]
    notes: tuple[str, ...]
    damage: Mapping[str, int]
    network: NetworkInfo | None


@dataclass(frozen=True, slots=True)
class SegmentTask:
    """Renders ``segment`` of the input of ``job`` into ``folder``: the same bytes whoever runs it, when and in what order.

    ``start`` and ``end`` are the range in seconds that is decoded. ``input_format`` is that of the whole input. ``timeline`` is
    what the effect depends on besides the frames. ``matte`` replaces the network. ``consent`` turns the effect off.
    """

    job: Job
    segment: Segment
    settings: Settings
    folder: Path
    input_format: InputFormat
    start: float | None
    end: float | None
    timeline: Timeline
    matte: MatteIndex | None = None
    consent: Consent | None = None

    @property
    def inputs(self) -> tuple[Path, ...]:
        """See :class:`~livebg.rendering.worker.SharedTask`."""
        return (self.job.input, *((self.matte.path,) if self.matte else ()))

    @property
    def outputs(self) -> dict[OutputKind, tuple[Path, Encoding]]:
        """The outputs' paths and encodings by kind."""
        return job_outputs(self.job, self.settings, self.consent)

    def run(self, worker: Worker) -> SegmentResult:
        """See :meth:`~livebg.rendering.worker.Task.run`."""
        from livebg.rendering.segment_renderer import render_segment  # imports the network's libraries

        return render_segment(self, worker)


def job_outputs(job: Job, settings: Settings, consent: Consent | None) -> dict[OutputKind, tuple[Path, Encoding]]:
    """Return the paths and encodings of all outputs of ``job`` by kind."""
    video = build_encoding(settings, "none") if consent is not None else output_encoding(settings, OutputKind.VIDEO)
    extras = {extra.kind: (extra.path, output_encoding(settings, extra.kind)) for extra in job.extras}
    return {OutputKind.VIDEO: (job.output, video), **extras}
