"""Waits for other threads and processes."""

import time
from collections.abc import Callable
from typing import Final

TIMEOUT_S: Final = 60.0
"""Longer than anything here takes on a busy machine, so only a failing test waits that long."""


def wait_until(condition: Callable[[], object], what: str = "", *, timeout: float = TIMEOUT_S, interval: float = 0.02) -> None:
    """Return as soon as ``condition`` is true, and fail after ``timeout`` seconds. ``what`` names it in the failure."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"timed out: {what}"
        time.sleep(interval)
