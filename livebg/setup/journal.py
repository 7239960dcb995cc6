"""Journal of setup. Each step is recorded before it runs, so that it can be undone even after an interruption."""

import base64
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError, field_serializer, field_validator

from livebg.atomic_write import write_atomically
from livebg.errors import SetupError

NAME: Final = "setup.json"


class WrittenFile(BaseModel):
    """A file written by setup. ``before`` is its previous content, None if it did not exist."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: Path
    as_root: bool
    before: bytes | None
    after: bytes

    @field_serializer("before", "after")
    def _as_text(self, content: bytes | None) -> str | None:
        return None if content is None else base64.b64encode(content).decode()

    @field_validator("before", "after", mode="before")
    @classmethod
    def _from_text(cls, content: object) -> object:
        return base64.b64decode(content, validate=True) if isinstance(content, str) else content


class CreatedFolder(BaseModel):
    """A folder created by setup."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: Path
    as_root: bool


class Journal(BaseModel):
    """All steps to undo, in the order in which they were done."""

    model_config = ConfigDict(extra="forbid")
    files: list[WrittenFile] = []
    folders: list[CreatedFolder] = []
    unmake_device: str = ""
    """Shell command for root that removes the device."""
    service: bool = False
    """Whether setup enabled the service."""

    def record_file(self, path: Path, as_root: bool, before: bytes | None, after: bytes) -> None:
        """Record a file before it is written. If setup wrote it before, its first ``before`` is kept."""
        earlier = next((file for file in self.files if file.path == path), None)
        first = WrittenFile(path=path, as_root=as_root, before=earlier.before if earlier else before, after=after)
        self.files = [*(file for file in self.files if file.path != path), first]

    def record_folders(self, folder: Path, as_root: bool) -> None:
        """Record the missing folders among ``folder`` and its parents, before they are created."""
        missing = [each for each in (*reversed(folder.parents), folder) if not each.exists()]
        known = {made.path for made in self.folders}
        self.folders += [CreatedFolder(path=each, as_root=as_root) for each in missing if each not in known]

    def save(self, folder: Path) -> None:
        """Write the journal to ``folder``, which is created if missing. Raises :class:`~livebg.errors.SetupError`."""
        try:
            write_atomically(folder / NAME, self.model_dump_json(indent=2).encode())
        except OSError as error:
            raise SetupError(
                f"Cannot write the setup journal to {folder} ({error.strerror}). Make that folder writable."
            ) from error


def read_journal(folder: Path) -> Journal | None:
    """Return the journal in ``folder``, or None if livebg was never set up.

    Raises :class:`~livebg.errors.SetupError` if it cannot be read.
    """
    path = folder / NAME
    try:
        return Journal.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise SetupError(
            f"Cannot read the setup journal {path} ({reason}). Fix it, or remove it and undo the setup manually."
        ) from error
