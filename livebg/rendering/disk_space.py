"""Estimates before a render whether the disks have space for it."""

import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from livebg.errors import SinkError
from livebg.rendering.extra_outputs import OutputKind
from livebg.rendering.job_directory import JobDirectory
from livebg.rendering.report_text import format_size
from livebg.sinks.atomic_file import writing

_MEASURED_SHARE: Final = 0.02
"""The size of the outputs is estimated from finished segments if they are at least this part of the video."""
_MEASURED_MARGIN: Final = 0.9
_ASSUMED_MARGIN: Final = 0.25
"""Parts of an estimated need that have to be free: the bit rate of the source is a poor guess at that of the output."""


def check_space(directory: JobDirectory, outputs: Mapping[OutputKind, Path], source_rate: float) -> None:
    """Raise :class:`~livebg.errors.SinkError` if a file system clearly has too little space for the ``outputs`` of a job.

    While segments are joined, the file system of the job directory holds all of them, and each output needs its size where it is
    written. That is estimated from the finished segments, at first from ``source_rate``, the bytes per second of the source.
    """
    finished, (seconds, duration) = directory.finished().values(), directory.done()
    measured = seconds > _MEASURED_SHARE * duration
    margin = _MEASURED_MARGIN if measured else _ASSUMED_MARGIN
    written = {kind: sum(result.files[kind].size for result in finished) for kind in outputs}
    sizes = {kind: (written[kind] / seconds if measured else source_rate) * duration for kind in outputs}
    home = _device(directory.path)
    kinds: defaultdict[int, list[OutputKind]] = defaultdict(list, {home: []})
    for kind, path in outputs.items():
        kinds[_device(path.absolute().parent)].append(kind)
    for device, here in kinds.items():
        names, need = [outputs[kind].name for kind in here], sum(sizes[kind] for kind in here)
        if device == home:
            names, need = [*names, "the segments"], need + sum(sizes.values()) - sum(written.values())
        folder = directory.path.parent if device == home else outputs[here[0]].absolute().parent
        with writing(folder):
            free = shutil.disk_usage(folder).free
        if free < need * margin:
            raise _error(folder, names, need, free)


def _device(folder: Path) -> int:
    with writing(folder):
        return folder.stat().st_dev


def _error(folder: Path, names: list[str], need: float, free: int) -> SinkError:
    *others, last = names
    listed = f"{', '.join(others)} and {last}" if others else last
    problem = f"{folder} needs about {format_size(need)} of free disk space for {listed}, and only {format_size(free)} are free"
    return SinkError(f"{problem}.", "Free some disk space, or choose another folder.")
