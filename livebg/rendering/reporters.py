"""Telling people, or programs, how a render goes. What is printed goes to consoles that the command line hands in."""

import json
import threading
import time
from collections.abc import Sequence
from typing import Any, Final, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from livebg.errors import LivebgError, Stopped
from livebg.rendering.batch import Summary
from livebg.rendering.jobs import Job

_JSON_INTERVAL: Final = 0.5
"""Seconds between two progress lines of one job."""


class QuietReporter:
    """Errors alone."""

    def __init__(self, errors: Console) -> None:
        self._errors = errors

    def started(self, job: Job, total: int | None) -> None: ...

    def advanced(self, job: Job, frames: int) -> None: ...

    def finished(self, summary: Summary) -> None: ...

    def failed(self, job: Job, error: BaseException) -> None:
        self._error(sentence(error, job))

    def ended(self, jobs: Sequence[Job], done: int, exit_code: int) -> None:
        if exit_code == Stopped.exit_code:
            self._error(_stop_sentence(jobs, done))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def _error(self, text: str) -> None:
        self._errors.print(f"[red]livebg:[/] {escape(text)}", soft_wrap=True)


class BarReporter(QuietReporter):
    """A bar for each file under way, where somebody can see it, and a line or two for each that is done."""

    def __init__(self, errors: Console) -> None:
        super().__init__(errors)
        name = TextColumn("{task.description}", markup=False)
        columns = (name, BarColumn(), MofNCompleteColumn(), _Fps(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
        self._tasks: dict[Job, TaskID] = {}

    def started(self, job: Job, total: int | None) -> None:
        if job.note:
            self._line(f"{job.input}: {job.note}")
        self._tasks[job] = self._progress.add_task(job.input.name, total=total)

    def advanced(self, job: Job, frames: int) -> None:
        self._progress.update(self._tasks[job], completed=frames)

    def finished(self, summary: Summary) -> None:
        self._remove(summary.job)
        self._line(_summary_line(summary))
        for note in summary.notes:
            self._line(f"  {note}")

    def failed(self, job: Job, error: BaseException) -> None:
        self._remove(job)
        super().failed(job, error)

    def ended(self, jobs: Sequence[Job], done: int, exit_code: int) -> None:
        for job in jobs:
            self._remove(job)
        super().ended(jobs, done, exit_code)

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
    """One JSON object a line: ``started``, ``progress``, ``error``, ``done``, ``stopped``, and after several files ``summary``.

    The errors are told to people as well.
    """

    def __init__(self, output: Console, errors: Console) -> None:
        super().__init__(errors)
        self._output = output
        self._lock = threading.Lock()
        self._spoken: dict[Job, float] = {}
        self._totals: dict[Job, int | None] = {}
        self._done: list[Summary] = []

    def started(self, job: Job, total: int | None) -> None:
        self._totals[job] = total
        self._say({"event": "started", "input": str(job.input), "output": str(job.output), "total": total, "note": job.note})

    def advanced(self, job: Job, frames: int) -> None:
        now = time.monotonic()
        if now - self._spoken.get(job, 0.0) >= _JSON_INTERVAL:
            self._spoken[job] = now
            self._say({"event": "progress", "input": str(job.input), "frames": frames, "total": self._totals[job]})

    def finished(self, summary: Summary) -> None:
        self._done.append(summary)
        job, notes = summary.job, list(summary.notes)
        self._say({"event": "done", "input": str(job.input), **_facts([summary]), "output": str(job.output), "notes": notes})

    def failed(self, job: Job, error: BaseException) -> None:
        super().failed(job, error)
        code = error.exit_code if isinstance(error, LivebgError) else LivebgError.exit_code
        self._say({"event": "error", "input": str(job.input), "error": sentence(error, job), "exit_code": code})

    def ended(self, jobs: Sequence[Job], done: int, exit_code: int) -> None:
        super().ended(jobs, done, exit_code)
        if exit_code == Stopped.exit_code:
            self._say({"event": "stopped", "error": _stop_sentence(jobs, done), "exit_code": exit_code})
        if len(jobs) > 1:
            outputs = [str(summary.job.output) for summary in self._done]
            self._say({"event": "summary", "files": done, **_facts(self._done), "output": outputs})

    def _say(self, fact: dict[str, Any]) -> None:
        with self._lock:
            self._output.print(json.dumps(fact), soft_wrap=True, highlight=False, markup=False)


class _Fps(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:5.1f} fps")


def sentence(error: BaseException, job: Job) -> str:
    """What to tell a person of an error: its own words, or for a defect where to find more."""
    if isinstance(error, LivebgError):
        return str(error)
    kind = type(error).__name__
    return f"{job.input}: an internal error ({kind}: {error}): run again with -v for the details and report it"


def _stop_sentence(jobs: Sequence[Job], done: int) -> str:
    if len(jobs) == 1:
        return f"stopped, and the unfinished {jobs[0].output} was removed"
    return f"stopped after {done} of {len(jobs)} files, and what was unfinished was removed"


def _summary_line(summary: Summary) -> str:
    done, size = summary.rendered, summary.input_size
    network = f", {summary.model} at {size[0]}x{size[1]} on {summary.provider}" if size else ""
    frames = f"{done.frames} frame{'' if done.frames == 1 else 's'}"
    return f"{summary.job.output}: {frames} in {done.seconds:.1f} s, {done.fps:.1f} fps{network}"


def _facts(done: list[Summary]) -> dict[str, Any]:
    frames = sum(each.rendered.frames for each in done)
    seconds = sum(each.rendered.seconds for each in done)
    first = done[0] if done else None
    size = first.input_size if first else None
    return {
        "frames": frames,
        "seconds": round(seconds, 3),
        "fps": round(frames / seconds, 2) if seconds else 0.0,
        "model": first.model if first else None,
        "provider": first.provider if first else None,
        "input_size": f"{size[0]}x{size[1]}" if size else None,
    }
