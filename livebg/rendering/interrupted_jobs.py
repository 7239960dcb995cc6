"""Finds, describes and removes the job folders of interrupted renders."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from livebg.errors import SinkError, SourceError
from livebg.rendering.folder_lock import lock_folder, lock_holder
from livebg.rendering.job_files import entries, find_jobs, is_job_folder, job_folder, unknown_files
from livebg.rendering.manifest import Manifest
from livebg.rendering.segment_store import read_manifest
from livebg.sinks.atomic_file import writing


@dataclass(frozen=True, slots=True)
class InterruptedJob:
    """A job folder. ``output`` is the path of its output, and ``source`` that of its input, None if the manifest is unreadable.

    ``seconds`` of ``duration`` are finished, according to the names of its files. ``size`` is in bytes, ``modified`` the time of
    the last change in seconds since 1970. ``holder`` is the process that renders it, such as ``pid 42``, or None. ``problem`` is
    a predicate on what is wrong with it, or empty.
    """

    folder: Path
    output: Path
    source: Path | None
    seconds: float
    duration: float
    size: int
    modified: float
    holder: str | None
    problem: str = ""


def named_jobs(path: Path, recursive: bool = False) -> list[Path]:
    """Return the job folders that a user means by ``path``: an output, a job folder, or a folder that contains some.

    Raises :class:`~livebg.errors.SourceError` for an output without a job, and for a folder that cannot be read.
    """
    if is_job_folder(path):
        return [path]
    if path.is_dir():
        return list(find_jobs(path, recursive))
    if is_job_folder(job_folder(path)):
        return [job_folder(path)]
    raise SourceError(f"There is no interrupted job for {path}.", "`livebg jobs list FOLDER` shows those in a folder.")


def describe_job(folder: Path) -> InterruptedJob:
    """Return what is known about a job folder without reading the segments. Never raises for what is wrong with it."""
    size, modified, problem = 0, 0.0, ""
    manifest, name = None, folder.name[1:].removesuffix(".livebg")
    finished: set[int] = set()
    holder = None
    try:
        modified = folder.lstat().st_mtime
        for each in os.scandir(folder):
            with suppress(FileNotFoundError):
                found = each.stat(follow_symlinks=False)
                size, modified = size + found.st_size, max(modified, found.st_mtime)
        finished = entries(folder)
        holder = lock_holder(folder)
        manifest, name = read_manifest(folder)
    except FileNotFoundError:
        problem = "has no manifest"
    except OSError as error:
        problem = f"cannot be read ({(error.strerror or str(error)).lower()})"
    except ValueError:
        problem = "has a damaged manifest"
    seconds, duration = (manifest.seconds(finished), manifest.length) if manifest else (0.0, 0.0)
    return InterruptedJob(folder, folder.parent / name, _source(manifest), seconds, duration, size, modified, holder, problem)


def remove_job(folder: Path) -> None:
    """Remove a job folder and livebg's files in it.

    Raises :class:`~livebg.errors.SinkError`, and then removes nothing, if a process is rendering it, if that cannot be found out,
    if it contains files that livebg did not make, or if it cannot be written.
    """
    job = describe_job(folder)
    with writing(folder):
        holder = lock_holder(folder)  # raises OSError if the file system has no locks: then a run may be using it
        if holder:
            raise SinkError(f"{job.output} is being rendered ({holder}).", "Stop that first.")
        others = unknown_files(folder)
        if others:
            problem = f"{folder} was not removed: livebg did not make {', '.join(others)} in it."
            raise SinkError(problem, "Move that elsewhere, or remove the folder yourself.")
        lock_folder(folder, job.output, create=False).remove()


def _source(manifest: Manifest | None) -> Path | None:
    source = manifest.inputs.get("source") if manifest else None
    return Path(source.path) if source else None
