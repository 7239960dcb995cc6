"""A rendered segment: its files and their times."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from livebg.rendering.jobs import NetworkInfo


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A finished file of a segment: its ``name`` in the job directory, its size in bytes, and the SHA-256 of its content, hex."""

    name: str
    size: int
    sha256: str

    def path(self, folder: Path) -> Path:
        return folder / self.name


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """A rendered segment.

    ``pts`` are the times of its frames, rising, in ticks of the source's time base. ``files`` holds one file per output of the
    job, by the output's key: ``video``, ``matte``, ``cutout``, ``plate``. All of them have the same frames. ``notes`` are clauses
    on conversions, and ``damage`` counts what was wrong with the source's packets of this segment, by kind.
    """

    index: int
    pts: tuple[int, ...]
    files: Mapping[str, SegmentFile]
    notes: tuple[str, ...]
    damage: Mapping[str, int]
    network: NetworkInfo | None
