"""The part of a file that ``--start`` and ``--end`` select."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Self

from livebg.errors import ConfigError

_TOLERANCE_S: Final = Fraction(1, 2000)
"""Seconds. Times on the command line are in milliseconds, frame times are not."""
_MAX_TIME_S: Final = 1e9
"""No file is that long, and libav's clock can still count these seconds in nanoseconds."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Seconds from the file's start, as players show them: ``start <= time < end``; an ``end`` of None is the file's."""

    start: Fraction
    end: Fraction | None

    @classmethod
    def of(cls, start: float | None, end: float | None) -> Self:
        """Raise :class:`~livebg.errors.ConfigError` for times below 0 and for an end that is not after the start."""
        begin, until = _validated_time("--start", start) or Fraction(0), _validated_time("--end", end)
        if until is not None and until <= begin:
            raise ConfigError(
                f"The range ends at {format_seconds(until)} but starts at {format_seconds(begin)}.",
                "Set --end to a later time than --start.",
            )
        return cls(begin, until)

    def ticks(self, time_base: Fraction, origin: Fraction) -> tuple[int, int | None]:
        """Return the first tick of ``time_base`` seconds in the range, and the first one after it. ``origin`` is the file's
        start on the stream's clock, in seconds.
        """
        first = math.ceil((self.start - _TOLERANCE_S + origin) / time_base)
        return first, None if self.end is None else math.ceil((self.end - _TOLERANCE_S + origin) / time_base)

    def ends_after(self, seconds: float) -> bool:
        return self.end is None or self.end > seconds + _TOLERANCE_S


def format_seconds(seconds: Fraction) -> str:
    return f"{float(seconds):.3f} s"


def _validated_time(option: str, value: float | None) -> Fraction | None:
    if value is None:
        return None
    if not math.isfinite(value) or value < 0:
        raise ConfigError(f"{option} is {value}.", "Give a time in seconds from the start of the file, 0 or more.")
    return Fraction(min(value, _MAX_TIME_S)).limit_denominator(1_000_000)
