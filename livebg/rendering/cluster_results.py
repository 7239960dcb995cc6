"""Compares the files that workers of a cluster have written with the hashes that they returned."""

import hashlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from livebg.errors import Cancelled, SinkError
from livebg.rendering.segments import SegmentFile

_FIRST_DELAY_S: Final = 0.1
_MAX_DELAY_S: Final = 4.0
_MAX_WAIT_S: Final = 60.0
"""Seconds until NFS asks its server again for the content of a folder, with its default options."""


def verify_files(files: Iterable[SegmentFile], folder: Path, wait: Callable[[float], bool]) -> None:
    """Read ``files`` in ``folder`` and compare their sizes and hashes. Retries for a minute: network file systems are late.

    ``wait`` sleeps for some seconds, and returns True if the user stopped the render meanwhile. Raises
    :class:`~livebg.errors.SinkError` if a file stays different, and :class:`~livebg.errors.Cancelled`.
    """
    for file in files:
        _wait_for(file.path(folder), partial(_problem, file, folder), wait)


def verify_exists(path: Path, wait: Callable[[float], bool]) -> None:
    """Wait for a file as :func:`verify_files` does, if its content is unknown."""
    _wait_for(path, lambda: None if path.is_file() else "does not exist", wait)


def _wait_for(path: Path, problem_of: Callable[[], str | None], wait: Callable[[float], bool]) -> None:
    delay, waited = _FIRST_DELAY_S, 0.0
    while problem := problem_of():
        if waited >= _MAX_WAIT_S:
            hint = "Put the output in a folder that all workers share, and check its file system."
            raise SinkError(f"A worker has written {path}, but here it {problem}.", hint)
        if wait(delay):
            raise Cancelled("Stopped.")
        waited, delay = waited + delay, min(2 * delay, _MAX_DELAY_S)


def _problem(file: SegmentFile, folder: Path) -> str | None:
    """Return what is wrong with a file, a phrase; None if it is the file that the worker has written."""
    try:
        with file.path(folder).open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
            size = content.tell()
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    if size != file.size:
        return f"has {size} bytes instead of {file.size}"
    return None if found == file.sha256 else "has another content"
