"""Decides whether anyone can see the window, so that a hidden window does not keep the camera on. Needs no GTK."""

from dataclasses import dataclass
from typing import Final

CHECK_INTERVAL_S: Final = 0.2
"""Interval in which the window checks whether it was drawn."""
_UNDRAWN_AFTER_S: Final = 0.7
"""Time without drawing after which the window counts as hidden."""
_STEADY_DRAWS: Final = 2
"""Draws in quick succession after which a hidden window counts as visible: some compositors draw hidden windows once a second."""


@dataclass(slots=True)
class Attention:
    """Whether the window is visible, from what the desktop reports and from whether the window is drawn.

    Wayland does not report that a window is minimized, on another workspace or behind the lock screen, but stops drawing it. All
    times are in seconds of a monotonic clock.
    """

    mapped: bool = False
    minimized: bool = False
    locked: bool = False
    _drawn_at: float = float("-inf")
    _steady: int = 0

    def drawn(self, now: float) -> None:
        """Note that the window was drawn."""
        self._steady = self._steady + 1 if now - self._drawn_at <= _UNDRAWN_AFTER_S else 1
        self._drawn_at = now

    def needs_drawing(self, now: float) -> bool:
        """Return whether the window should ask to be drawn, because no picture was drawn since the last check."""
        return now - self._drawn_at >= CHECK_INTERVAL_S

    @property
    def may_be_visible(self) -> bool:
        """Whether the desktop reports nothing that hides the window."""
        return self.mapped and not self.minimized and not self.locked

    def watching(self, now: float) -> bool:
        """Return whether the window should receive pictures."""
        return self.may_be_visible and now - self._drawn_at <= _UNDRAWN_AFTER_S and self._steady >= _STEADY_DRAWS
