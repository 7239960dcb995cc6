"""The times of a file's packets, from the presentation times of its pictures alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

_SUBDIVISION: Final = 16
_COARSE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Timeline:
    """The times of a file.

    ``pts`` are the presentation times of its pictures, rising, in units of ``time_base`` seconds, like ``nominal``, the duration
    of a picture without a successor, and ``end``, the end of the last picture if it is known. ``delay`` is the largest number of
    packets by which a picture comes later in decoding order than in presentation order.

    The methods return times in :attr:`unit`.
    """

    pts: Sequence[int]
    time_base: Fraction
    delay: int
    nominal: int
    end: int | None = None

    @property
    def unit(self) -> Fraction:
        """The unit of the packets' times, in seconds: finer than a coarse time base, whose single tick may be a whole frame."""
        return self.time_base / self._scale

    def presentation(self, rank: int) -> int:
        """Return the presentation time of the picture at ``rank`` in presentation order."""
        return self.pts[rank] * self._scale

    def decoding(self, position: int) -> int:
        """Return the decoding time of the packet at ``position`` in decoding order: strictly rising, never after its picture.

        It is the time of the picture ``delay`` ranks before. Ahead of the first picture, times go back in steps so small that no
        picture follows its decoding time more closely than the first: the MP4 muxer's edit lists depend on that.
        """
        rank = position - self.delay
        if rank >= 0:
            return self.presentation(rank)
        step = min(self.nominal, self.pts[1] - self.pts[0]) * self._scale // max(1, self.delay - 1)
        return self.presentation(0) + rank * max(1, step)

    def duration(self, rank: int) -> int:
        """Return the duration of the picture at ``rank`` in presentation order."""
        if rank + 1 < len(self.pts):
            ticks = self.pts[rank + 1] - self.pts[rank]
        elif self.end is not None and self.end > self.pts[-1]:
            ticks = self.end - self.pts[-1]
        else:
            ticks = self.nominal
        return ticks * self._scale

    @property
    def _scale(self) -> int:
        return _SUBDIVISION if self.time_base.denominator <= _COARSE else 1
