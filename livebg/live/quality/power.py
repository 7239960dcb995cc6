"""Whether the machine runs on its battery."""

import logging
from collections.abc import Callable
from typing import Any, Final

_ASK_EVERY: Final = 10.0
"""Seconds."""
_LOG: Final = logging.getLogger(__name__)


def on_battery(read: Callable[[], Any] | None = None) -> bool:
    """Whether there is a battery and no mains; no battery, and none that tells, is mains. ``read`` is psutil's by default."""
    import psutil

    # On a platform where psutil knows of no batteries it has no such function.
    read = read or getattr(psutil, "sensors_battery", None)
    if read is None:
        return False
    try:
        battery = read()
    except OSError as error:
        # A kernel without power supplies, or a container without /sys, has no folder of them, and one may go while it is read.
        _LOG.debug("no battery tells: %s", error)
        return False
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
