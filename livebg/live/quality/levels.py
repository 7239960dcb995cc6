"""The quality levels, their descriptions for people, and the log of their changes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_LOG: Final = logging.getLogger(__name__)
_LOG_INTERVAL_S: Final = 60.0
"""Minimum time between two log messages about the level. Changes in between are counted."""


@dataclass(frozen=True, slots=True)
class QualityLevel:
    """A quality level.

    A mask is computed for every ``mask_every``-th frame, with the sides of the network input scaled by ``mask_scale``, and with
    the coarse or the fine blur. With ``reuse``, one for every second frame suffices while the optical flow explains the frames:
    that costs no quality, so it is no degradation.
    """

    mask_every: int = 1
    mask_scale: float = 1.0
    coarse: bool = False
    reuse: bool = False

    @property
    def longest_interval(self) -> int:
        """Maximum number of frames from one mask to the next."""
        return max(self.mask_every, 2 if self.reuse else 1)

    @property
    def degradations(self) -> tuple[str, ...]:
        """Human-readable quality reductions."""
        ordinals = {2: "2nd", 3: "3rd"}
        rate = f"mask every {ordinals.get(self.mask_every, f'{self.mask_every}th')} frame"
        size = {0.75: "masks at three quarters of their size", 0.5: "masks at half their size"}
        phrases = (
            rate if self.mask_every > 1 else "",
            size.get(self.mask_scale, f"masks at {self.mask_scale:.0%} of their size") if self.mask_scale < 1 else "",
            "a coarse blur" if self.coarse else "",
        )
        return tuple(phrase for phrase in phrases if phrase)


def quality_levels(*, smaller: bool, coarse: bool, reuse: bool = False) -> tuple[QualityLevel, ...]:
    """Return all quality levels, best first: reduced mask rate, then mask size, then blur; never the frame rate.

    Half-size masks come last: a network not trained for them may miss people entirely.
    ``smaller``: the network supports smaller inputs. ``coarse``: a coarse blur is available. ``reuse``: the best level reuses
    masks while the optical flow explains the frames.
    """
    levels = [QualityLevel(reuse=reuse), QualityLevel(2), QualityLevel(3)]
    if smaller:
        levels.append(QualityLevel(3, 0.75))
    if coarse:
        levels.append(QualityLevel(3, levels[-1].mask_scale, True))
    if smaller:
        levels.append(QualityLevel(3, 0.5, coarse))
    return tuple(levels)


class ChangeLog:
    """Logs the first change of the level at once and summarizes those that follow soon after it."""

    def __init__(self) -> None:
        self._logged: float | None = None
        self._changes = 0

    def changed(self) -> None:
        """Count a change."""
        self._changes += 1

    def update(self, now: float, degradations: Sequence[str]) -> None:
        """Log the changes that are due, with the current quality reductions."""
        if not self._changes or (self._logged is not None and now - self._logged < _LOG_INTERVAL_S):
            return
        state = "; ".join(degradations) or "none"
        if self._changes == 1:
            _LOG.info("Reduced quality: %s", state)
        else:
            _LOG.info("Reduced quality: %s (%d changes in %.0f s)", state, self._changes, now - (self._logged or now))
        self._logged, self._changes = now, 0
