"""What setup has done, written down before it is done, so that all of it can be taken back after an interruption too."""

import base64
import os
import secrets
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError, field_serializer, field_validator

from livebg.errors import SetupError

NAME: Final = "setup.json"


class Written(BaseModel):
    """A file that setup wrote. ``before`` is what it held, None where there was none."""

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


class Made(BaseModel):
    """A folder that setup made."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: Path
    as_root: bool


class Journal(BaseModel):
    """All that is to be taken back, in the order in which it was done."""

    model_config = ConfigDict(extra="forbid")
    files: list[Written] = []
    folders: list[Made] = []
    unmake_device: str = ""
    """What root runs to take the device away."""
    service: bool = False
    """Whether the service was enabled by setup."""

    def note_file(self, path: Path, as_root: bool, before: bytes | None, after: bytes) -> None:
        """A file that is about to be written; of one that setup wrote before, what was there first is kept."""
        earlier = next((file for file in self.files if file.path == path), None)
        first = Written(path=path, as_root=as_root, before=earlier.before if earlier else before, after=after)
        self.files = [*(file for file in self.files if file.path != path), first]

    def note_folders(self, folder: Path, as_root: bool) -> None:
        """Those of a folder and its parents that are not there, and are about to be made."""
        missing = [each for each in (*reversed(folder.parents), folder) if not each.exists()]
        known = {made.path for made in self.folders}
        self.folders += [Made(path=each, as_root=as_root) for each in missing if each not in known]

    def save(self, folder: Path) -> None:
        """Write it to ``folder``, which is made where it is missing. Raises :class:`~livebg.errors.SetupError`."""
        part = folder / f".{NAME}-{secrets.token_hex(4)}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with part.open("x") as file:
                file.write(self.model_dump_json(indent=2))
                file.flush()
                os.fsync(file.fileno())
            part.replace(folder / NAME)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise SetupError(f"what is done cannot be noted in {folder} ({error.strerror}): make that folder writable") from error


def read_journal(folder: Path) -> Journal | None:
    """What was noted in ``folder``; None where livebg was never set up.

    Raises :class:`~livebg.errors.SetupError` when it cannot be read.
    """
    path = folder / NAME
    try:
        return Journal.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise SetupError(
            f"{path} says what livebg setup has done and cannot be read ({reason}): mend it, or remove it"
        ) from error
