"""Segments: the parts of a video that are rendered independently, in any order and by anyone, always to the same bytes."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

WARMUP_S: Final = 1.5
"""Seconds before a segment that the temporal filter sees first, so that its matte continues that of the segment before."""
LOOKAHEAD_S: Final = 0.5
"""Seconds after a segment that the look-ahead filter sees."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Part ``index`` of a video: its frames with ``begin <= pts < end``, in ticks of ``time_base`` seconds.

    The end of the last segment is None: it lasts as long as the source.
    """

    index: int
    begin: int
    end: int | None
    time_base: Fraction

    def contains(self, pts: int) -> bool:
        return self.begin <= pts and (self.end is None or pts < self.end)
