"""How far the render of all files is, and how long the rest takes."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from livebg.rendering.jobs import Job

_SPEED_PERIOD_S: Final = 90.0
"""The speed is the average over this time: several segments, so that their ends, where nothing advances, do not show."""
_SAMPLE_INTERVAL_S: Final = 1.0
_MIN_PERIOD_S: Final = 2.0
_PHOTO_WORK: Final = 10
"""A photo takes about as long as this many frames of a video."""
_ANALYSIS_WORK: Final = 0.1
"""The analysis of a frame takes about this part of the time that its render takes."""


@dataclass(slots=True)
class _JobProgress:
    weight: int
    """Work per frame."""
    size: int
    """Bytes, for an estimate."""
    total: int | None
    """Frames, if known."""
    frames: int = 0
    """Frames done."""
    analysis: float = 0.0
    analyzed: float = 0.0
    """The work of the analysis, and the part of it that is done."""


@dataclass(frozen=True, slots=True)
class _Sample:
    time: float
    work: float
    frames: int


class RenderProgress:
    """Counts the work of all files in frames. Its methods may be called from several threads.

    A video whose number of frames is not known yet is estimated by its size, as soon as that of another one is known. Frames
    finished by an earlier run count as done, but not for the speed. ``clock`` returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._jobs: dict[Job, _JobProgress] = {}
        self._ended: set[Job] = set()
        self._done = self._known = self._worked = 0.0
        self._videos = self._known_bytes = self._unknown_bytes = self._frames = 0
        self._photos_only = True
        self._samples: deque[_Sample] = deque()

    def plan(self, jobs: Iterable[Job]) -> None:
        """Add files that will be rendered. A file that is not planned is added when it starts."""
        with self._lock:
            for job in jobs:
                self._job(job)

    def start(self, job: Job, total: int | None, resumed: int = 0) -> None:
        """Record the start of a file's render. It has ``total`` frames, if known, of which ``resumed`` are done."""
        with self._lock:
            progress = self._job(job)
            if progress.total is None and total is not None:
                self._unknown_bytes -= progress.size
                self._known_bytes += progress.size
                self._known += total
                self._videos += total
                progress.total = total
            progress.frames = resumed
            self._done += resumed * progress.weight
            if not self._samples:
                self._samples.append(_Sample(self._clock(), 0, 0))

    def analyze(self, job: Job, frames: int) -> None:
        """Set the number of a file's frames that are analyzed, which precedes its render."""
        with self._lock:
            progress = self._job(job)
            if progress.total and not progress.analysis:
                progress.analysis = progress.total * _ANALYSIS_WORK
                self._known += progress.analysis
            more = min(frames * _ANALYSIS_WORK, progress.analysis) - progress.analyzed
            progress.analyzed += more
            self._work(more)

    def advance(self, job: Job, frames: int) -> None:
        """Set the number of a file's frames that are done, also by earlier runs; fewer than before if a part is tried again."""
        with self._lock:
            progress = self._job(job)
            more = frames - progress.frames
            progress.frames = frames
            self._frames += more
            self._work(more * progress.weight + progress.analysis - progress.analyzed)
            progress.analyzed = progress.analysis

    def end(self, job: Job) -> None:
        """Record that a file is finished, or has failed: nothing of it remains to be done."""
        with self._lock:
            progress = self._job(job)
            if job in self._ended:
                return
            self._ended.add(job)
            if progress.total is None:
                self._unknown_bytes -= progress.size
                self._known += progress.frames
            else:
                self._done += (progress.total - progress.frames) * progress.weight + progress.analysis - progress.analyzed

    @property
    def name(self) -> str:
        """The name of the first file."""
        with self._lock:
            return next(iter(self._jobs)).input.name if self._jobs else ""

    @property
    def files(self) -> tuple[int, int]:
        """The number of files that have ended, and that of all files."""
        return len(self._ended), len(self._jobs)

    @property
    def photos_only(self) -> bool:
        return self._photos_only

    @property
    def share(self) -> float | None:
        """The share of the work that is done, 0..1; None while the amount of work is unknown."""
        with self._lock:
            total = self._total()
            return None if not total else min(max(self._done / total, 0.0), 1.0)

    @property
    def fps(self) -> float:
        """Frames per second of this run, lately."""
        with self._lock:
            sample, seconds = self._period()
            return (self._frames - sample.frames) / seconds if seconds else 0.0

    @property
    def remaining_s(self) -> float | None:
        """Estimate of the seconds that the rest takes; None while there is nothing to estimate it by."""
        with self._lock:
            total, (sample, seconds) = self._total(), self._period()
            worked = self._worked - sample.work
            if total is None or seconds < _MIN_PERIOD_S or worked <= 0:
                return None
            return max(total - self._done, 0.0) * seconds / worked

    def _job(self, job: Job) -> _JobProgress:
        if job not in self._jobs:
            if job.is_photo:
                self._jobs[job] = _JobProgress(_PHOTO_WORK, 0, 1)
                self._known += _PHOTO_WORK
            else:
                self._photos_only = False
                self._jobs[job] = _JobProgress(1, _size(job), None)
                self._unknown_bytes += self._jobs[job].size
        return self._jobs[job]

    def _work(self, more: float) -> None:
        """Count ``more`` work, and sample the speed."""
        self._done += more
        self._worked += more
        now = self._clock()
        if not self._samples or now - self._samples[-1].time >= _SAMPLE_INTERVAL_S:
            self._samples.append(_Sample(now, self._worked, self._frames))
            while len(self._samples) > 1 and now - self._samples[1].time >= _SPEED_PERIOD_S:
                self._samples.popleft()

    def _total(self) -> float | None:
        """Return the work of all files; None if there is no estimate."""
        if self._unknown_bytes <= 0:
            return self._known
        return self._known + self._unknown_bytes * self._videos / self._known_bytes if self._known_bytes else None

    def _period(self) -> tuple[_Sample, float]:
        """Return the beginning of the time over which the speed is measured, and its length in seconds."""
        if not self._samples:
            return _Sample(0, 0, 0), 0.0
        return self._samples[0], self._clock() - self._samples[0].time


def _size(job: Job) -> int:
    with suppress(OSError):
        return max(job.input.stat().st_size, 1)
    return 1
