"""Files and folders that all machines of a cluster share."""

import os
import secrets
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from livebg.config.choices import BUILTIN_BACKGROUNDS
from livebg.config.settings import Settings
from livebg.errors import LivebgError, SinkError, SourceError
from livebg.platform.user_paths import expand_user
from livebg.rendering.cluster_checks import worker_name

_CLOCK_TOLERANCE_S: Final = 2.0
"""Seconds by which the times of a file may differ: some network file systems round them."""
_SAME_FILES: Final = "Workers need the same files under the same paths, such as on a network file system."


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file that all workers must see: ``size`` in bytes, ``modified`` in seconds of the epoch."""

    path: Path
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class SharedPaths:
    """Files to read and a folder to write to, if any, which every worker must have under the same absolute paths."""

    files: tuple[SharedFile, ...]
    folder: Path | None

    @classmethod
    def of(cls, files: Iterable[Path], folder: Path | None) -> "SharedPaths":
        """Describe the files as this machine sees them. Raises :class:`~livebg.errors.SourceError` if one cannot be read."""
        return cls(tuple(map(_shared_file, files)), folder and folder.absolute())

    def check(self, name: str, probe: str | None = None) -> None:
        """Check the files and the folder on the worker ``name``, which runs this. ``probe`` is a file in the folder.

        Raises :class:`~livebg.errors.SourceError` and :class:`~livebg.errors.SinkError`.
        """
        for expected in self.files:
            found = _shared_file(expected.path, f"The worker {name} cannot read")
            same_time = abs(found.modified - expected.modified) <= _CLOCK_TOLERANCE_S
            if found.size != expected.size or not same_time:
                facts = f"{found.size} bytes" if found.size != expected.size else "another time of modification"
                raise SourceError(f"The worker {name} sees another {expected.path} ({facts}).", _SAME_FILES)
        if self.folder is not None:
            _check_folder(self.folder, name, probe)


def check_on_worker(paths: SharedPaths, probe: str, dask_worker: Any = None) -> LivebgError | None:
    """Return the error of :meth:`SharedPaths.check`, None if there is none. Runs on a worker, which Dask passes."""
    try:
        paths.check(worker_name(dask_worker), probe)
    except LivebgError as error:
        return error
    return None


def probe_name() -> str:
    """Return a name for a file in a shared folder that no machine has looked for, and thus remembers to be missing.

    If the process is killed, it is one of those that the next run removes from a job directory.
    """
    return f".livebg-{secrets.token_hex(8)}.part"


def background_file(settings: Settings) -> Path | None:
    """Return the absolute path of the background's file; None if the background is none, or not in use."""
    effect = settings.effect
    if effect.mode != "background" or effect.background.startswith("#") or effect.background in BUILTIN_BACKGROUNDS:
        return None
    return expand_user(effect.background).absolute()


def with_absolute_paths(settings: Settings) -> Settings:
    """Return the settings with absolute paths of the network, its folders and the background: workers have other folders."""
    effect, model = settings.effect, settings.model
    name, background = model.name, str(background_file(settings) or effect.background)
    if name.lower().endswith(".onnx") or "/" in name or os.sep in name:
        name = str(expand_user(name).absolute())
    folders = tuple(expand_user(folder).absolute() for folder in model.folders)
    return settings.model_copy(
        update={
            "effect": effect.model_copy(update={"background": background}),
            "model": model.model_copy(update={"name": name, "folders": folders}),
        }
    )


def _check_folder(folder: Path, name: str, probe: str | None) -> None:
    hint = "Put the output in a folder that all workers share and may write to."
    try:
        if probe is not None and not (folder / probe).is_file():
            raise SinkError(f"The worker {name} does not share the folder {folder}.", hint)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise SinkError(f"The worker {name} cannot write to {folder} ({reason}).", hint) from error


def _shared_file(path: Path, problem: str = "Cannot read") -> SharedFile:
    """Return the file as this machine sees it. Opening it makes a network file system ask its server."""
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
    except OSError as error:
        reason = error.strerror or str(error)
        raise SourceError(f"{problem} {path} ({reason}).", _SAME_FILES) from error
    return SharedFile(path.absolute(), facts.st_size, facts.st_mtime)
