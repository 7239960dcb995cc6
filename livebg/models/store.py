"""Finds networks on this machine and downloads them."""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final

from livebg.errors import ModelError
from livebg.models.registry import REGISTRY, ModelCard, card_named, unknown_card
from livebg.platform.user_paths import exists, expand_user, is_file, user_folder

_LOG: Final = logging.getLogger(__name__)
_PACKAGE_FOLDER: Final = Path(__file__).parent
_TIMEOUT_S: Final = 10
_CHUNK_BYTES: Final = 1 << 16

Progress = Callable[[int, int], None]
"""Called with the bytes done and the total."""


class _Unavailable(Exception):
    """The release cannot be reached or does not have the file."""


@dataclass(frozen=True, slots=True)
class LocatedModel:
    """An existing network file and its card."""

    path: Path
    card: ModelCard

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size

    @property
    def sha256(self) -> str:
        """SHA-256 of the current file, hexadecimal."""
        return _sha256(self.path)


def models_folder() -> Path | None:
    """Return the folder of downloaded networks in the user's cache, which may not exist yet; None without a home directory."""
    cache = user_folder("cache")
    return cache and cache / "models"


def find(name_or_file: str, folders: Iterable[Path] = (), cache_folder: Path | None = None) -> LocatedModel:
    """Find a network by its registry name or by the path of a file.

    A value that ends in ``.onnx`` or contains a path separator is a file; a file identical to a registry network gets its card.
    The bundled network is in the package; other names are searched in ``folders`` in order, then in ``cache_folder`` (by default
    :func:`models_folder`). Raises ModelError for an unknown name or missing file, or if the size of a file found by name differs
    from the registry; its checksum was verified when it was downloaded.
    """
    if name_or_file.lower().endswith(".onnx") or "/" in name_or_file or os.sep in name_or_file:
        return _find_file(expand_user(name_or_file))
    card = card_named(name_or_file)
    if card.bundled:
        return _bundled(card)
    for folder in filter(None, (*folders, cache_folder or models_folder())):
        path = expand_user(folder) / card.file_name
        if is_file(path):
            _require_size(path, card)
            return LocatedModel(path, card)
    raise ModelError(f"The model {card.name} is not installed.", f"Run `livebg models pull {card.name}`.")


def pull(card: ModelCard, cache_folder: Path | None = None, progress: Progress = lambda _done, _total: None) -> LocatedModel:
    """Download a registry network into ``cache_folder`` (by default :func:`models_folder`) unless it exists or is bundled.

    The download fails after 10 seconds without a response. ``progress`` receives the bytes done and the total. The file appears
    under its name only when it is complete and its checksum matches; no temporary files remain after a failure. Raises ModelError
    if the release is unavailable, the checksum differs, or the folder cannot be written.
    """
    if card.bundled:
        return _bundled(card)
    folder = cache_folder or models_folder()
    if folder is None:
        raise ModelError(f"{card.name} cannot be stored without a home directory.", "Set HOME or XDG_CACHE_HOME.")
    target = folder / card.file_name
    try:
        if target.is_file() and _is_registry_file(target, card):
            progress(card.size_bytes, card.size_bytes)
            return LocatedModel(target, card)
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".pull-", dir=folder) as scratch:
            part = Path(scratch) / card.file_name
            _download(card, part, progress)
            part.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelError(
            f"{card.name} could not be written to {folder} ({reason}).", "Free disk space or make the folder writable."
        ) from error
    return LocatedModel(target, card)


def _download(card: ModelCard, part: Path, progress: Progress) -> None:
    """Download the release asset to ``part`` and verify it. Raises ModelError; the caller then deletes the file."""
    try:
        _copy_release(card, part, progress)
    except _Unavailable as error:
        raise ModelError(
            f"{card.name} could not be downloaded ({error}).",
            f"Connect to the internet and run `livebg models pull {card.name}` again.",
        ) from error
    if not _is_registry_file(part, card):
        raise ModelError(
            f"The SHA-256 of the downloaded {card.name} differs from the registry, so the file was deleted.",
            "Try again, or use another connection.",
        )


def _copy_release(card: ModelCard, part: Path, progress: Progress) -> None:
    """Copy until the end, but at most one chunk more than the size in the registry."""
    from http.client import HTTPException  # slow to import
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        # The timeout also applies to each read, so a stalled connection fails.
        response = urlopen(card.url, timeout=_TIMEOUT_S)
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError):
            error.close()  # it is the response as well
        raise _Unavailable(f"the release cannot be reached: {getattr(error, 'reason', error)}") from error
    with response, part.open("wb") as file:
        done = 0
        progress(done, card.size_bytes)
        while done <= card.size_bytes and (chunk := _read(response)):
            file.write(chunk)
            done += len(chunk)
            progress(min(done, card.size_bytes), card.size_bytes)
    if done < card.size_bytes:
        raise _Unavailable(f"the release download ended after {done} of {card.size_bytes} bytes")


def _read(response: IO[bytes]) -> bytes:
    """Separate from writing, so that a full disk is not reported as a connection error."""
    from http.client import HTTPException

    try:
        return response.read(_CHUNK_BYTES)
    except (OSError, HTTPException) as error:
        raise _Unavailable(f"the download failed: {error}") from error


def _bundled(card: ModelCard) -> LocatedModel:
    path = _PACKAGE_FOLDER / card.file_name
    if not path.is_file():
        raise ModelError(f"{path}, a part of livebg, is missing.", "Reinstall livebg.")
    return LocatedModel(path, card)


def _find_file(path: Path) -> LocatedModel:
    try:
        if not path.is_file():
            problem = "is not a file" if exists(path) else "does not exist"
            advice = f"Give the path of an .onnx file, or one of {', '.join(REGISTRY)}."
            raise ModelError(f"The model file {path} {problem}.", advice)
        card = next((card for card in REGISTRY.values() if _is_registry_file(path, card)), unknown_card(path.name))
    except OSError as error:
        raise ModelError(f"The model file {path} cannot be read ({error.strerror}).", "Check its permissions.") from error
    return LocatedModel(path, card)


def _require_size(path: Path, card: ModelCard) -> None:
    size = path.stat().st_size
    if size != card.size_bytes:
        raise ModelError(
            f"{path} has {size} bytes, but the model {card.name} has {card.size_bytes}.",
            f"Remove it and run `livebg models pull {card.name}`.",
        )


def _is_registry_file(path: Path, card: ModelCard) -> bool:
    return path.stat().st_size == card.size_bytes and _sha256(path) == card.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
