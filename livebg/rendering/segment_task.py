"""What a worker needs to render one segment, and what it returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from livebg.compositing.composite import Consent
from livebg.compositing.effect_track import Timeline
from livebg.config.settings import Settings
from livebg.rendering.jobs import NetworkInfo
from livebg.rendering.segments import Segment
from livebg.rendering.worker import Worker
from livebg.sinks.codecs import Encoding
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
    """Renders ``segment`` of the video ``source`` into ``folder``: the same bytes whoever runs it, when and in what order.

    ``start`` and ``end`` are the range in seconds that is decoded. ``input_format`` is that of the whole source. ``outputs`` maps
    each output's key to its path, which selects the container, and its encoding. ``timeline`` is what the effect depends on
    besides the frames. ``consent`` turns the effect off.
    """

    source: Path
    segment: Segment
    settings: Settings
    folder: Path
    outputs: Mapping[str, tuple[Path, Encoding]]
    input_format: InputFormat
    start: float | None
    end: float | None
    timeline: Timeline
    consent: Consent | None = None

    @property
    def inputs(self) -> tuple[Path, ...]:
        """See :class:`~livebg.rendering.worker.SharedTask`."""
        return (self.source,)

    def run(self, worker: Worker) -> SegmentResult:
        """See :meth:`~livebg.rendering.worker.Task.run`."""
        from livebg.rendering.segment_renderer import render_segment  # imports the pipeline, which a plan does not need

        return render_segment(self, worker)
