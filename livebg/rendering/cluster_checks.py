"""Checks before a cluster gets work: the same versions and network on all workers, and files that all of them see."""

import os
import platform
import secrets
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from livebg.config.choices import BUILTIN_BACKGROUNDS
from livebg.config.settings import Settings
from livebg.errors import ConfigError, LivebgError, ModelError, SinkError, SourceError
from livebg.platform.user_paths import expand_user
from livebg.rendering.cluster_address import is_encrypted, is_loopback
from livebg.rendering.fingerprint import CPU, difference, environment_fingerprint, network_fingerprint

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_CLOCK_TOLERANCE_S: Final = 2.0
"""Seconds by which the times of a file may differ: some network file systems round them."""
_SAME_VERSIONS: Final = "Install the same version of livebg and its packages on all workers."


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a worker must fulfill before it opens a picture, also one that joins while tasks run.

    ``environment`` is a fingerprint without the CPU. ``network`` is the SHA-256 of the network, None if none runs. ``machine`` is
    the only one that may see the pictures, None if any may. ``insecure`` permits connections without encryption.
    """

    environment: Mapping[str, str]
    network: str | None
    machine: str | None
    insecure: bool

    def check(self, name: str, address: str, report: Mapping[str, Any]) -> None:
        """Check what :func:`describe_worker` returned for the worker ``name``.

        Raises :class:`~livebg.errors.ConfigError` or :class:`~livebg.errors.ModelError`.
        """
        if not (self.insecure or is_encrypted(address) or is_loopback(address)):
            hint = "Start it with a tls:// address, or add --insecure-cluster if you trust all machines in the network."
            raise ConfigError(f"The connection to the worker {name} is not encrypted.", hint)
        if self.machine not in (None, report["machine"]):
            hint = "Run livebg again: it then reports that pictures leave this machine."
            raise ConfigError(f"The worker {name} is on another machine and joined after the start.", hint)
        differs = difference(self.environment, {key: value for key, value in report["environment"].items() if key != CPU})
        if differs:
            raise ConfigError(f"The worker {name} has {differs}.", _SAME_VERSIONS)
        if report["problem"]:
            raise ModelError(f"The worker {name} cannot use the network: {report['problem']}")
        if report["network"] != self.network:
            raise ModelError(f"The worker {name} has another network file.", "Copy the same file to all workers.")


def required(settings: Settings | None, machine: str | None, insecure: bool) -> Requirements:
    """Returns the requirements for workers that continue what this process does. ``settings`` name the network; None: none runs.

    Raises :class:`~livebg.errors.ModelError` if this machine does not have the network.
    """
    environment = {key: value for key, value in cluster_fingerprint().items() if key != CPU}
    return Requirements(environment, network_fingerprint(settings) if settings else None, machine, insecure)


def describe_worker(settings: Settings | None = None) -> dict[str, Any]:
    """Returns the facts that :meth:`Requirements.check` compares. Runs on a worker, so the result has built-in types only."""
    network, problem = None, ""
    try:
        network = settings and network_fingerprint(settings)
    except LivebgError as error:
        problem = str(error)
    return {
        "host": platform.node(),
        "machine": machine_id(),
        "environment": cluster_fingerprint(),
        "network": network,
        "problem": problem,
    }


def cluster_fingerprint() -> dict[str, str]:
    """Returns the fingerprint of this process, with the version of Dask."""
    import distributed

    return {**environment_fingerprint(), "distributed": distributed.__version__}


def machine_id() -> str:
    """Returns a text that differs between machines: other containers on this machine have the same one."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return platform.node()


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
                hint = "Workers need the same files under the same paths, such as on a network file system."
                raise SourceError(f"The worker {name} sees another {expected.path} ({facts}).", hint)
        if self.folder is not None:
            _check_folder(self.folder, name, probe)


def check_on_worker(paths: SharedPaths, probe: str, dask_worker: Any = None) -> LivebgError | None:
    """Returns the error of :meth:`SharedPaths.check`, None if there is none. Runs on a worker, which Dask passes."""
    try:
        paths.check(worker_name(dask_worker), probe)
    except LivebgError as error:
        return error
    return None


def worker_name(dask_worker: Any) -> str:
    """Returns the name of this worker, for messages."""
    return f"{dask_worker.address} on {platform.node()}"


def probe_name() -> str:
    """Returns a name for a file in a shared folder that no machine has looked for, and thus remembers to be missing.

    If the process is killed, it is one of those that the next run removes from a job directory.
    """
    return f".livebg-{secrets.token_hex(8)}.part"


def background_file(settings: Settings) -> Path | None:
    """Returns the absolute path of the background's file; None if the background is none, or not in use."""
    effect = settings.effect
    if effect.mode != "background" or effect.background.startswith("#") or effect.background in BUILTIN_BACKGROUNDS:
        return None
    return expand_user(effect.background).absolute()


def with_absolute_paths(settings: Settings) -> Settings:
    """Returns the settings with absolute paths of the network, its folders and the background: workers have other folders."""
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
    """Returns the file as this machine sees it. Opening it makes a network file system ask its server."""
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "Workers need the same files under the same paths, such as on a network file system."
        raise SourceError(f"{problem} {path} ({reason}).", hint) from error
    return SharedFile(path.absolute(), facts.st_size, facts.st_mtime)
