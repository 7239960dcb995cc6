"""The job directory: what a render has finished so far, for the next run of the same command.

``.NAME.livebg`` next to the output NAME holds the lock, the manifest, and the files of each finished segment, with a JSON file of
their hashes. Every JSON file is written after the files that it names, and replaced atomically, so a process that is killed at
any moment leaves finished segments and rubbish, which the next run removes. Nothing is used again unless its hash matches.
"""

import errno
import logging
import os
import shlex
import weakref
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

from livebg.errors import SinkError
from livebg.platform.interrupts import deferred_signals
from livebg.rendering.folder_lock import LockedFolder, lock_folder
from livebg.rendering.job_files import MANIFEST, entries, job_folder, remove_files, remove_leftovers, remove_segment
from livebg.rendering.manifest import Manifest
from livebg.rendering.report_text import format_time
from livebg.rendering.segment_store import read_manifest, read_segment, write_manifest, write_segment
from livebg.rendering.segments import SegmentResult
from livebg.sinks.atomic_file import writing

_LOG: Final = logging.getLogger(__name__)
Note = Callable[[str], None]
"""Receives one sentence for the user."""


class JobDirectory:
    """The folder of a job, locked until :meth:`discard` or :meth:`keep`. Leaving a ``with`` block calls ``keep``.

    ``path`` is the folder, into which workers write, under names of :func:`~livebg.rendering.job_files.segment_file` or ending
    with ``.part``. ``manifest`` is that of the job, with the track if there is one. Not thread-safe.
    """

    def __init__(self, output: Path, manifest: Manifest, locked: LockedFolder, note: Note) -> None:
        """Use :meth:`open`."""
        self.path, self.manifest = locked.path, manifest
        self._output, self._locked, self._note = output, locked, note
        self._finished: dict[int, SegmentResult] | None = None
        self._digest = manifest.digest
        # An interrupt can arrive before the caller has this object: nothing must remain of a job that has not finished anything.
        self._release = weakref.finalize(self, _leave, locked)

    @classmethod
    def open(cls, output: Path, manifest: Manifest, *, fresh: bool = False, note: Note = _LOG.warning) -> Self:
        """Lock the job directory of ``output``, and continue its job if the stored manifest is equal.

        Otherwise it starts over, and passes the reason to ``note``. ``fresh`` starts over without a reason. Creates the directory
        if it is missing; removes what a killed run left. Raises :class:`~livebg.errors.SinkError` if another process renders the
        same output, or if the folder of the output is missing or cannot be written.
        """
        with deferred_signals():  # at its end, the object has a finalizer, which removes a directory without finished segments
            return cls._opened(output, manifest, fresh, note)

    @classmethod
    def _opened(cls, output: Path, manifest: Manifest, fresh: bool, note: Note) -> Self:
        with writing(output):
            locked = lock_folder(job_folder(output.absolute()), output)
            try:
                if not os.access(locked.path.parent, os.W_OK | os.X_OK):  # a folder that was writable when the job began
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
                stored, reason = (None, "") if fresh else _stored(locked, output, manifest)
                if stored is None:
                    remove_files(locked.path)
                    write_manifest(locked.path, output, manifest)
                remove_leftovers(locked.path)
            except BaseException:
                _abandon(locked)
                raise
        if reason:
            note(f"{reason[:1].upper()}{reason[1:]}; rendering starts over.")
        return cls(output, stored or manifest, locked, note)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.keep()

    def store_track(self, track: Any) -> None:
        """Store the result of the analysis pass, which is JSON data, in the manifest.

        Call it before the first segment: finished segments belong to the manifest without the track. Raises SinkError.
        """
        manifest = replace(self.manifest, track=track)
        with writing(self._output):
            write_manifest(self.path, self._output, manifest)
        self.manifest, self._digest, self._finished = manifest, manifest.digest, None

    def add(self, result: SegmentResult) -> None:
        """Record a finished segment durably. Its files must be complete: they are synced and hashed here.

        Raises :class:`~livebg.errors.SinkError`, also for files that are not those of ``result``.
        """
        finished = self._loaded()
        with writing(self._output):
            write_segment(self.path, result, self._digest)
        finished[result.index] = result

    def finished(self) -> dict[int, SegmentResult]:
        """Return the finished segments by index.

        The first call reads and hashes all their files. Damaged, modified and foreign ones are removed, with one note each.
        Raises :class:`~livebg.errors.SinkError` if they cannot be removed.
        """
        return dict(self._loaded())

    def done(self) -> tuple[float, float]:
        """Return the length of the finished segments and that of all, in seconds."""
        return self.manifest.seconds(self._indexes()), self.manifest.length

    def discard(self) -> None:
        """Remove the directory: the job is complete, or nothing of it is worth keeping.

        Files that livebg did not make are kept, with a note, like the folder if it cannot be removed. Never raises for that.
        """
        if self._release.detach():
            try:
                with deferred_signals():
                    self._locked.remove()
            except (OSError, SinkError) as error:
                self._note(str(error) if isinstance(error, SinkError) else f"{self.path} was not removed: {error.strerror}.")

    def keep(self) -> str | None:
        """Leave the directory for the next run, and return a sentence on what it holds and how to continue or remove it.

        A job of one segment, and one that has finished nothing, is discarded instead; then, and if it already was, returns None.
        """
        if not self._release.alive:
            return None
        self._finished = None  # an interrupt can arrive between the storage of a segment and its entry here
        seconds, duration = self.done()
        if len(self.manifest.segments) < 2 or (seconds == 0 and self.manifest.track is None):
            self.discard()
            return None
        self._release.detach()
        self._locked.release()
        return remaining(self._output, seconds, duration)

    def _loaded(self) -> dict[int, SegmentResult]:
        if self._finished is None:
            with writing(self._output):
                self._finished = self._read()
        return self._finished

    def _read(self) -> dict[int, SegmentResult]:
        """Read the finished segments; report and remove those that cannot be used."""
        found = {}
        for index in sorted(entries(self.path)):
            try:
                found[index] = read_segment(self.path, index, self._digest)
            except ValueError as problem:
                remove_segment(self.path, index)
                self._note(f"{self.manifest.describe(index)} {problem} and is rendered again.")
        return found

    def _indexes(self) -> Collection[int]:
        """Return the finished segments, which need not be read for that."""
        if self._finished is not None:
            return self._finished
        with suppress(FileNotFoundError):
            return entries(self.path)
        return ()


def remaining(output: Path, seconds: float, duration: float) -> str:
    """Return the sentence on an interrupted job: what is finished, and how to continue or remove it."""
    share, folder = f"{format_time(seconds)} of {format_time(duration)}", job_folder(output).name
    clean = f"`livebg jobs clean {shlex.quote(str(output))}`"
    return f"{share} are finished and kept in {folder}. Run the same command to continue, or {clean} to remove them."


def _leave(locked: LockedFolder) -> None:
    """Leave the folder, and remove it if it holds no finished segment."""
    with suppress(OSError):
        if entries(locked.path):
            locked.release()
            return
    with suppress(OSError, SinkError):
        locked.remove()


def _abandon(locked: LockedFolder) -> None:
    """Leave the folder after an error, and remove it if it holds no job."""
    if (locked.path / MANIFEST).exists():
        locked.release()
        return
    with suppress(OSError, SinkError):
        locked.remove()


def _stored(locked: LockedFolder, output: Path, manifest: Manifest) -> tuple[Manifest | None, str]:
    """Return the manifest of the job to continue; None and the reason to start over, which is empty for a new job."""
    path = locked.path
    if locked.suspect:
        return None, f"other users could write to {path.name}"
    try:
        stored, name = read_manifest(path)
    except FileNotFoundError:
        return None, f"the manifest of {path.name} is missing" if entries(path) else ""
    except (OSError, ValueError):
        return None, f"the manifest of {path.name} was modified or is damaged"
    if name != output.name:
        return None, f"{path.name} belongs to {name}"
    changes = stored.changes(manifest)
    return (None, "; ".join(changes)) if changes else (stored, "")
