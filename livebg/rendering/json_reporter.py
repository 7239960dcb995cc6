"""Reports of a render as JSON lines, for scripts."""

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from livebg.errors import Cancelled
from livebg.rendering.jobs import Job, JobResult
from livebg.rendering.progress import RenderProgress
from livebg.rendering.report_text import rate, retry_message, stop_message
from livebg.rendering.reporters import QuietReporter

_JSON_INTERVAL_S: Final = 0.5
"""Minimum time between two progress lines of one job."""


class JsonReporter(QuietReporter):
    """Prints JSON lines, which `livebg help json` describes. Errors are also printed as text on standard error."""

    def __init__(self, output: Console, errors: Console) -> None:
        super().__init__(errors)
        self._output = output
        self._lock = threading.Lock()
        self._progress = RenderProgress()
        self._last_emit: dict[Job, float] = {}
        self._totals: dict[Job, int | None] = {}
        self._done: list[JobResult] = []
        self._existing = 0

    def skipped(self, files: Sequence[Path]) -> None:
        self._emit({"event": "skipped", "files": [str(file) for file in files]})

    def existing(self, jobs: Sequence[Job]) -> None:
        self._existing = len(jobs)
        self._emit({"event": "existing", "files": [str(job.input) for job in jobs]})

    def planned(self, jobs: Sequence[Job]) -> None:
        self._progress.plan(jobs)

    def started(self, job: Job, total: int | None, resumed: int = 0) -> None:
        self._totals[job] = total
        self._progress.start(job, total, resumed)
        names = {"input": str(job.input), "output": str(job.output)}
        self._emit({"event": "started", **names, "total": total, "resumed": resumed, "note": job.note})

    def analyzed(self, job: Job, frames: int) -> None:
        self._progress.analyze(job, frames)
        self._report_progress(job, 0)

    def advanced(self, job: Job, frames: int) -> None:
        self._progress.advance(job, frames)
        self._report_progress(job, frames)

    def _report_progress(self, job: Job, frames: int) -> None:
        now = time.monotonic()
        if now - self._last_emit.get(job, 0.0) >= _JSON_INTERVAL_S:
            self._last_emit[job] = now
            remaining = self._progress.remaining_s
            figures = {"frames": frames, "total": self._totals.get(job)}
            seconds = None if remaining is None else round(remaining, 1)
            self._emit({"event": "progress", "input": str(job.input), **figures, "remaining_seconds": seconds})

    def retried(self, label: str, error: Exception) -> None:
        self._emit({"event": "retried", "task": label, "error": retry_message(label, error)})

    def note(self, sentence: str) -> None:
        self._emit({"event": "note", "note": sentence})

    def finished(self, summary: JobResult) -> None:
        self._progress.end(summary.job)
        self._done.append(summary)
        job, notes = summary.job, list(summary.notes)
        self._emit({"event": "done", "input": str(job.input), **_stats([summary]), "output": str(job.output), "notes": notes})

    def failed(self, job: Job, error: BaseException) -> None:
        self._progress.end(job)
        super().failed(job, error)
        self._emit({"event": "error", **_failure(self._failures[-1])})

    def ended(self, jobs: Sequence[Job], done: int, exit_code: int, kept: Sequence[str] = ()) -> None:
        super().ended(jobs, done, exit_code, kept)
        if exit_code == Cancelled.exit_code:
            self._emit({"event": "stopped", "error": stop_message(jobs, done, kept), "exit_code": exit_code})
        if len(jobs) + self._existing > 1:  # several inputs, even if one is left to render, or none
            outputs = [str(summary.job.output) for summary in self._done]
            failed = [_failure(failure) for failure in self._failures]
            self._emit({"event": "summary", "files": done, **_stats(self._done), "output": outputs, "failed": failed})

    def _emit(self, event: dict[str, Any]) -> None:
        with self._lock:
            self._output.print(json.dumps(event), soft_wrap=True, highlight=False, markup=False)


def _failure(failure: tuple[Job, str, int]) -> dict[str, Any]:
    job, message, code = failure
    return {"input": str(job.input), "error": message, "exit_code": code}


def _stats(done: list[JobResult]) -> dict[str, Any]:
    frames, seconds = sum(each.frames for each in done), sum(each.seconds for each in done)
    network = done[0].network if done else None
    return {
        "frames": frames,
        "seconds": round(seconds, 3),
        "fps": round(rate(frames, seconds), 2),
        "model": network.model if network else None,
        "provider": network.provider if network else None,
        "input_size": "{}x{}".format(*network.input_size) if network else None,
    }
