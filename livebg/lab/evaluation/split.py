"""Which files are kept aside for measuring: never trained on, and the same ones for everybody who asks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

from livebg.errors import SourceError

Thing = TypeVar("Thing")
"""A path, or the name of a file in an archive."""

KEPT_ASIDE: Final = 10
"""Every tenth file of ``ccp/images`` and of each folder of backgrounds, by name, is never trained on."""

CLIPS_HELD_OUT: Final = ("book", "sister", "walk", "yes", "head-pose-face-detection-male", "outdoors_640x360", "d11")
"""Clips, by their names without ending, that are never trained on."""

ROOMS_WITH_PEOPLE: Final = ("living_rooms/0310.jpg", "messy_desks/0190.jpg", "messy_desks/0210.jpg")
"""Of the rooms kept aside, by folder and name, those that are not empty: all were looked at. Whoever is seen in a mirror counts;
people in pictures on a wall and animals do not."""


def files(folder: Path) -> list[Path]:
    """The files of a folder by name, hidden ones left out; none where there is no such folder.

    Raises :class:`~livebg.errors.SourceError` when the folder cannot be read.
    """
    if not folder.is_dir():
        return []
    try:
        return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise SourceError(f"the folder {folder} cannot be read ({error.strerror}): change its permissions") from error


def held_out_part(paths: Sequence[Thing], *, kept: bool) -> list[Thing]:
    """Of paths in their order (those of :func:`files`), every tenth from the first on where ``kept``; else all the others."""
    return [path for index, path in enumerate(paths) if (index % KEPT_ASIDE == 0) == kept]


def is_held_out(clip: Path) -> bool:
    """Whether a clip is one of :data:`CLIPS_HELD_OUT`."""
    return clip.stem in CLIPS_HELD_OUT
