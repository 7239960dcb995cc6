"""Plans the output file of each input: converts the arguments of the command line to one job per file."""

import glob
import itertools
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from livebg.config.choices import Mode
from livebg.errors import ConfigError, LivebgError, SinkError, SourceError
from livebg.platform.user_paths import exists
from livebg.rendering.extra_outputs import ExtraOutput
from livebg.sources.media_types import PHOTO_SUFFIXES, UNREADABLE_PHOTO_SUFFIXES, VIDEO_SUFFIXES, WRITABLE_PHOTO_SUFFIXES

_LOG: Final = logging.getLogger(__name__)
KEPT_CONTAINERS = frozenset({".mp4", ".mov", ".m4v", ".mkv"})
RenderMode = Literal[Mode, "none"]
"""All modes: those of the settings, and ``none``, which requires the user's consent."""

MODES: Final[tuple[str, ...]] = get_args(RenderMode)

_MAX_NAME_BYTES: Final = 255
"""Maximum length of a file name, for a system that does not report its own."""


@dataclass(frozen=True, slots=True)
class Job:
    """One input and its output. ``note`` is a clause about an unexpected output format, or empty. ``error`` is the reason why the
    job cannot run: the input is a folder that cannot be read, or the name of the output would be too long. ``extras`` are the
    files beside the output.
    """

    input: Path
    output: Path
    note: str = ""
    error: LivebgError | None = None
    extras: tuple[ExtraOutput, ...] = ()

    @property
    def is_photo(self) -> bool:
        return self.input.suffix.lower() in PHOTO_SUFFIXES | UNREADABLE_PHOTO_SUFFIXES


@dataclass(frozen=True, slots=True)
class NetworkInfo:
    """The network that processed a file. ``input_size`` is (width, height)."""

    model: str
    provider: str
    input_size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class JobResult:
    """The result of one file: number of frames written, wall time in seconds, the network if one ran, and notes to the user."""

    job: Job
    frames: int
    seconds: float
    network: NetworkInfo | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The jobs to run, the files in input folders that are no photos or videos, and the jobs whose outputs exist already."""

    jobs: Sequence[Job]
    skipped: Sequence[Path] = ()
    existing: Sequence[Job] = ()


def plan_jobs(inputs: Sequence[Path], output: Path | None, mode: str, *, skip_existing: bool = False) -> Plan:
    """Return one job per file, with distinct outputs; folders are walked in alphabetical order. With ``skip_existing``, a job
    whose output exists is not run; the outputs of the others do not depend on that.

    ``output`` is a file for a single input file, otherwise a folder, which keeps the subfolders of the inputs; missing subfolders
    are created later. A folder that cannot be read becomes a job with an error. Raises :class:`~livebg.errors.SourceError` for an
    input that does not exist or has nothing to render, :class:`~livebg.errors.SinkError` for an output folder that does not
    exist, and :class:`~livebg.errors.ConfigError` if ``output`` is a file and there are several inputs.
    """
    plan = _plan_all(inputs, output, mode)
    if not skip_existing:
        return plan
    existing = [job for job in plan.jobs if _is_done(job)]
    done = {job.output for job in existing}
    return Plan([job for job in plan.jobs if job.output not in done], plan.skipped, existing)


def _plan_all(inputs: Sequence[Path], output: Path | None, mode: str) -> Plan:
    from livebg.sinks.atomic_file import writing  # imports av, which `livebg --help` does not need

    for path in inputs:
        _check_input(path)
    many = len(inputs) > 1 or inputs[0].is_dir()
    if output is not None:
        with writing(output):
            _check_output(output, many)
    into = output if output is not None and output.is_dir() else None
    files, skipped, unreadable = _search(inputs, into)
    if not files and not unreadable:
        names = ", ".join(str(path) for path in inputs)
        raise SourceError(f"No videos or photos found in {names}.", "Name a folder that contains some, or a file.")
    if output is not None and into is None:
        return Plan([Job(inputs[0], output)])
    targets = _distinct([_targets(file, root, into, mode) for file, root in files.values()], taken=files)
    jobs = [
        Job(file, target, _note(file.suffix.lower(), target.suffix.lower(), mode), _name_error(file, target))
        for (file, _), target in zip(files.values(), targets, strict=True)
    ]
    return Plan([*unreadable, *jobs], skipped)


def _is_done(job: Job) -> bool:
    with suppress(OSError):  # the renderer reports it
        return job.error is None and (job.output.exists() or job.output.is_symlink())
    return False


def _check_input(path: Path) -> None:
    try:
        problem = None if exists(path) else "does not exist"
    except OSError as error:
        problem = f"cannot be opened ({(error.strerror or str(error)).lower()})"
    if problem:
        raise SourceError(f"{path} {problem}.", "Name a video, a photo or a folder.")


def _check_output(output: Path, many: bool) -> None:
    # Every output file has an extension, so a name without one means a folder.
    names_folder = many or not output.suffix
    if exists(output) and names_folder and not output.is_dir():
        raise ConfigError(
            f"The output {output} is not a folder.", "Name a folder, or for a single input a file with an extension."
        )
    folder = output if names_folder else output.parent
    if not output.is_dir() and not folder.is_dir():
        problem = "is not a folder" if exists(folder) else "does not exist"
        raise SinkError(f"The output folder {folder} {problem}.", "Create it first, or name another one.")


def _search(inputs: Sequence[Path], into: Path | None) -> tuple[dict[Path, tuple[Path, Path]], list[Path], list[Job]]:
    """Return the files with the input folder that their output path is relative to, the skipped files, and jobs that fail."""
    files: dict[Path, tuple[Path, Path]] = {}
    skipped: list[Path] = []
    unreadable: list[Job] = []

    def note_unreadable(error: OSError) -> None:
        folder = Path(error.filename)
        problem = f"The folder {folder} cannot be read ({error.strerror})."
        unreadable.append(Job(folder, folder, error=SourceError(problem, "Change its permissions or leave it out.")))

    for path in inputs:
        if not path.is_dir():
            files[_place(path)] = path, path.parent
            continue
        for folder, folders, names in os.walk(path, onerror=note_unreadable):
            folders[:] = sorted(name for name in folders if not name.startswith(".") and not _same(Path(folder, name), into))
            for file in sorted(Path(folder, name) for name in names if not name.startswith(".")):
                if not _is_media(file):
                    skipped.append(file)
                elif not _is_own_output(file):
                    files[_place(file)] = file, path
    return files, skipped, unreadable


def _is_media(file: Path) -> bool:
    return file.suffix.lower() in PHOTO_SUFFIXES | VIDEO_SUFFIXES


def _is_own_output(file: Path) -> bool:
    """Return whether the file is the output of an earlier run on the same folder, which must not be rendered again."""
    origin, _, mode = file.stem.rpartition(".")
    others = file.parent.glob(f"{glob.escape(origin)}*") if mode in MODES else ()
    own = any(_is_media(other) and origin in (other.stem, other.name) for other in others)
    if own:
        _LOG.info("Skipped %s: it is the output of an earlier run", file)
    return own


def _same(folder: Path, other: Path | None) -> bool:
    return other is not None and folder.resolve() == other.resolve()


def _targets(file: Path, root: Path, into: Path | None, mode: str) -> Iterator[Path]:
    """Yield candidate output names in order of preference: ``talk.portrait.mp4``, ``talk.avi.portrait.mkv``,
    ``talk.avi.2.portrait.mkv``, ..."""
    folder = file.parent if into is None else into / file.parent.relative_to(root)
    ending = f".{mode}{_suffix(file, mode)}"
    yield folder / f"{file.stem}{ending}"
    yield folder / f"{file.name}{ending}"
    for number in itertools.count(2):
        yield folder / f"{file.name}.{number}{ending}"


def _distinct(candidates: Sequence[Iterator[Path]], taken: Iterable[Path]) -> list[Path]:
    """Choose one unique path per job that is not in ``taken``. If several jobs want the same path, none of them gets it."""
    wanted = [next(names) for names in candidates]
    count = Counter(_place(name) for name in wanted)
    used = {*taken, *count}
    targets = []
    for name, others in zip(wanted, candidates, strict=True):
        place = _place(name)
        if count[place] > 1 or place in taken:
            name = next(other for other in others if _place(other) not in used)
        used.add(_place(name))
        targets.append(name)
    return targets


def _place(file: Path) -> Path:
    """Return the path with its folder resolved; a link to a file counts as a separate file."""
    return file.parent.resolve() / file.name


def _suffix(file: Path, mode: str) -> str:
    suffix = file.suffix.lower()
    if suffix in PHOTO_SUFFIXES:
        if mode == "cutout":
            return ".png"
        return file.suffix if suffix in WRITABLE_PHOTO_SUFFIXES else ".png" if mode == "matte" else ".jpg"
    if mode == "cutout":
        return ".webm" if suffix == ".webm" else ".mov"
    return file.suffix if suffix in KEPT_CONTAINERS else ".mkv"


def _note(given: str, written: str, mode: str) -> str:
    if given == written:
        return ""
    if given in PHOTO_SUFFIXES - WRITABLE_PHOTO_SUFFIXES:
        why = f"because livebg does not write {given[1:]}"
    else:
        why = "which supports alpha" if mode == "cutout" else "which supports any timing"
    return f"written as {written[1:]}, {why}"


def _name_error(file: Path, target: Path) -> SinkError | None:
    """Return the error for an output name that is too long for the file system; None for one that is not."""
    size, limit = len(os.fsencode(target.name)), _MAX_NAME_BYTES
    with suppress(AttributeError, OSError, ValueError):  # no such function on this system, or a folder that does not exist yet
        limit = os.pathconf(next(folder for folder in target.parents if folder.is_dir()), "PC_NAME_MAX")
    if size <= limit:
        return None
    problem = f"The output of {file} would have a name of {size} bytes, and the limit is {limit}"
    return SinkError(f"{problem}.", "Render this file alone and choose a shorter name with -o.")
