"""Defines the hold-out: files that are never used for training. The selection is deterministic.

Of folders, it is every tenth file; of archives of people, a tenth of every set, split by person and source, not by picture. An
archive is a zip file with ``images/NAME.webp`` and ``alpha/NAME.webp``. Pictures that may show the same person stay together:
names that differ only in augmentation affixes, neighbors in a numbered sequence (photographers take several pictures of a
person), and near duplicates by perceptual hash, across all sets and mirrored.
"""

import hashlib
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.errors import SourceError
from livebg.imaging.frame import Alpha8
from livebg.lab.evaluation.networks import Rgb

Item = TypeVar("Item")
"""A path, or the name of a file in an archive."""

KEPT_ASIDE: Final = 10
"""Every tenth file of ``ccp/images`` and of each folder of backgrounds, by name, is held out."""

CLIPS_HELD_OUT: Final = ("book", "sister", "walk", "yes", "head-pose-face-detection-male", "outdoors_640x360", "d11")
"""Stems of the held-out clips."""

ROOMS_WITH_PEOPLE: Final = ("living_rooms/0310.jpg", "messy_desks/0190.jpg", "messy_desks/0210.jpg")
"""Held-out rooms that are not empty, FOLDER/NAME, by inspection of all of them. People in a mirror count; people in pictures on a
wall and animals do not."""

PEOPLE: Final = "people"
"""The folder of the archives under the data folder."""

HELD_OUT_SHARE: Final = 0.1

_SEQUENCE_LENGTH: Final = 10
_MAX_HASH_DISTANCE: Final = 6
"""Of 63 bits. All inspected pairs up to 6 show the same photo; from 10, most show different ones."""

_HASH_SIDE: Final = 8
THUMBNAIL_SIDE: Final = 32
"""Pixels."""

_AUGMENTATION: Final = re.compile(r"^[nw](?=\d+(-with-mask)?$|augmented)|-with-mask$|augmented_image_")
_NUMBER: Final = re.compile(r"(.*?)(\d+)$")

Key = tuple[str, str]
"""Set name and picture name."""


def files(folder: Path) -> list[Path]:
    """Return the files of a folder by name, without hidden ones; empty if the folder does not exist.

    Raises :class:`~livebg.errors.SourceError` if the folder cannot be read.
    """
    if not folder.is_dir():
        return []
    try:
        return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise SourceError(f"Cannot read the folder {folder} ({error.strerror}).", "Change its permissions.") from error


def held_out_part(paths: Sequence[Item], *, kept: bool) -> list[Item]:
    """Return every tenth path from the first if ``kept``, else all others. Pass paths in the order of :func:`files`."""
    return [path for index, path in enumerate(paths) if (index % KEPT_ASIDE == 0) == kept]


def is_held_out(clip: Path) -> bool:
    """Return whether a clip is in :data:`CLIPS_HELD_OUT`."""
    return clip.stem in CLIPS_HELD_OUT


@dataclass(frozen=True, slots=True)
class ArchivedPicture:
    """A picture in an archive, with the alpha of the people in it."""

    archive: zipfile.ZipFile
    set_name: str
    name: str

    @property
    def key(self) -> Key:
        return self.set_name, self.name

    def read(self) -> tuple[Rgb, Alpha8]:
        """Return RGB, (height, width, 3), and alpha, (height, width), 255 = person, both uint8.

        Raises :class:`~livebg.errors.SourceError` if the archive cannot be read or a member is missing or damaged.
        """
        bgr = _decode(self.archive, f"images/{self.name}.webp", cv2.IMREAD_COLOR)
        alpha = _decode(self.archive, f"alpha/{self.name}.webp", cv2.IMREAD_GRAYSCALE)
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8), alpha

    def thumbnail(self) -> NDArray[np.uint8]:
        """Return the picture in grayscale, uint8, :data:`THUMBNAIL_SIDE` square. Raises the same errors as :meth:`read`."""
        gray = _decode(self.archive, f"images/{self.name}.webp", cv2.IMREAD_GRAYSCALE)
        return np.asarray(cv2.resize(gray, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def archived_pictures(path: Path) -> list[ArchivedPicture]:
    """Return all pictures of an archive, by name. The archive stays open as long as one of them is in use.

    Raises :class:`~livebg.errors.SourceError` if it is not a zip file.
    """
    archive = opened_archive(path)
    names = [Path(name).stem for name in archive.namelist() if name.startswith("images/") and name.endswith(".webp")]
    return [ArchivedPicture(archive, path.stem, name) for name in sorted(names)]


def opened_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip file for reading. Raises :class:`~livebg.errors.SourceError` if it is not a zip file."""
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise SourceError(f"Cannot read {path} ({error}).", "Copy it again.") from error


def archived_rgb(path: Path, name: str) -> Rgb:
    """Read the picture ``name`` of the zip file ``path`` as RGB. Raises :class:`~livebg.errors.SourceError` if that fails."""
    with opened_archive(path) as archive:
        return np.asarray(cv2.cvtColor(_decode(archive, name, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)


def people_archives(data: Path) -> list[Path]:
    """Return the archives under ``data/people``, by name."""
    return sorted((data / PEOPLE).glob("*.zip"))


def held_out_keys(data: Path) -> frozenset[Key]:
    """Return the hold-out of all sets under ``data/people``, never used for training. Reads every picture once."""
    return select_holdout(groups([picture for path in people_archives(data) for picture in archived_pictures(path)]))


def groups(pictures: Sequence[ArchivedPicture]) -> list[list[Key]]:
    """Group pictures that must stay on the same side of a split. Each picture is in exactly one group."""
    parents = list(range(len(pictures)))

    def find(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    first: dict[Key, int] = {}
    for index, picture in enumerate(pictures):
        parents[find(index)] = find(first.setdefault((picture.key[0], name_group(picture.name)), index))
    for one, other in near_duplicates([picture.thumbnail() for picture in pictures]):
        parents[find(one)] = find(other)
    found: dict[int, list[Key]] = {}
    for index, picture in enumerate(pictures):
        found.setdefault(find(index), []).append(picture.key)
    return [sorted(group) for group in found.values()]


def name_group(name: str) -> str:
    """Return the name without augmentation affixes or, if it has none, without the last digit of its number."""
    original = _AUGMENTATION.sub("", name)
    match = _NUMBER.fullmatch(name)
    return original if match is None or original != name else f"{match[1]}{int(match[2]) // _SEQUENCE_LENGTH}-"


def near_duplicates(thumbnails: Sequence[NDArray[np.uint8]]) -> Iterable[tuple[int, int]]:
    """Yield index pairs of grayscale pictures (32, 32) that show the same scene, mirrored or not."""
    if not thumbnails:
        return
    plain = np.stack([_hash_bits(thumbnail) for thumbnail in thumbnails])
    mirrored = np.stack([_hash_bits(thumbnail[:, ::-1]) for thumbnail in thumbnails])
    for index, bits in enumerate(plain):
        for candidates in (plain, mirrored):
            agreement = candidates[index + 1 :] @ bits  # dot product of +1 and -1: number of bits minus twice the distance
            near = np.flatnonzero(agreement >= bits.size - 2 * _MAX_HASH_DISTANCE)
            yield from ((index, index + 1 + int(offset)) for offset in near)


def select_holdout(grouped: Sequence[Sequence[Key]]) -> frozenset[Key]:
    """Select whole groups, in an order that depends only on their names, until every set's share is held out."""
    sizes = Counter(name for group in grouped for name, _ in group)
    missing = {name: HELD_OUT_SHARE * size for name, size in sizes.items()}
    held_out: set[Key] = set()
    for group in sorted(grouped, key=lambda group: hashlib.sha256("/".join(min(group)).encode()).hexdigest()):
        counts = Counter(name for name, _ in group)
        if all(missing[name] > 0 and count <= max(missing[name] * 2, 1) for name, count in counts.items()):
            held_out.update(group)
            missing = {name: missing[name] - counts[name] for name in missing}
    return frozenset(held_out)


def _hash_bits(thumbnail: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a perceptual hash, (63,), +1 where a low frequency of the cosine transform exceeds the median, else -1."""
    spectrum = cv2.dct(np.ascontiguousarray(thumbnail, np.float32))[:_HASH_SIDE, :_HASH_SIDE].ravel()[1:]
    return np.where(spectrum > np.median(spectrum), np.float32(1), np.float32(-1)).astype(np.float32)


def _decode(archive: zipfile.ZipFile, name: str, flags: int) -> NDArray[np.uint8]:
    """Decode a picture of an archive with OpenCV. Raises :class:`~livebg.errors.SourceError` if that fails."""
    try:
        decoded = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), flags)
    except (OSError, KeyError, zipfile.BadZipFile, cv2.error) as error:
        raise SourceError(f"Cannot read {name} in {archive.filename} ({error}).", "Copy the archive again.") from error
    if decoded is None:
        raise SourceError(f"{name} in {archive.filename} is damaged.", "Copy the archive again.")
    return np.asarray(decoded, np.uint8)
