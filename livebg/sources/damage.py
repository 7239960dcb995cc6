"""Counts what was wrong with a file's packets and pictures, by kind and time."""

from collections.abc import Mapping
from typing import Final

_CLAUSES: Final = {
    "leading": ("packet", "skipped {} at the start that cannot be decoded"),
    "undecodable": ("packet", "skipped {} that cannot be decoded"),
    "damaged": ("frame", "{} decoded with errors"),
    "corrected": ("timestamp", "corrected {}, missing or out of order"),
}
"""The noun and the clause of each kind, in the order of the notes."""


class DamageLog:
    """The times, in ticks, of what was wrong, by kind.

    Kinds: ``leading`` packets before the first picture that decodes; ``undecodable`` packets after it; ``damaged`` pictures that
    were decoded with errors; ``corrected`` timestamps. A packet that fails to decode has the time of the packet whose decoding
    reported the error, which with several decoder threads is a later one.
    """

    def __init__(self) -> None:
        self._times: dict[str, list[int]] = {kind: [] for kind in _CLAUSES}

    def __bool__(self) -> bool:
        return any(self._times.values())

    def add(self, kind: str, time: int) -> None:
        self._times[kind].append(time)

    def forget(self, kind: str, before: int | None) -> None:
        """Remove those of a kind before a time; None removes all."""
        self._times[kind] = [time for time in self._times[kind] if before is not None and time >= before]

    def counts(self, begin: int | None, end: int | None) -> dict[str, int]:
        """Return the number of each kind with ``begin <= time < end``; None is no limit."""
        return {
            kind: sum((begin is None or begin <= time) and (end is None or time < end) for time in times)
            for kind, times in self._times.items()
        }


def damage_notes(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return a clause for each kind in ``counts`` that is not 0."""
    return tuple(
        clause.format(f"{counts[kind]} {noun}" if counts[kind] == 1 else f"{counts[kind]} {noun}s")
        for kind, (noun, clause) in _CLAUSES.items()
        if counts.get(kind)
    )
