"""Progress reports of a render, as text or JSON, printed on consoles that the command line passes in."""

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from livebg.errors import Cancelled, LivebgError
from livebg.rendering.jobs import Job, JobResult

_JSON_INTERVAL_S: Final = 0.5
"""Minimum time between two progress lines of one job."""

_MAX_SKIPPED_SHOWN: Final = 10
"""Number of skipped files that are listed by name."""


class QuietReporter:
    """Prints errors only. Its methods are called from several threads.

    Each started job is reported as ``finished`` or ``failed``, unless the user stops it. ``ended`` is called once, last, with the
    number of jobs that succeeded and the exit code.
    """

    def __init__(self, errors: Console) -> None:
        self._errors = errors

    def skipped(self, files: Sequence[Path]) -> None:
        """Report files in the input folders that are not rendered."""

    def note(self, sentence: str) -> None: ...

    def warn(self, sentence: str) -> None:
        """Report what the user must know, also with ``--quiet``."""
        self._errors.print(escape(sentence), soft_wrap=True)

    def retried(self, label: str, error: Exception) -> None: ...

    def started(self, job: Job, total: int | None) -> None: ...

    def advanced(self, job: Job, frames: int) -> None: ...

    def finished(self, summary: JobResult) -> None: ...

    def failed(self, job: Job, error: BaseException) -> None:
        self._error(error_message(error, job))

    def ended(self, jobs: Sequence[Job], done: int, exit_code: int, kept: Sequence[str] = ()) -> None:
        if exit_code == Cancelled.exit_code:
            self._error(" ".join((_stop_sentence(jobs, done), *kept)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def _error(self, text: str) -> None:
        self._errors.print(f"[red]livebg:[/] {escape(text)}", soft_wrap=True)


class BarReporter(QuietReporter):
    """Shows a progress bar per running job on a terminal, and prints one or more lines per finished job."""

    def __init__(self, errors: Console) -> None:
        super().__init__(errors)
        name = TextColumn("{task.description}", markup=False)
        columns = (name, BarColumn(), MofNCompleteColumn(), _Fps(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
        self._tasks: dict[Job, TaskID] = {}

    def note(self, sentence: str) -> None:
        self._line(sentence)

    def retried(self, label: str, error: Exception) -> None:
        self._line(f"{label} failed and is tried again: {error}")

    def skipped(self, files: Sequence[Path]) -> None:
        names = [str(file) for file in files]
        more = len(names) - _MAX_SKIPPED_SHOWN
        listed = ", ".join(names[:_MAX_SKIPPED_SHOWN]) + (f" and {more} more" if more > 0 else "")
        self._line(f"Skipped {len(names)} file{'' if len(names) == 1 else 's'} in other formats: {listed}")

    def started(self, job: Job, total: int | None) -> None:
        if job.note:
            self._line(f"{job.input}: {job.note}")
        self._tasks[job] = self._progress.add_task(job.input.name, total=total)

    def advanced(self, job: Job, frames: int) -> None:
        self._progress.update(self._tasks[job], completed=frames)

    def finished(self, summary: JobResult) -> None:
        self._remove(summary.job)
        self._line(_summary_line(summary))
        for note in summary.notes:
            self._line(f"  {note}")

    def failed(self, job: Job, error: BaseException) -> None:
        self._remove(job)
        super().failed(job, error)

    def ended(self, jobs: Sequence[Job], done: int, exit_code: int, kept: Sequence[str] = ()) -> None:
        for job in jobs:
            self._remove(job)
        super().ended(jobs, done, exit_code, kept)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def _line(self, text: str) -> None:
        self._progress.console.print(text, soft_wrap=True, markup=False)

    def _remove(self, job: Job) -> None:
        task = self._tasks.pop(job, None)
        if task is not None:
            self._progress.remove_task(task)


class JsonReporter(QuietReporter):
    """Prints JSON lines: ``skipped``, ``started``, ``progress``, ``error``, ``done``, ``stopped``; for several files ``summary``.

    Errors are also printed as text on standard error.
    """

    def __init__(self, output: Console, errors: Console) -> None:
        super().__init__(errors)
        self._output = output
        self._lock = threading.Lock()
        self._last_emit: dict[Job, float] = {}
        self._totals: dict[Job, int | None] = {}
        self._done: list[JobResult] = []

    def skipped(self, files: Sequence[Path]) -> None:
        self._emit({"event": "skipped", "files": [str(file) for file in files]})

    def started(self, job: Job, total: int | None) -> None:
        self._totals[job] = total
        self._emit({"event": "started", "input": str(job.input), "output": str(job.output), "total": total, "note": job.note})

    def advanced(self, job: Job, frames: int) -> None:
        now = time.monotonic()
        if now - self._last_emit.get(job, 0.0) >= _JSON_INTERVAL_S:
            self._last_emit[job] = now
            self._emit({"event": "progress", "input": str(job.input), "frames": frames, "total": self._totals[job]})

    def finished(self, summary: JobResult) -> None:
        self._done.append(summary)
        job, notes = summary.job, list(summary.notes)
        self._emit({"event": "done", "input": str(job.input), **_stats([summary]), "output": str(job.output), "notes": notes})

    def failed(self, job: Job, error: BaseException) -> None:
        super().failed(job, error)
        code = error.exit_code if isinstance(error, LivebgError) else LivebgError.exit_code
        self._emit({"event": "error", "input": str(job.input), "error": error_message(error, job), "exit_code": code})

    def ended(self, jobs: Sequence[Job], done: int, exit_code: int, kept: Sequence[str] = ()) -> None:
        super().ended(jobs, done, exit_code, kept)
        if exit_code == Cancelled.exit_code:
            self._emit({"event": "stopped", "error": _stop_sentence(jobs, done), "exit_code": exit_code})
        if len(jobs) > 1:
            outputs = [str(summary.job.output) for summary in self._done]
            self._emit({"event": "summary", "files": done, **_stats(self._done), "output": outputs})

    def _emit(self, event: dict[str, Any]) -> None:
        with self._lock:
            self._output.print(json.dumps(event), soft_wrap=True, highlight=False, markup=False)


class _Fps(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:5.1f} fps")


def error_message(error: BaseException, job: Job) -> str:
    """Returns the message of an error; for an internal error, with advice on how to report it."""
    if isinstance(error, LivebgError):
        return str(error)
    kind = type(error).__name__
    return f"{job.input}: internal error ({kind}: {error}). Run again with -v for details and report it."


def _stop_sentence(jobs: Sequence[Job], done: int) -> str:
    if len(jobs) == 1:
        return f"Stopped. The unfinished {jobs[0].output} was removed."
    return f"Stopped after {done} of {len(jobs)} files. Unfinished outputs were removed."


def _summary_line(summary: JobResult) -> str:
    frames = f"{summary.frames} frame{'' if summary.frames == 1 else 's'}"
    network = ""
    if summary.network:
        width, height = summary.network.input_size
        network = f", {summary.network.model} at {width}x{height} on {summary.network.provider}"
    return f"{summary.job.output}: {frames} in {summary.seconds:.1f} s, {_fps(summary.frames, summary.seconds):.1f} fps{network}"


def _stats(done: list[JobResult]) -> dict[str, Any]:
    frames, seconds = sum(each.frames for each in done), sum(each.seconds for each in done)
    network = done[0].network if done else None
    return {
        "frames": frames,
        "seconds": round(seconds, 3),
        "fps": round(_fps(frames, seconds), 2),
        "model": network.model if network else None,
        "provider": network.provider if network else None,
        "input_size": "{}x{}".format(*network.input_size) if network else None,
    }


def _fps(frames: int, seconds: float) -> float:
    return frames / seconds if seconds else 0.0
