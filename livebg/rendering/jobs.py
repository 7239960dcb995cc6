"""Plans the output file of each input: converts the arguments of the command line to one job per file."""

import itertools
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from livebg.config.settings import Mode
from livebg.errors import ConfigError, SinkError, SourceError
from livebg.sources.media_types import PHOTO_SUFFIXES, VIDEO_SUFFIXES

_LOG: Final = logging.getLogger(__name__)
KEPT_CONTAINERS = frozenset({".mp4", ".mov", ".m4v", ".mkv"})
RenderMode = Literal[Mode, "none"]
"""All modes: those of the settings, and ``none``, which requires the user's consent."""

MODES: Final[tuple[str, ...]] = get_args(RenderMode)


@dataclass(frozen=True, slots=True)
class Job:
    """One input and its output. ``note`` is a clause about an unexpected output format, or empty."""

    input: Path
    output: Path
    note: str = ""

    @property
    def is_photo(self) -> bool:
        return self.input.suffix.lower() in PHOTO_SUFFIXES


def plan_jobs(inputs: Sequence[Path], output: Path | None, mode: str) -> list[Job]:
    """Returns one job per file, with distinct outputs; folders are walked in alphabetical order.

    ``output`` is a file for a single input file, otherwise a folder, which keeps the subfolders of the inputs; missing subfolders
    are created later. Raises :class:`~livebg.errors.SourceError` for an input that does not exist or has nothing to render,
    :class:`~livebg.errors.SinkError` for an output folder that does not exist, and
    :class:`~livebg.errors.ConfigError` if ``output`` is a file and there are several inputs.
    """
    from livebg.sinks.atomic_file import writing  # imports av, which `livebg --help` does not need

    for path in inputs:
        if not path.exists():
            raise SourceError(f"{path} does not exist. Name a video, a photo or a folder.")
    many = len(inputs) > 1 or inputs[0].is_dir()
    if output is not None:
        with writing(output):
            _check_output(output, many)
    into = output if output is not None and output.is_dir() else None
    places = {_place(file): (file, root) for file, root in _files(inputs, into)}
    if not places:
        names = ", ".join(str(path) for path in inputs)
        raise SourceError(f"No videos or photos found in {names}. Name a folder that contains some, or a file.")
    if output is not None and into is None:
        return [Job(inputs[0], output)]
    targets = _distinct([_targets(file, root, into, mode) for file, root in places.values()], taken=places)
    return [_job(file, target, mode) for (file, _), target in zip(places.values(), targets, strict=True)]


def _check_output(output: Path, many: bool) -> None:
    # Every output file has an extension, so a name without one means a folder.
    names_folder = many or not output.suffix
    if names_folder and output.exists() and not output.is_dir():
        raise ConfigError(f"The output {output} is not a folder. Name a folder, or for a single input a file with an extension.")
    folder = output if names_folder else output.parent
    if not output.is_dir() and not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise SinkError(f"The output folder {folder} {problem}. Create it first, or name another one.")


def _files(inputs: Sequence[Path], into: Path | None) -> Iterator[tuple[Path, Path]]:
    """Yield each file with the input folder that its output path is relative to."""
    for path in inputs:
        if not path.is_dir():
            yield path, path.parent
            continue
        for folder, folders, names in os.walk(path, onerror=_raise_unreadable):
            folders[:] = sorted(name for name in folders if not name.startswith(".") and not _same(Path(folder, name), into))
            for file in sorted(Path(folder, name) for name in names):
                if _is_media(file) and not _is_own_output(file):
                    yield file, path


def _raise_unreadable(error: OSError) -> None:
    raise SourceError(f"The folder {error.filename} cannot be read ({error.strerror}). Change its permissions or leave it out.")


def _is_media(file: Path) -> bool:
    return file.suffix.lower() in PHOTO_SUFFIXES | VIDEO_SUFFIXES and not file.name.startswith(".")


def _is_own_output(file: Path) -> bool:
    """Returns whether the file is the output of an earlier run on the same folder, which must not be rendered again."""
    origin, _, mode = file.stem.rpartition(".")
    others = file.parent.glob(f"{_escape(origin)}*") if mode in MODES else ()
    own = any(_is_media(other) and origin in (other.stem, other.name) for other in others)
    if own:
        _LOG.info("Skipped %s: it is the output of an earlier run", file)
    return own


def _escape(text: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)


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
    """Returns the path with its folder resolved; a link to a file counts as a separate file."""
    return file.parent.resolve() / file.name


def _suffix(file: Path, mode: str) -> str:
    suffix = file.suffix.lower()
    if suffix in PHOTO_SUFFIXES:
        return ".png" if mode == "cutout" else file.suffix
    if mode == "cutout":
        return ".webm" if suffix == ".webm" else ".mov"
    return file.suffix if suffix in KEPT_CONTAINERS else ".mkv"


def _job(file: Path, target: Path, mode: str) -> Job:
    changed = target.suffix.lower() != file.suffix.lower()
    why = "which supports alpha" if mode == "cutout" else "which supports any timing and audio codec"
    return Job(file, target, f"written as {target.suffix.lower()[1:]}, {why}" if changed else "")
