"""The results of a soak so far, kept in a file from which it continues."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final, Self

_FEWEST: Final = 8
"""Samples of one process below which there is no trend to speak of."""
_RSS_SLACK: Final = 6.0
"""MiB by which memory may be larger at the end than after the first quarter, since allocators keep freed memory."""
_RSS_SHARE: Final = 0.03


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at rest, after so many ``frames`` of the whole soak: ``rss`` in MiB, ``threads``, ``descriptors``; ``process``
    identifies the processes of a soak in pieces."""

    process: int
    frames: int
    rss: float
    threads: int
    descriptors: int


@dataclass(slots=True)
class Figures:
    """Sums over all chapters; ``frames`` are composites of new frames that left, ``clip_seconds`` the session's own time."""

    seed: int = 1
    network: str = "toy"
    chapters: int = 0
    processes: int = 0
    frames: int = 0
    pictures: int = 0
    placeholders: int = 0
    repeated: int = 0
    captured: int = 0
    dropped: int = 0
    failed: int = 0
    rooms_allowed: int = 0
    """Pictures of the room that left on the user's word: they show that the observer sees it."""
    rooms_recorded: int = 0
    """Recordings that show the room, with the user's consent."""
    clip_seconds: float = 0.0
    real_seconds: float = 0.0
    longest_silence: float = 0.0
    acts: dict[str, int] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The results in ``path``, or empty ones."""
        if not path.exists():
            return cls()
        reported: dict[str, Any] = json.loads(path.read_text())
        reported["samples"] = [Sample(**each) for each in reported["samples"]]
        return cls(**{name: value for name, value in reported.items() if name != "trends"})

    def write(self, path: Path) -> None:
        """Atomic, so that an interruption loses at most the current chapter."""
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(asdict(self) | {"trends": self.trends()}, indent=1))
        part.replace(path)

    def trends(self) -> list[str]:
        """What has grown in the run of a process, in words; empty where all is flat."""
        grown: list[str] = []
        for process in sorted({sample.process for sample in self.samples}):
            grown += growth([sample for sample in self.samples if sample.process == process])
        return grown


def growth(samples: Sequence[Sample]) -> list[str]:
    """The growth from the second to the last quarter of a process's samples; the first quarter may still fill caches."""
    if len(samples) < _FEWEST:
        return []
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    found: list[str] = []
    for name in ("rss", "threads", "descriptors"):
        before, after = (median(getattr(sample, name) for sample in part) for part in (early, late))
        slack = max(_RSS_SLACK, before * _RSS_SHARE) if name == "rss" else 0
        if after > before + slack:
            found.append(f"{name} grew from {before:g} to {after:g} within {late[-1].frames - early[0].frames} frames")
    return found
