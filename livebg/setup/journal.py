"""Journal of setup. Each step is recorded before it runs, so that it can be undone even after an interruption."""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError, field_serializer, field_validator

from livebg.errors import SetupError
from livebg.platform.atomic_write import write_atomically

NAME: Final = "setup.json"


class FileChange(BaseModel):
    """A file that setup writes. ``after`` is its content, ``before`` the previous one, None if it did not exist."""

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
    files: list[FileChange] = []
    folders: list[CreatedFolder] = []
    unmake_device: str = ""
    """Shell command for root that removes the device."""
    service: bool = False
    """Whether setup enabled the service."""

    def record_files(self, changes: Iterable[FileChange]) -> None:
        """Record files and their missing folders before they are written.

        A file recorded before keeps its first ``before``, unless the user changed it since: what the user wrote is kept. A file
        of root that differs may also be one that was not written completely.
        """
        for change in changes:
            self.record_folders(change.path.parent, change.as_root)
            earlier = next((file for file in self.files if file.path == change.path), change)
            self.forget_files([earlier])
            is_edited = not change.as_root and change.before not in (None, earlier.after)
            self.files.append(change if is_edited else change.model_copy(update={"before": earlier.before}))

    def forget_files(self, files: Iterable[FileChange]) -> None:
        """Remove the records of ``files``."""
        paths = {file.path for file in files}
        self.files = [file for file in self.files if file.path not in paths]

    def record_folders(self, folder: Path, as_root: bool) -> None:
        """Record the missing folders among ``folder`` and its parents, before they are created. Raises SetupError."""
        try:
            missing = [each for each in (*reversed(folder.parents), folder) if not each.exists()]
        except OSError as error:
            raise SetupError(f"Cannot read {folder} ({error.strerror}).", "Make it accessible.") from error
        known = {made.path for made in self.folders}
        self.folders += [CreatedFolder(path=each, as_root=as_root) for each in missing if each not in known]

    def save(self, folder: Path) -> None:
        """Write the journal to ``folder``, which is created if missing. Raises :class:`~livebg.errors.SetupError`."""
        try:
            write_atomically(folder / NAME, self.model_dump_json(indent=2).encode())
        except ValueError:  # pydantic's error of a path that JSON cannot hold
            raise SetupError(f"Cannot record the changes: a path like {folder} is not UTF-8.", "Rename that folder.") from None
        except OSError as error:
            raise SetupError(
                f"Cannot write the setup journal to {folder} ({error.strerror}).", "Make that folder writable."
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
            f"Cannot read the setup journal {path} ({reason}).", "Fix it, or remove it and undo the setup manually."
        ) from error
