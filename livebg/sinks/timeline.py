"""The decoding times and durations of a file's pictures, from their presentation times alone."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeline:
    """The times of a file, in ticks.

    ``pts`` are the pictures' presentation times, rising. ``delay`` is the largest number of packets by which a picture comes
    later in decoding order than in presentation order. ``nominal`` is the duration of a picture without a successor, and ``end``
    the end of the last picture if it is known.
    """

    pts: Sequence[int]
    delay: int
    nominal: int
    end: int | None = None

    def dts(self, position: int) -> int:
        """Return the decoding time of the packet at ``position`` in decoding order: strictly rising, never after its picture.

        It is the time of the picture ``delay`` ranks before; ahead of the first picture, times go back in nominal steps.
        """
        rank = position - self.delay
        return self.pts[rank] if rank >= 0 else self.pts[0] + rank * self.nominal

    def duration(self, rank: int) -> int:
        """Return the duration of the picture at ``rank`` in presentation order."""
        if rank + 1 < len(self.pts):
            return self.pts[rank + 1] - self.pts[rank]
        return self.end - self.pts[-1] if self.end is not None and self.end > self.pts[-1] else self.nominal
