"""The sentences of a render's report, and how it writes times, sizes and lists."""

from collections.abc import Sequence
from typing import Final

from livebg.errors import LivebgError
from livebg.rendering.jobs import Job, JobResult

MAX_NAMED: Final = 10
"""Number of files that are listed by name."""


def error_message(error: BaseException, job: Job) -> str:
    """Return the message of an error; for an internal error, with advice on how to report it."""
    if isinstance(error, LivebgError):
        return str(error)
    kind = type(error).__name__
    return f"{job.input}: internal error ({kind}: {error}). Run again with -v for details and report it."


def retry_message(label: str, error: Exception) -> str:
    """Return the message on a task that failed with ``error`` and is tried again."""
    if isinstance(error, LivebgError):
        return f"{error.message} Trying again."
    return f"{label} failed: internal error ({type(error).__name__}: {error}). Trying again."


def stop_message(jobs: Sequence[Job], done: int, kept: Sequence[str]) -> str:
    """Return the message after the user stopped the render. ``kept`` are sentences on what remains for the next run."""
    if len(jobs) == 1:
        return " ".join(("Stopped.", *(kept or (f"The unfinished {jobs[0].output} was removed.",))))
    return " ".join((f"Stopped after {done} of {count_files(jobs)}.", *(kept or ("Unfinished outputs were removed.",))))


def summary_line(summary: JobResult) -> str:
    """Return the line on a finished file."""
    frames = f"{summary.frames} frame{'' if summary.frames == 1 else 's'}"
    network = ""
    if summary.network:
        width, height = summary.network.input_size
        network = f", {summary.network.model} at {width}x{height} on {summary.network.provider}"
    fps = rate(summary.frames, summary.seconds)
    return f"{summary.job.output}: {frames} in {summary.seconds:.1f} s, {fps:.1f} fps{network}"


def rate(frames: int, seconds: float) -> float:
    """Return frames per second; 0 if no time has passed."""
    return frames / seconds if seconds else 0.0


def count_files(files: Sequence[object]) -> str:
    """Return ``1 file`` or ``3 files``."""
    return f"{len(files)} file{'' if len(files) == 1 else 's'}"


def listed(names: Sequence[str], limit: int = MAX_NAMED) -> str:
    """Return the first ``limit`` names, and how many more there are: ``a, b and 3 more``."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")


def format_time(seconds: float) -> str:
    """Return seconds as ``0:07``, ``12:34`` or ``1:02:03``, rounded; at least 0."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_size(size: float) -> str:
    """Return bytes as text, such as ``1.2 GB``."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size:.0f} bytes"
