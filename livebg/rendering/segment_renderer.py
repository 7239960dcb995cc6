"""Renders one segment of a video: decodes it with a warm-up, mattes and composites its frames, encodes them."""

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from livebg.clock import one_opencv_thread
from livebg.compositing.composite import Consent
from livebg.compositing.effect_track import Timeline
from livebg.config.settings import Settings
from livebg.factory import build_compositor, build_pipeline
from livebg.imaging.frame import Composite, Frame
from livebg.pipeline import Passthrough, Pipeline
from livebg.rendering.augmented_segmenter import augmented_for_video
from livebg.rendering.extra_outputs import OutputKind
from livebg.rendering.job_files import segment_file
from livebg.rendering.jobs import Job, NetworkInfo
from livebg.rendering.matting import Matting, matting
from livebg.rendering.outputs import build_outputs, job_outputs
from livebg.rendering.segments import Segment, SegmentFile, SegmentResult
from livebg.rendering.worker import Worker
from livebg.sinks.atomic_file import writing
from livebg.sinks.codecs import Encoding, plan_encoder
from livebg.sinks.segment_file import SegmentWriter, written_format
from livebg.sources.file import FileSource
from livebg.sources.matte_index import MatteIndex
from livebg.sources.normalizer import InputFormat
from livebg.sources.stored_matte import StoredMatte


@dataclass(frozen=True, slots=True)
class SegmentTask:
    """Renders ``segment`` of the input of ``job`` into ``folder``: the same bytes in any process, at any time and in any order.

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
        return render_segment(self, worker)


def render_segment(task: SegmentTask, worker: Worker) -> SegmentResult:
    """Render the segment of ``task`` into its folder. On any error none of its files remains.

    Raises :class:`~livebg.errors.SourceError`, :class:`~livebg.errors.SinkError`, :class:`~livebg.errors.ModelError`, and
    :class:`~livebg.errors.Cancelled` if the worker was stopped.
    """
    segment = task.segment
    with (
        one_opencv_thread(),
        FileSource(task.job.input, task.start, task.end, threads=1, like=task.input_format) as source,
        _SegmentFiles(task, source) as files,
    ):
        frames = _Frames(task, worker)
        for frame, composites in frames.composites(source):
            files.write(frame, composites)
            worker.advance(1)
        notes, damage = source.conversions, source.damage(segment.begin, segment.end)
        return SegmentResult(segment.index, tuple(files.pts), files.finish(), notes, damage, frames.network)


class _Frames:
    """Turns the segment's frames into composites, one per output."""

    def __init__(self, task: SegmentTask, worker: Worker) -> None:
        self._task, self._worker = task, worker
        self.network: NetworkInfo | None = None

    def composites(self, source: FileSource) -> Iterator[tuple[Frame, Mapping[OutputKind, Composite]]]:
        """Yield the segment's own frames with their composites by output."""
        task = self._task
        if task.consent is not None:
            passthrough = Passthrough(task.consent)
            for frame in filter(self._is_own, source):
                yield frame, {OutputKind.VIDEO: passthrough.process(frame).composite}
            return
        with ExitStack() as opened:
            if task.matte is not None:
                compositor = build_compositor(task.settings, timeline=task.timeline)
                mattes: Matting = opened.enter_context(StoredMatte(task.matte))
            else:
                pipeline = self._pipeline(source)
                compositor, smoothing = pipeline.compositor, task.settings.smoothing
                mattes = matting(pipeline, smoothing.temporal, smoothing.time_constant)
            outputs = build_outputs(task.settings, compositor, task.job.extras, task.timeline)
            for frame, matte in mattes.mattes(source, self._is_own):
                yield frame, outputs.composites(frame, matte)

    def _pipeline(self, source: FileSource) -> Pipeline:
        settings = self._task.settings
        segmenter = augmented_for_video(self._worker.segmenter(settings), settings)
        size = segmenter.input_size(source.format.width, source.format.height)
        self.network = NetworkInfo(segmenter.name, segmenter.provider, size)
        return build_pipeline(settings, segmenter, timeline=self._task.timeline)

    def _is_own(self, frame: Frame) -> bool:
        return self._task.segment.contains(frame.pts)


class _SegmentFiles:
    """The files of a segment, one per output, which get their names when all of them are complete."""

    def __init__(self, task: SegmentTask, source: FileSource) -> None:
        self.pts: list[int] = []
        """The times of the frames written, in ticks of the source's time base."""
        self._task, self._source, self._outputs = task, source, task.outputs
        self._writers: dict[OutputKind, SegmentWriter] = {}
        self._parts: dict[OutputKind, Path] = {}

    def __enter__(self) -> "_SegmentFiles":
        try:
            for key, (output, encoding) in self._outputs.items():
                self._parts[key] = part = self._task.folder / f"{self._name(key)}.{secrets.token_hex(4)}.part"
                plan, shown = plan_encoder(encoding, output), written_format(self._source.format, encoding.content)
                self._writers[key] = SegmentWriter(part, plan, shown, self._source.time_base, shown_as=output)
        except BaseException:
            self.__exit__()
            raise
        return self

    def write(self, frame: Frame, composites: Mapping[OutputKind, Composite]) -> None:
        """Write a frame's composite to each output."""
        self.pts.append(frame.pts)
        for key, writer in self._writers.items():
            writer.write(composites[key], frame.pts)

    def finish(self) -> dict[str, SegmentFile]:
        """Complete the files and rename them. Returns them by output."""
        for writer in self._writers.values():
            writer.close()
        return {str(key): self._rename(key, part) for key, part in self._parts.items()}

    def __exit__(self, *exc: object) -> None:
        """Remove what is not complete."""
        for writer in self._writers.values():
            writer.abort()
        for part in self._parts.values():
            part.unlink(missing_ok=True)

    def _name(self, key: OutputKind) -> str:
        return segment_file(self._task.segment.index, key, self._outputs[key][0].suffix.lower())

    def _rename(self, key: OutputKind, part: Path) -> SegmentFile:
        with writing(self._outputs[key][0]):
            with part.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = part.stat().st_size
            part.replace(self._task.folder / self._name(key))
        return SegmentFile(self._name(key), size, digest)
