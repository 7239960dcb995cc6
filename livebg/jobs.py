"""Which file becomes which: from what stands on the command line to one job a file."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from livebg.errors import ConfigError, SinkError, SourceError

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif"})
VIDEO_SUFFIXES = frozenset(
    {
        ".mp4",
        ".mov",
        ".m4v",
        ".mkv",
        ".webm",
        ".avi",
        ".gif",
        ".mpg",
        ".mpeg",
        ".ts",
        ".mts",
        ".m2ts",
        ".wmv",
        ".flv",
        ".ogv",
        ".3gp",
    }
)
KEPT_CONTAINERS = frozenset({".mp4", ".mov", ".m4v", ".mkv"})
MODES = ("portrait", "greenscreen", "matte", "cutout", "background", "none")


@dataclass(frozen=True, slots=True)
class Job:
    """One input, one output. ``note`` says in a clause what about the output was not to be expected, or is empty."""

    input: Path
    output: Path
    note: str = ""

    @property
    def is_photo(self) -> bool:
        return self.input.suffix.lower() in PHOTO_SUFFIXES


def plan(inputs: Sequence[Path], output: Path | None, mode: str) -> list[Job]:
    """One job a file, folders walked in order.

    Raises :class:`~livebg.errors.SourceError` for an input that does not exist, :class:`~livebg.errors.SinkError` for an output
    folder that does not, and :class:`~livebg.errors.ConfigError` where one output was named for several files.
    """
    for path in inputs:
        if not path.exists():
            raise SourceError(f"{path} does not exist: name a video, a photo or a folder of either")
    many = len(inputs) > 1 or inputs[0].is_dir()
    if output is not None:
        _check_output(output, many)
    into = output if output is not None and (many or output.is_dir()) else None
    jobs = [_job(file, _target(file, root, into, mode), mode) for file, root in _files(inputs, into)]
    if not jobs:
        raise SourceError(f"{inputs[0]} holds neither videos nor photos: name a folder that does")
    if output is not None and into is None:
        return [Job(jobs[0].input, output)]
    _refuse_clashes(jobs)
    return jobs


def _check_output(output: Path, many: bool) -> None:
    names_folder = many or str(output).endswith(os.sep)
    if names_folder and output.exists() and not output.is_dir():
        raise ConfigError(f"{output} is a file, but several inputs need a folder: give -o a folder")
    if names_folder and not output.exists():
        raise SinkError(f"the output folder {output} does not exist: make it first, or name one that does")
    if not output.is_dir() and not output.parent.is_dir():
        raise SinkError(f"the output folder {output.parent} does not exist: make it first, or name one that does")


def _files(inputs: Sequence[Path], into: Path | None) -> Iterator[tuple[Path, Path]]:
    """Each file with the folder that its place is told from."""
    for path in inputs:
        if not path.is_dir():
            yield path, path.parent
            continue
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith(".") and not _same(Path(folder, name), into))
            for file in sorted(Path(folder, name) for name in names):
                if _is_media(file) and not _is_own_output(file):
                    yield file, path


def _is_media(file: Path) -> bool:
    return file.suffix.lower() in PHOTO_SUFFIXES | VIDEO_SUFFIXES and not file.name.startswith(".")


def _is_own_output(file: Path) -> bool:
    """Whether an earlier run over the same folder made this file, so that a second run does not render it again."""
    stem, _, made = file.stem.rpartition(".")
    return made in MODES and any(_is_media(other) and other.stem == stem for other in file.parent.glob(f"{_escape(stem)}.*"))


def _escape(text: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)


def _same(folder: Path, other: Path | None) -> bool:
    return other is not None and folder.resolve() == other.resolve()


def _target(file: Path, root: Path, into: Path | None, mode: str) -> Path:
    folder = file.parent if into is None else into / file.parent.relative_to(root)
    return folder / f"{file.stem}.{mode}{_suffix(file, mode)}"


def _suffix(file: Path, mode: str) -> str:
    suffix = file.suffix.lower()
    if suffix in PHOTO_SUFFIXES:
        return ".png" if mode == "cutout" else file.suffix
    if mode == "cutout":
        return ".webm" if suffix == ".webm" else ".mov"
    return file.suffix if suffix in KEPT_CONTAINERS else ".mkv"


def _job(file: Path, target: Path, mode: str) -> Job:
    changed = target.suffix.lower() != file.suffix.lower()
    why = "which holds alpha" if mode == "cutout" else "which holds any timing and sound"
    return Job(file, target, f"written as {target.suffix.lower()[1:]}, {why}" if changed else "")


def _refuse_clashes(jobs: Sequence[Job]) -> None:
    seen: dict[Path, Path] = {}
    for job in jobs:
        other = seen.setdefault(job.output, job.input)
        if other != job.input:
            raise SinkError(f"{other} and {job.input} would both become {job.output}: render them apart, or rename one")
