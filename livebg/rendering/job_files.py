"""The names in a job folder: which files livebg made, which of them a killed run left, and how they are removed."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from livebg.errors import SourceError

MANIFEST: Final = "manifest.json"
LOCK: Final = "lock"
SUFFIX: Final = ".livebg"
_INDEX: Final = r"(?P<index>[0-9]{4}|[1-9][0-9]{4,})"
_ENTRY: Final = re.compile(rf"{_INDEX}\.json")
_SEGMENT: Final = re.compile(rf"{_INDEX}(\.[a-z][a-z0-9_-]*)?\.[A-Za-z0-9]+")
_PART: Final = re.compile(r".+\.part")
"""Files of livebg besides the manifest and the lock: those of segments, and temporary ones."""
_LITTER: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Files that file managers create in every folder."""
_MAX_NAME_BYTES: Final = 255


def job_folder(output: Path) -> Path:
    """Return the path of the job folder of an output: ``.NAME.livebg`` next to it.

    A name that would be too long for a file system is shortened, and then ends with a hash of all of it.
    """
    name, limit = os.fsencode(output.name), _MAX_NAME_BYTES - len(SUFFIX) - 1
    with suppress(AttributeError, OSError, ValueError):  # no such function on this system, or no such folder
        limit = min(limit, os.pathconf(output.absolute().parent, "PC_NAME_MAX") - len(SUFFIX) - 1)
    if len(name) > limit:
        tail = f"~{hashlib.sha256(name).hexdigest()[:12]}".encode()
        short = name[: limit - len(tail)].decode("utf-8", "ignore")  # never half a character
        name = os.fsencode(short) + tail
    return output.with_name(f".{os.fsdecode(name)}{SUFFIX}")


def is_job_folder(path: Path) -> bool:
    """Return whether ``path`` has the name of a job folder and is a folder, not a link to one."""
    name = path.name
    named = name.startswith(".") and name.endswith(SUFFIX) and len(name) > len(SUFFIX) + 1
    with suppress(OSError):
        return named and stat.S_ISDIR(path.lstat().st_mode)
    return False


def find_jobs(folder: Path, recursive: bool = False) -> Iterator[Path]:
    """Yield the job folders in ``folder``, in alphabetical order; ``recursive`` includes subfolders that are not hidden.

    Links to folders are not followed. Raises :class:`~livebg.errors.SourceError` if ``folder`` cannot be read; subfolders that
    cannot be read are skipped.
    """

    def check(error: OSError) -> None:
        if Path(error.filename) == folder:
            reason = (error.strerror or str(error)).lower()
            raise SourceError(f"The folder {folder} cannot be read ({reason}).", "Name another one.") from error

    for path, names, _ in os.walk(folder, onerror=check):
        yield from (Path(path, name) for name in sorted(names) if is_job_folder(Path(path, name)))
        names[:] = sorted(name for name in names if recursive and not name.startswith("."))


def segment_file(index: int, key: str, suffix: str) -> str:
    """Return the name of a segment's file: ``0003.video.mp4`` for 3, ``video`` and ``.mp4``."""
    return f"{index:04d}.{key}{suffix}"


def entry_file(index: int) -> str:
    """Return the name of the JSON file of a finished segment."""
    return f"{index:04d}.json"


def entries(folder: Path) -> set[int]:
    """Return the indexes of the segments that have a JSON file. Raises OSError."""
    return {int(match["index"]) for match in map(_ENTRY.fullmatch, _names(folder)) if match}


def is_segment_file(name: str, index: int) -> bool:
    """Return whether ``name`` can be that of a file of segment ``index``, other than its JSON file."""
    match = _SEGMENT.fullmatch(name)
    return match is not None and int(match["index"]) == index and name != entry_file(index)


def remove_segment(folder: Path, index: int) -> None:
    """Remove the files of a segment, the JSON file first. Raises OSError."""
    (folder / entry_file(index)).unlink(missing_ok=True)
    for name in _names(folder):
        if is_segment_file(name, index):
            (folder / name).unlink(missing_ok=True)


def unknown_files(folder: Path) -> list[str]:
    """Return the names in ``folder`` that neither livebg nor a file manager made. Raises OSError."""
    with os.scandir(folder) as found:
        return sorted(each.name for each in found if each.is_dir(follow_symlinks=False) or not _is_own(each.name))


def _is_own(name: str) -> bool:
    return name in (MANIFEST, LOCK) or name in _LITTER or bool(_SEGMENT.fullmatch(name) or _PART.fullmatch(name))


def remove_files(folder: Path) -> None:
    """Remove livebg's files, except the lock. The manifest is removed last. Raises OSError."""
    others = {*unknown_files(folder), LOCK}
    for name in sorted(_names(folder) - others, key=lambda name: (name == MANIFEST, not _ENTRY.fullmatch(name))):
        (folder / name).unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed run leaves: temporary files, and files of segments that were not finished. Raises OSError."""
    unknown, finished = set(unknown_files(folder)), entries(folder)
    for name in _names(folder) - unknown:
        segment = _SEGMENT.fullmatch(name)
        if _PART.fullmatch(name) or (segment and int(segment["index"]) not in finished):
            (folder / name).unlink(missing_ok=True)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
