"""Lists the pictures and clips under a data folder. Files are read only when needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from livebg.errors import SourceError
from livebg.imaging.frame import Alpha8
from livebg.lab.evaluation.holdout import (
    PEOPLE,
    ROOMS_WITH_PEOPLE,
    ArchivedPicture,
    Item,
    archived_pictures,
    archived_rgb,
    files,
    held_out_keys,
    held_out_part,
    is_held_out,
    opened_archive,
    people_archives,
)
from livebg.lab.evaluation.networks import Rgb
from livebg.metrics.readers import picture_at
from livebg.rendering.photo import Photo
from livebg.sources.media_types import PHOTO_SUFFIXES, VIDEO_SUFFIXES

TRAINED_ON: Final = ("train",)
"""Folders with these names are skipped."""

SPLIT_SETS: Final = ("ccp",)
"""Sets without their own split: a tenth of each is held out, the rest is used for training."""


@dataclass(frozen=True, slots=True)
class MaskedPicture:
    """A picture and its person mask, as files."""

    picture: Path
    mask: Path

    @property
    def name(self) -> str:
        return self.picture.stem

    def read(self) -> tuple[Rgb, Alpha8]:
        """Return RGB, (height, width, 3), and the mask, (height, width), 255 = person, both uint8.

        Raises :class:`~livebg.errors.SourceError` if one cannot be read or their sizes differ.
        """
        rgb, mask = Photo(self.picture).rgb, picture_at(self.mask).matte
        if rgb.shape[:2] != mask.shape:
            sizes = (f"{shape[1]}x{shape[0]}" for shape in (mask.shape, rgb.shape))
            raise SourceError("{} is {}, but its picture is {}. Make them the same size.".format(self.mask, *sizes))
        return rgb, mask


LabeledPicture = MaskedPicture | ArchivedPicture
"""A picture and its person mask, read on demand."""


@dataclass(frozen=True, slots=True)
class PictureSet:
    """Pictures with masks; ``name`` is the folder's path below the data folder."""

    name: str
    pairs: tuple[LabeledPicture, ...]


def require_folder(data: Path) -> None:
    """Raise :class:`~livebg.errors.SourceError` if the folder does not exist."""
    if not data.is_dir():
        found = "is a file" if data.exists() else "does not exist"
        raise SourceError(f"{data} {found}.", "Specify the folder that contains the data sets.")


def picture_sets(data: Path, step: int = 1) -> list[PictureSet]:
    """Return :func:`folder_sets` and the hold-out of every archive of people; of each, every ``step``-th picture.

    Reads every archived picture once. Raises as :func:`folder_sets`, and when an archive is damaged.
    """
    return [*folder_sets(data, step), *_people_held_out(data, step)]


def folder_sets(data: Path, step: int = 1) -> list[PictureSet]:
    """Return every evaluation folder under ``data`` with ``images`` and ``masks``; of each, every ``step``-th picture.

    Training folders are skipped. Raises :class:`~livebg.errors.SourceError` if ``data`` is not a folder or a picture has no
    mask.
    """
    require_folder(data)
    found = []
    for images in sorted(data.rglob("images")):
        folder = images.parent
        name = folder.relative_to(data)
        own_name = folder.resolve().name
        if not (folder / "masks").is_dir() or {*name.parts, own_name} & set(TRAINED_ON):
            continue
        masks = {mask.stem: mask for mask in _photos(folder / "masks")}
        pictures = _photos(images)
        kept = held_out_part(pictures, kept=True) if own_name in SPLIT_SETS else pictures
        pairs = tuple(MaskedPicture(picture, _mask_of(picture, masks)) for picture in kept[::step])
        if pairs:
            found.append(PictureSet(str(name) if name.parts else own_name, pairs))
    return found


def _people_held_out(data: Path, step: int) -> list[PictureSet]:
    """Return the hold-out of every archive of people."""
    archives = people_archives(data)
    held_out = held_out_keys(data) if archives else frozenset()
    sets = []
    for path in archives:
        pairs = tuple(picture for picture in archived_pictures(path) if picture.key in held_out)[::step]
        if pairs:
            sets.append(PictureSet(f"{PEOPLE}/{path.stem}", pairs))
    return sets


@dataclass(frozen=True, slots=True)
class EmptyRoom:
    """A picture without people: its name, FOLDER/FILE or ARCHIVE/FILE, and a function that reads it as RGB."""

    name: str
    read: Callable[[], Rgb]


def rooms_aside(data: Path, step: int = 1) -> list[EmptyRoom]:
    """Return every ``step``-th held-out picture of empty rooms in the folders and zip files of ``data/backgrounds``.

    Pictures that show a person are excluded. Raises :class:`~livebg.errors.SourceError` if a zip file is damaged.
    """
    root = data / "backgrounds"
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir())] if root.is_dir() else []
    photos = [path for folder in folders for path in held_out_part(_photos(folder), kept=True)]
    found = [EmptyRoom(f"{path.parent.name}/{path.name}", partial(_read_photo, path)) for path in photos]
    for path in sorted(root.glob("*.zip")):
        with opened_archive(path) as archive:
            names = sorted(archive.namelist())
        found += [EmptyRoom(f"{path.stem}/{name}", partial(archived_rgb, path, name)) for name in held_out_part(names, kept=True)]
    return [room for room in found if room.name not in ROOMS_WITH_PEOPLE][::step]


def _read_photo(path: Path) -> Rgb:
    return Photo(path).rgb


def clips(data: Path, *, all_of_them: bool = False) -> list[Path]:
    """Return the held-out clips under ``data/video``, or all of them."""
    found = sorted(path for path in (data / "video").rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file())
    return [path for path in found if all_of_them or is_held_out(path)]


def every_nth(items: Sequence[Item], count: int) -> list[Item]:
    """Return ``count`` evenly spaced items, or all if there are fewer."""
    if len(items) <= count:
        return list(items)
    return [items[index] for index in np.linspace(0, len(items) - 1, count).round().astype(int)]


def _photos(folder: Path) -> list[Path]:
    return [path for path in files(folder) if path.suffix.lower() in PHOTO_SUFFIXES]


def _mask_of(picture: Path, masks: dict[str, Path]) -> Path:
    if picture.stem not in masks:
        raise SourceError(
            f"{picture} has no mask with the same name in {picture.parent.parent / 'masks'}.", "Add it or remove the picture."
        )
    return masks[picture.stem]
