"""Telling people, or programs, how a render goes. What is printed goes to consoles that the command line hands in."""

import json
import threading
import time
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from livebg.batch import Summary
from livebg.errors import LivebgError
from livebg.jobs import Job

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
        self._errors.print(f"[red]livebg:[/] {escape(sentence(error, job))}", soft_wrap=True)


class BarReporter(QuietReporter):
    """A bar for each file under way, and a line or two for each that is done."""

    def __init__(self, errors: Console) -> None:
        super().__init__(errors)
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Fps(), TimeRemainingColumn(), console=errors
        )
        self._tasks: dict[Job, TaskID] = {}

    def started(self, job: Job, total: int | None) -> None:
        if job.note:
            self.progress.console.print(f"{escape(str(job.input))}: {escape(job.note)}", soft_wrap=True)
        self._tasks[job] = self.progress.add_task(escape(job.input.name), total=total)

    def advanced(self, job: Job, frames: int) -> None:
        self.progress.update(self._tasks[job], completed=frames)

    def finished(self, summary: Summary) -> None:
        self._remove(summary.job)
        self.progress.console.print(escape(_line(summary)), soft_wrap=True, highlight=False)
        for note in summary.notes:
            self.progress.console.print(f"  {escape(note)}", soft_wrap=True, highlight=False)

    def failed(self, job: Job, error: BaseException) -> None:
        self._remove(job)
        super().failed(job, error)

    def _remove(self, job: Job) -> None:
        task = self._tasks.pop(job, None)
        if task is not None:
            self.progress.remove_task(task)


class JsonReporter(QuietReporter):
    """One JSON object a line: ``started``, ``progress``, ``error``, ``done``, and after several files ``summary``."""

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
        self._say({"event": "done", "input": str(summary.job.input), **_facts([summary]), "notes": list(summary.notes)})

    def failed(self, job: Job, error: BaseException) -> None:
        super().failed(job, error)
        code = error.exit_code if isinstance(error, LivebgError) else LivebgError.exit_code
        self._say({"event": "error", "input": str(job.input), "error": sentence(error, job), "exit_code": code})

    def summarize(self) -> None:
        """After several files: the sum of those that were done, the last line."""
        self._say({"event": "summary", "files": len(self._done), **_facts(self._done)})

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


def _line(summary: Summary) -> str:
    done, size = summary.rendered, summary.input_size
    network = f", {summary.model} at {size[0]}x{size[1]} on {summary.provider}" if size else ""
    frames = f"{done.frames} frame{'' if done.frames == 1 else 's'}"
    return f"{summary.job.output}: {frames} in {done.seconds:.1f} s, {done.fps:.1f} fps{network}"


def _facts(done: list[Summary]) -> dict[str, Any]:
    frames = sum(each.rendered.frames for each in done)
    seconds = sum(each.rendered.seconds for each in done)
    first = done[0] if done else None
    size = first.input_size if first else None
    outputs = [str(each.job.output) for each in done]
    return {
        "frames": frames,
        "seconds": round(seconds, 3),
        "fps": round(frames / seconds, 2) if seconds else 0.0,
        "model": first.model if first else None,
        "provider": first.provider if first else None,
        "input_size": f"{size[0]}x{size[1]}" if size else None,
        "output": outputs[0] if len(outputs) == 1 else outputs,
    }
