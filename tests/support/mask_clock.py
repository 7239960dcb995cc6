"""Simulated time for a pipeline whose masks are made in a separate thread."""

import math
import threading
from typing import Final

from livebg.clock import Clock

_TIMEOUT_S: Final = 60.0
"""Real time after which a test fails instead of hanging."""


class MaskClock(Clock):
    """Time that passes only in :meth:`advance` and :meth:`compute_mask`, so that the load of the machine has no influence.

    The thread that creates the clock processes the frames. Only one mask may be pending at a time.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._frame_thread = threading.current_thread()
        self._changed = threading.Condition()
        self._pending: _MaskEvent | None = None
        self._ready_at: float | None = None
        """When the mask that another thread computes is ready; None while no thread waits for it."""

    def monotonic(self) -> float:
        return self._now

    def event(self) -> threading.Event:
        self._pending = _MaskEvent(self, self._changed)
        return self._pending

    def advance(self, seconds: float) -> None:
        """Let time pass for the frames. A mask that becomes ready meanwhile is finished at its time."""
        end = self._now + seconds
        while (ready_at := self._next_mask()) <= end:
            self._finish_mask(ready_at)
        self._now = end

    def compute_mask(self, seconds: float) -> None:
        """Let a mask take that long. Another thread than that of the frames blocks until the frames' time has come so far."""
        if threading.current_thread() is self._frame_thread:
            self._now += seconds
            return
        with self._changed:
            self._ready_at = self._now + seconds
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._ready_at is None, _TIMEOUT_S)

    def wait_for_mask(self) -> None:
        """Let time pass until the pending mask is finished."""
        while (ready_at := self._next_mask()) < math.inf:
            self._finish_mask(ready_at)

    def _next_mask(self) -> float:
        """Returns when the pending mask is ready, infinity if there is none."""
        pending = self._pending
        if pending is None:
            return math.inf
        with self._changed:
            assert self._changed.wait_for(lambda: pending.is_set() or self._ready_at is not None, _TIMEOUT_S)
            return math.inf if self._ready_at is None else self._ready_at

    def _finish_mask(self, ready_at: float) -> None:
        assert self._pending is not None
        with self._changed:
            self._now, self._ready_at = ready_at, None
            self._changed.notify_all()
            assert self._changed.wait_for(self._pending.is_set, _TIMEOUT_S)


class _MaskEvent(threading.Event):
    """Set when a mask is finished. Waiting lets simulated time pass."""

    def __init__(self, clock: MaskClock, changed: threading.Condition) -> None:
        super().__init__()
        self._clock, self._changed = clock, changed

    def set(self) -> None:
        with self._changed:
            super().set()
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 - simulated time has no timeouts
        if not self.is_set():
            self._clock.wait_for_mask()
        return self.is_set()
