"""The JSON files of a job: its manifest, and one per finished segment with the hashes of its files and of the manifest."""

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from livebg.errors import SinkError
from livebg.platform.atomic_write import sync_file, sync_folder
from livebg.rendering.job_files import MANIFEST, entry_file, is_segment_file
from livebg.rendering.manifest import Manifest
from livebg.rendering.sealed_file import open_regular, read_sealed, write_sealed
from livebg.rendering.segments import SegmentFile, SegmentResult

_FORMAT: Final = 1
"""Version of these files. Jobs of another version start over."""


def write_manifest(folder: Path, output: Path, manifest: Manifest) -> None:
    """Write the manifest of the job of ``output`` durably. Raises OSError."""
    write_sealed(folder / MANIFEST, {"format": _FORMAT, "output": output.name, "manifest": manifest.as_json()})


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """Return the manifest in a job folder, and the name of the output. Raises OSError, and ValueError if it was modified."""
    content = read_sealed(folder / MANIFEST)
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(f"{folder / MANIFEST} is from another version of livebg")
    return Manifest.from_json(content.get("manifest")), str(content.get("output"))


def write_segment(folder: Path, result: SegmentResult, manifest: str) -> None:
    """Make the files of a segment durable and verify them, then write its JSON file. ``manifest`` is the manifest's digest.

    Raises :class:`~livebg.errors.SinkError` for files that are not those of ``result``, and OSError.
    """
    for file in result.files.values():
        problem = _problem(folder, result.index, file)
        if problem:
            raise SinkError(f"{file.path(folder)} {problem}.", "Check the disk and the network, and run the command again.")
        sync_file(file.path(folder))
    sync_folder(folder)
    segment = _adapter().dump_python(result, mode="json")
    write_sealed(folder / entry_file(result.index), {"manifest": manifest, "segment": segment})


def read_segment(folder: Path, index: int, manifest: str) -> SegmentResult:
    """Return a finished segment, and hash all its files. Raises ValueError with the reason if it cannot be used, a predicate."""
    try:
        content = read_sealed(folder / entry_file(index))
        result = _adapter().validate_python(content["segment"])
        owner = content["manifest"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError("has a damaged description") from error
    if owner != manifest or result.index != index:
        raise ValueError("belongs to another job")
    for file in result.files.values():
        problem = _problem(folder, index, file)
        if problem:
            raise ValueError(problem)
    return result


def _problem(folder: Path, index: int, file: SegmentFile) -> str | None:
    """Return why a file of a segment cannot be used, as a predicate; None if it is what it should be."""
    if not is_segment_file(file.name, index):
        return "belongs to another job"
    try:
        with open_regular(file.path(folder)) as opened:
            size = os.fstat(opened.fileno()).st_size
            if size < file.size:
                return "is truncated"
            if size == file.size and hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256:
                return None
    except FileNotFoundError:
        return "is incomplete"
    except OSError:
        return "cannot be read"
    return "was modified"


@cache
def _adapter() -> TypeAdapter[SegmentResult]:
    return TypeAdapter(SegmentResult)
