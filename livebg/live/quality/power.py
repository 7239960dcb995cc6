"""Detects battery power."""

import logging
from collections.abc import Callable
from typing import Any, Final

from livebg.clock import SYSTEM_CLOCK, Clock

_POLL_INTERVAL_S: Final = 10.0
_LOG: Final = logging.getLogger(__name__)


def on_battery(read: Callable[[], Any] | None = None) -> bool:
    """Return whether the machine runs on battery. Without a readable battery: False. ``read`` defaults to psutil."""
    import psutil

    # psutil lacks the function on platforms without battery support.
    read = read or getattr(psutil, "sensors_battery", None)
    if read is None:
        return False
    try:
        battery = read()
    except (OSError, TypeError, ValueError) as error:
        # The folder is missing without power supplies or /sys (containers), entries may vanish while they are read, and psutil
        # expects a number in each.
        _LOG.debug("Cannot read the battery: %s", error)
        return False
    return battery is not None and battery.power_plugged is False


class PowerSource:
    """Caches the result of ``ask`` for ten seconds."""

    def __init__(self, ask: Callable[[], bool], clock: Clock = SYSTEM_CLOCK) -> None:
        self._ask, self._clock = ask, clock
        self._last_poll: float | None = None
        self._on_battery = False

    @property
    def on_battery(self) -> bool:
        now = self._clock.monotonic()
        if self._last_poll is None or now - self._last_poll >= _POLL_INTERVAL_S:
            self._last_poll, self._on_battery = now, self._ask()
        return self._on_battery
