"""Whether the machine runs on its battery."""

from collections.abc import Callable
from typing import Final

_ASK_EVERY: Final = 10.0
"""Seconds."""


def on_battery() -> bool:
    """Whether there is a battery and no mains; no battery counts as mains."""
    import psutil

    # On a platform where psutil knows of no batteries it has no such function.
    read = getattr(psutil, "sensors_battery", None)
    battery = read() if read is not None else None
    return battery is not None and battery.power_plugged is False


class PowerSource:
    """What ``ask`` says, asked every ten seconds at most; ``clock`` tells seconds and never goes back."""

    def __init__(self, ask: Callable[[], bool], clock: Callable[[], float]) -> None:
        self._ask, self._clock = ask, clock
        self._asked: float | None = None
        self._on_battery = False

    @property
    def on_battery(self) -> bool:
        now = self._clock()
        if self._asked is None or now - self._asked >= _ASK_EVERY:
            self._asked, self._on_battery = now, self._ask()
        return self._on_battery
