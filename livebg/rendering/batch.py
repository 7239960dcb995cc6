"""Renders several files, in parallel if requested. Each file is one job, and a failed job does not stop the others."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Final

from livebg.compositing.backgrounds import StillBackground
from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.errors import Cancelled, LivebgError, ModelError
from livebg.factory import build_background, build_effect, build_encoding, build_light, build_pipeline
from livebg.interfaces import Background, Segmenter
from livebg.pipeline import Passthrough, Pipeline
from livebg.rendering.jobs import Job, JobResult, NetworkInfo
from livebg.rendering.lookahead import LookaheadFilter
from livebg.rendering.loop import VideoProcessor, render
from livebg.rendering.photo import Photo, check_suffix, render_photo, write_photo
from livebg.rendering.reporters import QuietReporter
from livebg.sinks.atomic_file import AtomicFile, writing
from livebg.sinks.codecs import plan_encoder
from livebg.sinks.file import FileSink
from livebg.sinks.stream_selection import CopyOptions
from livebg.sources.file import FileSource

_LOG: Final = logging.getLogger(__name__)
_SEVERITY: Final = (0, 3, 4, 2, 5, 1, 130)
"""Exit codes from best to worst: a batch exits with the worst code of its jobs."""


class BatchRenderer:
    """Renders jobs with one shared network, which is loaded after the first input has been opened.

    If the network cannot be loaded, the error is reported once and the remaining jobs are skipped. Subfolders of the output are
    created when needed. ``overwrite`` replaces existing outputs. ``consent`` turns the effect off (mode ``none``).
    """

    def __init__(
        self,
        settings: Settings,
        load_segmenter: Callable[[], Segmenter],
        reporter: QuietReporter,
        options: CopyOptions,
        overwrite: bool,
        consent: Consent | None = None,
    ) -> None:
        self._settings = settings
        self._load_segmenter = load_segmenter
        self._reporter = reporter
        self._options, self._overwrite = options, overwrite
        self._consent = consent
        self._segmenter: Segmenter | None = None
        self._model_failed = False
        self._loading = threading.Lock()
        self._stop = threading.Event()
        self._created_folders: list[Path] = []

    def check(self, jobs: Sequence[Job]) -> None:
        """Raise :class:`~livebg.errors.ConfigError` early, for an encoding that the videos of ``jobs`` cannot have, or for an
        unreadable background.
        """
        if self._consent is None:
            build_effect(self._settings)
        encoding = build_encoding(self._settings, self._mode)
        for output in {job.output.suffix.lower(): job.output for job in jobs if not (job.is_photo or job.error)}.values():
            plan_encoder(encoding, output)

    def run(self, jobs: Sequence[Job]) -> int:
        """Render all jobs. Returns the worst exit code of the jobs; 130 if the user stopped the batch."""
        with ThreadPoolExecutor(self._settings.render.jobs, thread_name_prefix="render") as pool:
            futures: list[Future[None]] = []
            try:
                for job in jobs:
                    futures.append(pool.submit(self._run, job))  # noqa: PERF401 - an interrupt keeps those before
                wait(futures)
            except KeyboardInterrupt:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
        codes = [self._exit_code(job, future) for job, future in zip(jobs, futures, strict=False)]
        codes += [Cancelled.exit_code] * (len(jobs) - len(codes))
        self._remove_empty_folders()
        worst = max(codes, key=_SEVERITY.index)
        self._reporter.ended(jobs, codes.count(0), worst)
        return worst

    def _run(self, job: Job) -> None:
        """Run one job. Reports an error immediately and re-raises it for :meth:`_exit_code`."""
        try:
            if job.error:
                raise job.error
            if self._model_failed:
                raise _ModelUnavailable
            self._reporter.finished(self._photo(job) if job.is_photo else self._video(job))
        except (Cancelled, _ModelUnavailable):
            raise
        except LivebgError as error:
            self._reporter.failed(job, error)
            raise

    def _exit_code(self, job: Job, future: Future[None]) -> int:
        if future.cancelled():
            return Cancelled.exit_code
        error = future.exception()
        if error is None:
            return 0
        if isinstance(error, LivebgError):
            return error.exit_code
        _LOG.debug("%s", job.input, exc_info=error)
        self._reporter.failed(job, error)
        return LivebgError.exit_code

    def _video(self, job: Job) -> JobResult:
        with FileSource(job.input, self._options.start, self._options.end) as source, self._sink(job, source) as sink:
            processor, network = self._processor(source.format.width, source.format.height)
            self._reporter.started(job, source.frame_estimate)
            begin, following = time.perf_counter(), self._with_lookahead(processor)
            frames = render(source, sink, following, lambda done: self._reporter.advanced(job, done), self._stop)
        return JobResult(job, frames, time.perf_counter() - begin, network, (*source.notes, *sink.notes))

    def _sink(self, job: Job, source: FileSource) -> FileSink:
        self._make_folder(job)
        return FileSink(
            job.output,
            source.format,
            source.time_base,
            encoding=build_encoding(self._settings, self._mode),
            copy_from=job.input,
            copy_options=self._options,
            overwrite=self._overwrite,
        )

    def _photo(self, job: Job) -> JobResult:
        begin = time.perf_counter()
        photo = Photo(job.input)
        check_suffix(job.output, self._mode)
        self._make_folder(job)
        part = AtomicFile(job.output, overwrite=self._overwrite, not_same_as=job.input)
        try:
            background = self._background()
            processor, network = self._processor(photo.frame.width, photo.frame.height, background)
            self._reporter.started(job, 1)
            still = background if isinstance(background, StillBackground) else None
            image = render_photo(photo, processor, self._mode, still, build_light(self._settings))
            if self._stop.is_set():
                raise Cancelled(f"Stopped before writing {job.output}.")
            write_photo(image, part, job.output)
        finally:
            part.rollback()
        return JobResult(job, 1, time.perf_counter() - begin, network, photo.notes)

    def _background(self) -> Background | None:
        """Returns the background of a photo; None for a mode without one, and for the blurred room."""
        return build_background(self._settings) if self._mode in ("background", "greenscreen") else None

    @property
    def _mode(self) -> str:
        return self._settings.effect.mode if self._consent is None else "none"

    def _processor(
        self, width: int, height: int, background: Background | None = None
    ) -> tuple[Pipeline | Passthrough, NetworkInfo | None]:
        """Returns a new pipeline with the shared network, for one file of this size."""
        if self._consent is not None:
            return Passthrough(self._consent), None
        segmenter = self._loaded_segmenter()
        size = segmenter.input_size(width, height)
        pipeline = build_pipeline(self._settings, segmenter, background=background)
        return pipeline, NetworkInfo(segmenter.name, segmenter.provider, size)

    def _with_lookahead(self, processor: Pipeline | Passthrough) -> VideoProcessor:
        """Returns the processor for a video, which can use future frames; photos cannot."""
        smoothing = self._settings.smoothing
        if smoothing.temporal == "causal" or not smoothing.time_constant or isinstance(processor, Passthrough):
            return processor
        return LookaheadFilter(processor, smoothing.time_constant)

    def _loaded_segmenter(self) -> Segmenter:
        with self._loading:
            if self._segmenter is None:
                if self._model_failed:
                    raise _ModelUnavailable
                try:
                    self._segmenter = self._load_segmenter()
                except ModelError:
                    self._model_failed = True
                    raise
            return self._segmenter

    def _make_folder(self, job: Job) -> None:
        folder = job.output.parent
        with self._loading, writing(job.output), suppress(FileExistsError):
            missing = [each for each in (folder, *folder.parents) if not each.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            self._created_folders += missing

    def _remove_empty_folders(self) -> None:
        """Remove the created folders that are empty."""
        for folder in sorted(self._created_folders, reverse=True):
            with suppress(OSError):
                folder.rmdir()


class _ModelUnavailable(ModelError):
    """The network failed to load in another job, which has reported the error."""

    def __init__(self) -> None:
        super().__init__("The network failed to load in another job.")
