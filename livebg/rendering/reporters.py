"""Reports of a render as text, printed on consoles that the command line passes in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.markup import escape

from livebg.errors import Cancelled, LivebgError
from livebg.rendering.jobs import Job, JobResult
from livebg.rendering.progress import RenderProgress
from livebg.rendering.progress_bar import ProgressBar
from livebg.rendering.report_text import (
    MAX_NAMED,
    count_files,
    error_message,
    listed,
    retry_message,
    stop_message,
    summary_line,
)


class QuietReporter:
    """Prints errors only. Its methods are called from several threads.

    ``planned`` is called first, once. Each started job is reported as ``finished`` or ``failed``, unless the user stops it.
    ``ended`` is called once, last.
    """

    def __init__(self, errors: Console) -> None:
        self._errors = errors
        self._failures: list[tuple[Job, str, int]] = []

    def skipped(self, files: Sequence[Path]) -> None:
        """Report files in the input folders that are not rendered."""

    def existing(self, jobs: Sequence[Job]) -> None:
        """Report jobs that are not run because their outputs exist."""

    def planned(self, jobs: Sequence[Job]) -> None:
        """All jobs that will be run, for an estimate of the whole."""

    def warn(self, sentence: str) -> None:
        """Report what the user must know, also with ``--quiet``."""
        self._errors.print(escape(sentence), soft_wrap=True)

    def started(self, job: Job, total: int | None, resumed: int = 0) -> None:
        """A job starts. It has ``total`` frames, if known, of which an earlier run has finished ``resumed``."""

    def analyzed(self, job: Job, frames: int) -> None:
        """``frames`` frames of the job are analyzed, before any is done."""

    def advanced(self, job: Job, frames: int) -> None:
        """``frames`` frames of the job are done, ``resumed`` ones included; fewer than before if a part is tried again."""

    def retried(self, label: str, error: Exception) -> None:
        """A task failed with ``error`` and is tried again. ``label`` names it, as ``Segment 3 (0:30 to 0:40) of talk.mp4``."""

    def note(self, sentence: str) -> None:
        """Report what is worth knowing and no error."""

    def finished(self, summary: JobResult) -> None: ...

    def failed(self, job: Job, error: BaseException) -> None:
        message = error_message(error, job)
        code = error.exit_code if isinstance(error, LivebgError) else LivebgError.exit_code
        self._failures.append((job, message, code))
        self._error(message)

    def ended(self, jobs: Sequence[Job], done: int, exit_code: int, kept: Sequence[str] = ()) -> None:
        """All jobs have ended, of which ``done`` succeeded. ``kept`` are sentences on what remains if the user stopped them."""
        if exit_code == Cancelled.exit_code:
            self._error(stop_message(jobs, done, kept))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def _error(self, text: str) -> None:
        self._errors.print(f"[red]livebg:[/] {escape(text)}", soft_wrap=True)


class BarReporter(QuietReporter):
    """Shows one progress bar for all files on a terminal, and prints one or more lines per finished job."""

    def __init__(self, errors: Console) -> None:
        super().__init__(errors)
        self._progress = RenderProgress()
        self._bar = ProgressBar(self._progress, errors)

    def skipped(self, files: Sequence[Path]) -> None:
        self._line(f"Skipped {count_files(files)} in other formats: {listed([str(file) for file in files])}")

    def existing(self, jobs: Sequence[Job]) -> None:
        self._line(f"Skipped {count_files(jobs)} whose output exists.")

    def planned(self, jobs: Sequence[Job]) -> None:
        self._progress.plan(jobs)
        self._bar.refresh()

    def started(self, job: Job, total: int | None, resumed: int = 0) -> None:
        if job.note and not job.is_photo:  # a photo is read by its task, which may fail
            self._line(f"{job.input}: {job.note}")
        if resumed:
            self._line(f"{job.input}: continued after {resumed} of {total} frames")
        self._progress.start(job, total, resumed)

    def analyzed(self, job: Job, frames: int) -> None:
        self._progress.analyze(job, frames)

    def advanced(self, job: Job, frames: int) -> None:
        self._progress.advance(job, frames)

    def retried(self, label: str, error: Exception) -> None:
        self._line(retry_message(label, error))

    def note(self, sentence: str) -> None:
        self._line(sentence)

    def finished(self, summary: JobResult) -> None:
        self._progress.end(summary.job)
        if summary.job.note and summary.job.is_photo:
            self._line(f"{summary.job.input}: {summary.job.note}")
        self._line(summary_line(summary))
        for note in summary.notes:
            self._line(f"  {note}")

    def failed(self, job: Job, error: BaseException) -> None:
        self._progress.end(job)
        super().failed(job, error)

    def ended(self, jobs: Sequence[Job], done: int, exit_code: int, kept: Sequence[str] = ()) -> None:
        self._bar.stop()
        # In a shorter batch the errors are still in view.
        if self._failures and len(jobs) > MAX_NAMED:
            self._line(f"{len(self._failures)} of {count_files(jobs)} failed:")
            for job, message, _ in self._failures[:MAX_NAMED]:
                self._line(f"  {message if str(job.input) in message else f'{job.input}: {message}'}")
            if len(self._failures) > MAX_NAMED:
                self._line(f"  and {len(self._failures) - MAX_NAMED} more")
        super().ended(jobs, done, exit_code, kept)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()

    def _line(self, text: str) -> None:
        self._errors.print(text, soft_wrap=True, markup=False)
