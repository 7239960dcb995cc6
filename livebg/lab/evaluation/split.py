"""Defines the hold-out: files that are never used for training. The selection is deterministic."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

from livebg.errors import SourceError

Thing = TypeVar("Thing")
"""A path, or the name of a file in an archive."""

KEPT_ASIDE: Final = 10
"""Every tenth file of ``ccp/images`` and of each folder of backgrounds, by name, is held out."""

CLIPS_HELD_OUT: Final = ("book", "sister", "walk", "yes", "head-pose-face-detection-male", "outdoors_640x360", "d11")
"""Stems of the held-out clips."""

ROOMS_WITH_PEOPLE: Final = ("living_rooms/0310.jpg", "messy_desks/0190.jpg", "messy_desks/0210.jpg")
"""Held-out rooms that are not empty, FOLDER/NAME, by inspection of all of them. People in a mirror count; people in pictures on a
wall and animals do not."""


def files(folder: Path) -> list[Path]:
    """Returns the files of a folder by name, without hidden ones; empty if the folder does not exist.

    Raises :class:`~livebg.errors.SourceError` if the folder cannot be read.
    """
    if not folder.is_dir():
        return []
    try:
        return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise SourceError(f"Cannot read the folder {folder} ({error.strerror}). Change its permissions.") from error


def held_out_part(paths: Sequence[Thing], *, kept: bool) -> list[Thing]:
    """Returns every tenth path from the first if ``kept``, else all others. Pass paths in the order of :func:`files`."""
    return [path for index, path in enumerate(paths) if (index % KEPT_ASIDE == 0) == kept]


def is_held_out(clip: Path) -> bool:
    """Returns whether a clip is in :data:`CLIPS_HELD_OUT`."""
    return clip.stem in CLIPS_HELD_OUT
