"""Renders several files. Their segments and photos are tasks of the same workers, and a failed file does not stop the others."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from livebg.config.settings import Settings
from livebg.errors import Cancelled, LivebgError
from livebg.factory import build_effect
from livebg.rendering.jobs import Job
from livebg.rendering.outputs import check_background, video_encoding
from livebg.rendering.photo_render import PhotoRender, remove_leftovers
from livebg.rendering.reporters import QuietReporter
from livebg.rendering.running_render import Render, RunningRender, TaskProgress
from livebg.rendering.video_plan import RenderOptions
from livebg.rendering.video_render import VideoRender
from livebg.rendering.worker import ModelUnavailable, Task, Workers
from livebg.sinks.atomic_file import writing
from livebg.sinks.codecs import plan_encoder

_LOG: Final = logging.getLogger(__name__)
_SEVERITY: Final = (0, 3, 4, 2, 5, 1, 130)
"""Exit codes from best to worst: a batch exits with the worst code of its jobs."""
_PROGRESS_INTERVAL_S: Final = 0.1
_PHOTOS_PER_PROCESS: Final = 4
"""A process takes as long to start as a few photos take to render."""


class BatchRenderer:
    """Renders jobs with ``count`` workers, which ``open_workers`` starts when the first job is ready.

    If the network cannot be loaded, the error is reported once and the remaining jobs are skipped. Subfolders of the output are
    created when needed.
    """

    def __init__(
        self,
        settings: Settings,
        options: RenderOptions,
        reporter: QuietReporter,
        open_workers: Callable[[int], Workers],
        count: int,
    ) -> None:
        self._settings, self._options = settings, options
        self._reporter = reporter
        self._open_workers, self._count = open_workers, count
        self._running: list[RunningRender] = []
        self._codes: list[int] = []
        self._kept: list[str] = []
        self._model_failed = False
        self._created_folders: list[Path] = []

    def check(self, jobs: Sequence[Job]) -> None:
        """Raise :class:`~livebg.errors.ConfigError` early, for an encoding that the videos of ``jobs`` cannot have, or for an
        unreadable background.
        """
        if self._options.consent is None:
            build_effect(self._settings)
        encoding = video_encoding(self._settings, self._options.consent)
        for output in {job.output.suffix.lower(): job.output for job in jobs if not (job.is_photo or job.error)}.values():
            plan_encoder(encoding, output)

    def run(self, jobs: Sequence[Job]) -> int:
        """Render all jobs. Returns the worst exit code of the jobs; 130 if the user stopped the batch."""
        waiting = deque(jobs)
        remove_leftovers([job.output for job in jobs if job.is_photo])
        self._reporter.planned(jobs)
        try:
            with ExitStack() as opened:
                workers: Workers | None = None
                while waiting or self._running:
                    while waiting and (workers is None or self._open_tasks < 2 * workers.count):
                        render = self._start(waiting[0])
                        if render is not None:
                            if workers is None:
                                count = min(self._count, max(render.parts, _useful_processes(jobs)))
                                workers = opened.enter_context(self._open_workers(count))
                            self._submit(workers, RunningRender(render))
                        waiting.popleft()  # not before: an interrupt while it starts must find it here
                    if workers is not None:
                        self._collect(workers)
        except KeyboardInterrupt:
            self._interrupt(len(waiting))
        self._remove_empty_folders()
        worst = max(self._codes, key=_SEVERITY.index, default=0)
        self._reporter.ended(jobs, self._codes.count(0), worst, self._kept)
        return worst

    @property
    def _open_tasks(self) -> int:
        return sum(len(running.tasks) for running in self._running)

    def _start(self, job: Job) -> Render | None:
        """Open a job; None if that fails, which is reported."""
        try:
            if job.error:
                raise job.error
            if self._model_failed and self._options.consent is None:
                raise ModelUnavailable("The network failed to load in another job.")
            if self._options.consent is None:
                check_background(job, self._settings)
            self._make_folder(job)
            if job.is_photo:
                return PhotoRender(job, self._settings, self._options)
            return VideoRender(job, self._settings, self._options, self._reporter.note)
        except Exception as error:  # noqa: BLE001 - a bug that concerns one file must not stop the others
            self._report(job, error)
            return None

    def _submit(self, workers: Workers, running: RunningRender, tasks: Iterable[Task[Any]] | None = None) -> None:
        """Submit the tasks of a render, by default those to begin with."""
        if tasks is None:
            self._running.append(running)
            self._reporter.started(running.render.job, running.render.total, running.render.done)
            tasks = running.render.begin()
        for task in tasks:
            observer = TaskProgress(running.render.label(task), self._reporter.retried)
            running.last = workers.submit(task, observer, running.last)
            running.tasks[running.last] = observer

    def _collect(self, workers: Workers) -> None:
        """Wait for tasks, and go on with the renders whose tasks are done."""
        futures = {future for running in self._running for future in running.tasks}
        done = wait(futures, _PROGRESS_INTERVAL_S, FIRST_COMPLETED).done if futures else set()
        for running in list(self._running):
            for future in done & running.tasks.keys():
                del running.tasks[future]
                self._add(workers, running, future)
            if running.frames != running.reported:
                running.reported = running.frames
                report = self._reporter.advanced if running.render.is_analyzed else self._reporter.analyzed
                report(running.render.job, running.reported)
            if not running.tasks and (running.error or running.render.is_complete):
                self._end(running)
                self._running.remove(running)  # not before: an interrupt while it ends must find it here

    def _add(self, workers: Workers, running: RunningRender, future: Future[Any]) -> None:
        if future.cancelled():
            return
        try:
            further = running.render.add(future.result())
        except Exception as error:  # noqa: BLE001 - reported when the other tasks of the file have ended
            running.error = running.error or error
            for other in list(running.tasks):
                other.cancel()
        else:
            if running.error is None:
                self._submit(workers, running, further)

    def _end(self, running: RunningRender) -> None:
        """Complete the output of a render, or report its error."""
        error, render = running.error, running.render
        if error is None:
            try:
                self._reporter.finished(render.finish())
                self._codes.append(0)
                return
            except Exception as failure:  # noqa: BLE001 - as above
                error = failure
        self._report(render.job, error)
        sentence = render.stop()  # a full disk or a disk that was unplugged need not cost the work so far
        if sentence:
            self._reporter.note(sentence)

    def _report(self, job: Job, error: BaseException) -> None:
        self._codes.append(error.exit_code if isinstance(error, LivebgError) else LivebgError.exit_code)
        repeated = isinstance(error, ModelUnavailable) and self._model_failed
        self._model_failed = self._model_failed or isinstance(error, ModelUnavailable)
        if not repeated and not isinstance(error, Cancelled):
            _LOG.debug("%s", job.input, exc_info=error)
            self._reporter.failed(job, error)

    def _interrupt(self, waiting: int) -> None:
        """Keep what is finished, after the workers have stopped."""
        if not self._running:
            self._kept.append("Nothing was removed.")
        for running in self._running:
            for future in running.tasks:
                with suppress(BaseException):
                    running.render.add(future.result(timeout=0))
            sentence = running.render.stop()
            if sentence:
                self._kept.append(sentence)
        self._codes += [Cancelled.exit_code] * (waiting + len(self._running))

    def _make_folder(self, job: Job) -> None:
        folder = job.output.parent
        with writing(job.output), suppress(FileExistsError):
            missing = [each for each in (folder, *folder.parents) if not each.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            self._created_folders += missing

    def _remove_empty_folders(self) -> None:
        """Remove the created folders that are empty."""
        for folder in sorted(self._created_folders, reverse=True):
            with suppress(OSError):
                folder.rmdir()


def _useful_processes(jobs: Sequence[Job]) -> int:
    photos = sum(job.is_photo for job in jobs)
    return len(jobs) - photos + photos // _PHOTOS_PER_PROCESS
