"""The hold-out of the archives of people: a tenth of every set, split by person and source rather than by picture.

An archive is a zip with ``images/NAME.webp`` and ``alpha/NAME.webp``. Pictures that may show one person stay together: those
whose names differ only in augmentation suffixes, neighbors in a numbered sequence (photographers take several pictures of one
person), and near duplicates by perceptual hash, across all sets and mirrored.
"""

import hashlib
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.errors import SourceError
from livebg.imaging.frame import Alpha8
from livebg.lab.evaluation.networks import Rgb

PEOPLE: Final = "people"
"""The folder of the archives under the data folder."""

HELD_OUT_SHARE: Final = 0.1

_SEQUENCE_LENGTH: Final = 10
_MAX_HASH_DISTANCE: Final = 6
"""Of 63 bits. All pairs up to 6 that were inspected show the same photo; from 10 on, most show different ones."""

_HASH_SIDE: Final = 8
THUMBNAIL_SIDE: Final = 32
"""Pixels."""

_AUGMENTATION: Final = re.compile(r"^[nw](?=\d+(-with-mask)?$|augmented)|-with-mask$|augmented_image_")
_NUMBER: Final = re.compile(r"(.*?)(\d+)$")

Key = tuple[str, str]
"""A set's name and a picture's."""


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
        """RGB, (height, width, 3), and alpha, (height, width), 255 = person, both uint8.

        Raises :class:`~livebg.errors.SourceError` when the archive cannot be read or one of the two is missing or damaged.
        """
        bgr = _decoded(self.archive, f"images/{self.name}.webp", cv2.IMREAD_COLOR)
        alpha = _decoded(self.archive, f"alpha/{self.name}.webp", cv2.IMREAD_GRAYSCALE)
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8), alpha

    def thumbnail(self) -> NDArray[np.uint8]:
        """The picture in gray, uint8, :data:`THUMBNAIL_SIDE` square. Raises as :meth:`read`."""
        gray = _decoded(self.archive, f"images/{self.name}.webp", cv2.IMREAD_GRAYSCALE)
        return np.asarray(cv2.resize(gray, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def archived_pictures(path: Path) -> list[ArchivedPicture]:
    """All pictures of an archive, by name. The archive stays open as long as one of them is in use.

    Raises :class:`~livebg.errors.SourceError` when it is not a zip file.
    """
    archive = opened_archive(path)
    names = [Path(name).stem for name in archive.namelist() if name.startswith("images/") and name.endswith(".webp")]
    return [ArchivedPicture(archive, path.stem, name) for name in sorted(names)]


def opened_archive(path: Path) -> zipfile.ZipFile:
    """A zip file, open for reading. Raises :class:`~livebg.errors.SourceError` when it is not one."""
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise SourceError(f"{path} cannot be read ({error}): copy it again") from error


def archived_rgb(path: Path, name: str) -> Rgb:
    """The picture ``name`` of the zip file ``path``, RGB. Raises :class:`~livebg.errors.SourceError` when it cannot be read."""
    with opened_archive(path) as archive:
        return np.asarray(cv2.cvtColor(_decoded(archive, name, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)


def people_archives(data: Path) -> list[Path]:
    """The archives under ``data/people``, by name."""
    return sorted((data / PEOPLE).glob("*.zip"))


def held_out_keys(data: Path) -> frozenset[Key]:
    """The pictures of all sets under ``data/people`` that are never trained on. Reads every picture once."""
    return select_holdout(groups([picture for path in people_archives(data) for picture in archived_pictures(path)]))


def groups(pictures: Sequence[ArchivedPicture]) -> list[list[Key]]:
    """Pictures that must stay on one side of a split, together; each picture is in one group."""
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
    """The name without augmentation affixes; a name that has none loses the last digit of its number instead."""
    original = _AUGMENTATION.sub("", name)
    match = _NUMBER.fullmatch(name)
    return original if match is None or original != name else f"{match[1]}{int(match[2]) // _SEQUENCE_LENGTH}-"


def near_duplicates(thumbnails: Sequence[NDArray[np.uint8]]) -> Iterable[tuple[int, int]]:
    """Index pairs of gray pictures (32, 32) that show the same, mirrored or not."""
    if not thumbnails:
        return
    plain = np.stack([_hash_bits(thumbnail) for thumbnail in thumbnails])
    mirrored = np.stack([_hash_bits(thumbnail[:, ::-1]) for thumbnail in thumbnails])
    for index, bits in enumerate(plain):
        for candidates in (plain, mirrored):
            agreement = candidates[index + 1 :] @ bits  # of +1 and -1: the number of bits minus twice the distance
            near = np.flatnonzero(agreement >= bits.size - 2 * _MAX_HASH_DISTANCE)
            yield from ((index, index + 1 + int(offset)) for offset in near)


def select_holdout(grouped: Sequence[Sequence[Key]]) -> frozenset[Key]:
    """Whole groups, in an order that depends on their names only, until every set has its share held out."""
    sizes: dict[str, int] = {}
    for name, _ in (key for group in grouped for key in group):
        sizes[name] = sizes.get(name, 0) + 1
    missing = {name: HELD_OUT_SHARE * size for name, size in sizes.items()}
    held_out: set[Key] = set()
    for group in sorted(grouped, key=_order):
        counts = _count_by_set(group)
        if all(missing[name] > 0 and count <= max(missing[name] * 2, 1) for name, count in counts.items()):
            held_out.update(group)
            missing = {name: missing[name] - counts.get(name, 0) for name in missing}
    return frozenset(held_out)


def _order(group: Sequence[Key]) -> str:
    return hashlib.sha256("/".join(min(group)).encode()).hexdigest()


def _count_by_set(group: Sequence[Key]) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for name, _ in group:
        counts[name] = counts.get(name, 0) + 1
    return counts


def _hash_bits(thumbnail: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A perceptual hash, +1 or -1 (63): which of the lowest frequencies of the cosine transform exceed their median."""
    spectrum = cv2.dct(np.ascontiguousarray(thumbnail, np.float32))[:_HASH_SIDE, :_HASH_SIDE].ravel()[1:]
    return np.where(spectrum > np.median(spectrum), np.float32(1), np.float32(-1)).astype(np.float32)


def _decoded(archive: zipfile.ZipFile, name: str, flags: int) -> NDArray[np.uint8]:
    """A picture of an archive, decoded by OpenCV. Raises :class:`~livebg.errors.SourceError` when it cannot be."""
    try:
        decoded = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), flags)
    except (OSError, KeyError, zipfile.BadZipFile, cv2.error) as error:
        raise SourceError(f"{name} in {archive.filename} cannot be read ({error}): copy the archive again") from error
    if decoded is None:
        raise SourceError(f"{name} in {archive.filename} is damaged: copy the archive again")
    return np.asarray(decoded, np.uint8)
